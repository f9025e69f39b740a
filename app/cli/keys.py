"""`flask api-key create`: a key that services call with."""

import click
from flask.cli import AppGroup

from app import clock
from app.cli.console import actor, command, say
from app.db import in_transaction
from app.models import ApiKey
from app.models.users import KeyKind
from app.permissions import SCOPES
from app.services import accounts, keys

api_key = AppGroup("api-key", help="Keys that services call with.")


@api_key.command("create", with_appcontext=False)
@click.argument("name")
@click.option(
    "--bearer", is_flag=True, help="The secret itself is sent (Authorization: Bearer); the only kind yet."
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=["events:write"],
    show_default=True,
    type=click.Choice([*SCOPES, "all"]),
    help="What the key may do; give it several times, or `all`.",
)
@click.option("--account", metavar="ID", help="Narrow the key to one account: id or external id.")
@command
def create(name: str, bearer: bool, scopes: tuple[str, ...], account: str | None) -> None:
    """Make a key called NAME and print its secret, once, as the last line.

    flask api-key create "OTP gateway" --bearer --scope events:write
    """

    def make() -> tuple[ApiKey, str]:
        narrowed = accounts.get(account) if account else None
        kind = KeyKind.bearer if bearer else KeyKind.hmac
        return keys.create(
            name, kind=kind, scopes=list(scopes), account=narrowed, actor=actor(), at=clock.now()
        )

    key, secret = in_transaction(make)
    say(f"Key {key.name} may: {', '.join(key.scopes)}. This is its secret; it is not shown again:")
    say(secret)
