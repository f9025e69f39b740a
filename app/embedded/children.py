"""What `make run` runs besides the data stores: literal tables of command lines.

The words in braces are filled in by the supervisor: `{python}`, `{host}`, `{port}`, `{sandbox_port}`.
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


PRODUCT = Program(
    migrate=("{python}", "-m", "flask", "--app", "wsgi", "db", "upgrade"),
    seed=("{python}", "-m", "flask", "--app", "wsgi", "seed"),
    children={
        "sandbox": ("{python}", "-m", "app.gateways.sandbox_server", "--port", "{sandbox_port}"),
        "web": (
            *("{python}", "-m", "granian", "--interface", "wsgi", "--host", "{host}", "--port", "{port}"),
            *("--workers", "2", "--blocking-threads", "8", "--backlog", "1024", "--no-ws", "--http", "1"),
            *("--respawn-failed-workers", "--workers-kill-timeout", "5", "wsgi:app"),
        ),
        "worker-1": ("{python}", "-m", "jobs.worker"),
        "worker-2": ("{python}", "-m", "jobs.worker"),
        "scheduler": ("{python}", "-m", "jobs.schedule"),
    },
)
