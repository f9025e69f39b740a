"""`flask verify`: the books prove themselves."""

import json

import click

from app.cli.console import command, say
from app.db import in_transaction
from app.services import verify as books
from app.services.verify import Result

PROBLEMS_SHOWN = 5


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as one JSON object.")
@command
def verify(as_json: bool) -> None:
    """Prove that the books balance: recompute what the tables claim, and say what was counted.

    Everything is looked at in one unchanging view, so it may run while work goes on. Exits with 1 when
    something does not hold.
    """
    report = in_transaction(lambda: books.run(progress=None if as_json else _tell))
    if as_json:
        say(json.dumps(report.as_json()))
    else:
        failed = [result for result in report.results if not result.ok]
        say(f"{len(failed)} of {len(report.results)} checks fail." if failed else "The books balance.")
    if not report.ok:
        raise click.exceptions.Exit(1)


def _tell(result: Result) -> None:
    mark = click.style("ok  ", fg="green") if result.ok else click.style("FAIL", fg="red", bold=True)
    counted = ", ".join(f"{number:,} {what.replace('_', ' ')}" for what, number in result.counted.items())
    say(f"{mark}  {result.title} ({counted or 'nothing yet'})")
    for problem in result.problems[:PROBLEMS_SHOWN]:
        say(f"        {problem.where}: {problem.message}")
    if result.failures > PROBLEMS_SHOWN:
        say(f"        and {result.failures - PROBLEMS_SHOWN:,} more; flask verify --json shows fifty")
