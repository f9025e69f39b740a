"""`flask api-key …`: the keys that services call with."""

from datetime import UTC, timedelta
from uuid import UUID

import click
from flask.cli import AppGroup

from app import clock
from app.cli.console import actor, command, say
from app.config import current_settings
from app.db import db, in_transaction, transaction
from app.domain.events import read_instant
from app.gateways.key_service import open_key_service
from app.models import ApiKey
from app.models.users import KeyKind
from app.permissions import SCOPES
from app.services import accounts, key_secrets, keys

api_key = AppGroup("api-key", help="Keys that services call with.")


@api_key.command("create", with_appcontext=False)
@click.argument("name")
@click.option("--bearer", is_flag=True, help="The secret itself is sent; without this it signs each request.")
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
@click.option("--expires", metavar="INSTANT", help="When it ends, such as 2027-03-31T00:00:00+05:30.")
@click.option("--ip", "ips", multiple=True, metavar="NETWORK", help="From where: an address or 10.0.0.0/8.")
@command
def create(
    name: str,
    bearer: bool,
    scopes: tuple[str, ...],
    account: str | None,
    expires: str | None,
    ips: tuple[str, ...],
) -> None:
    """Make a key called NAME and print its secret, once, as the last line.

    flask api-key create "OTP gateway" --scope events:write
    """
    expires_at = read_instant(expires, pointer="/expires") if expires else None

    def make() -> tuple[ApiKey, str]:
        narrowed = accounts.get(account) if account else None
        return keys.create(
            name,
            kind=KeyKind.bearer if bearer else KeyKind.hmac,
            scopes=list(scopes),
            account=narrowed,
            expires_at=expires_at,
            allowed_ips=list(ips),
            actor=actor(),
            at=clock.now(),
        )

    key, secret = in_transaction(make)
    say(f"Key {key.name} may: {', '.join(key.scopes)}.")
    if key.kind == KeyKind.hmac:
        say("It signs each request (docs/integration/signing.md). Its id, for X-Api-Key:")
        say(str(key.id))
    say("This is its secret; it is not shown again:")
    say(secret)


@api_key.command("list", with_appcontext=False)
@command
def list_keys() -> None:
    """List the keys, the newest first: id, kind, state, last use, scopes, name."""
    now = clock.now()
    for key in db.session.scalars(keys.list_query().order_by(ApiKey.created_at.desc(), ApiKey.id.desc())):
        used = f"{key.last_used_at.astimezone(UTC):%Y-%m-%d %H:%M}Z" if key.last_used_at else "never"
        state = keys.state_of(key, now)
        say(f"{key.id}  {key.kind:<6}  {state:<7}  {used:<17}  {','.join(key.scopes)}  {key.name}")


@api_key.command("revoke", with_appcontext=False)
@click.argument("key_id", metavar="ID", type=click.UUID)
@command
def revoke(key_id: UUID) -> None:
    """End the key ID for good, in every process within five seconds."""
    with transaction():
        key = keys.revoke(keys.get(key_id), actor=actor(), at=clock.now())
    say(f"Key {key.name} is revoked.")


@api_key.command("rotate", with_appcontext=False)
@click.argument("key_id", metavar="ID", type=click.UUID)
@click.option("--overlap", "hours", default=24, show_default=True, help="Hours that the secret before works.")
@command
def rotate(key_id: UUID, hours: int) -> None:
    """Give the key ID a new secret and print it, once, as the last line."""

    def give() -> tuple[ApiKey, str]:
        return keys.rotate(keys.get(key_id), overlap=timedelta(hours=hours), actor=actor(), at=clock.now())

    key, secret = in_transaction(give)
    say(f"Key {key.name} has a new secret; the one before ends in {hours} h. It is not shown again:")
    say(secret)


@api_key.command("rewrap", with_appcontext=False)
@click.option("--new-master-key", is_flag=True, help="Make a new master key first; the older ones stay.")
@command
def rewrap(new_master_key: bool) -> None:
    """Wrap the secrets of all signed keys by the present key service and its newest master key."""
    if new_master_key:
        settings = current_settings()
        open_key_service(settings.key_service, settings).renew()
    say(f"Wrapped anew: {in_transaction(key_secrets.rewrap)}.")
