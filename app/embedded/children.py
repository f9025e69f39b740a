"""What `make run` runs besides the data stores: literal tables of command lines.

The words in braces are filled in by the supervisor: `{python}`, `{host}`, `{port}`,
`{public_url}`, `{sandbox_port}`, `{data}`.
"""

from dataclasses import dataclass

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """All that the supervisor needs to know about the product."""

    migrate: Command
    seed: Command
    children: dict[str, Command]
    ready_path: str = "/readyz"
    # Names and roles of those who can sign in by one click while the development sign-in is on.
    sign_ins: str = ""


PRODUCT = Program(
    migrate=("{python}", "-m", "flask", "--app", "wsgi", "db", "upgrade"),
    seed=("{python}", "-m", "flask", "--app", "wsgi", "seed"),
    sign_ins="SELECT name, role FROM users WHERE active ORDER BY id LIMIT 8",
    children={
        "web": (
            *("{python}", "-m", "app.serving", "--host", "{host}", "--port", "{port}"),
            # Many threads only wait for the common commit of their events; bench/ingest.py chose the numbers.
            *("--workers", "2", "--blocking-threads", "32", "--backlog", "1024", "--backpressure", "64"),
            *("--respawn-failed-workers", "--workers-kill-timeout", "5"),
            "wsgi:app",
        ),
        "sandbox": (
            *("{python}", "-m", "app.gateways.sandbox_server", "--port", "{sandbox_port}"),
            *("--webhook-url", "{public_url}", "--data", "{data}/sandbox"),
        ),
        # The first leaves long work alone, so that neither usage nor payments wait behind a thousand PDFs.
        "worker-1": ("{python}", "-m", "jobs.worker", "--queues", "metering,default"),
        "worker-2": ("{python}", "-m", "jobs.worker", "--queues", "billing,documents,default,metering"),
        "scheduler": ("{python}", "-m", "jobs.schedule"),
    },
)
