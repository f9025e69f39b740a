"""What every command shares: who acts, progress on long work, and one clear sentence when something is wrong.

Results go to standard output and can be piped; progress and errors go to standard error.
"""

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import click
from flask.cli import with_appcontext
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from sqlalchemy.exc import OperationalError

from app.domain.errors import RuleBroken
from app.errors import DomainError
from app.permissions import Actor, Role

F = TypeVar("F", bound=Callable[..., Any])
Advance = Callable[[int], None]

progress_console = Console(stderr=True, highlight=False)


def command(function: F) -> F:
    """Run a command inside the application and turn what is refused into one sentence and exit status 1."""

    @wraps(function)
    def explained(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except DomainError as error:
            raise click.ClickException(_sentence(error)) from None
        except RuleBroken as error:
            raise click.ClickException(error.message) from None
        except OperationalError as error:
            reason = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
            raise click.ClickException(
                f"PostgreSQL cannot be used: {reason}\n"
                "Start `make run`, or set DATABASE_URL; `flask db upgrade` brings the tables up to date."
            ) from None
        except RedisError as error:
            raise click.ClickException(
                f"Redis cannot be used: {error}. Start `make run`, or set REDIS_URL."
            ) from None

    return cast(F, with_appcontext(explained))


def actor() -> Actor:
    """Return whoever runs the command, as the audit trail names them."""
    try:
        name = getpass.getuser()
    except KeyError:  # a number without a name, as in containers
        name = f"user {os.getuid()}"
    return Actor(kind="command", id=name, label=f"{name} (command line)", role=Role.super_admin)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Advance]:
    """Show a bar for `total` steps (None: how many is not known) and yield what moves it."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=progress_console, transient=not progress_console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


def say(text: str = "") -> None:
    """Write one line of the result."""
    click.echo(text)


def table(rows: list[tuple[str, object]]) -> None:
    """Write names with their values, the values aligned."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        say(f"  {name:<{width}}  {value}")


def _sentence(error: DomainError) -> str:
    """Return the message, and each field's own where there are several."""
    details = [field.message for field in error.fields if field.message != error.message]
    return "\n  ".join([error.message, *details])
