"""`flask create-user` and `flask users …`: somebody who may sign in."""

import click
from flask.cli import AppGroup

from app import clock
from app.cli.console import actor, command, say
from app.db import in_transaction
from app.models.users import PEOPLE
from app.permissions import Role
from app.services import customers, user_changes, users


@click.command("create-user")
@click.argument("email")
@click.option(
    "--role", required=True, type=click.Choice([str(role) for role in PEOPLE]), help="What they may do."
)
@click.option("--name", default="", help="How they are called; by default the address up to the @.")
@click.option(
    "--customer", metavar="ID", help="The customer whose data a `customer` sees: id or external id."
)
@click.option(
    "--timezone", default="Asia/Kolkata", show_default=True, help="The zone that times are shown in."
)
@command
def create_user(email: str, role: str, name: str, customer: str | None, timezone: str) -> None:
    """Let somebody sign in as EMAIL.

    flask create-user priya@example.com --role finance_admin --name "Priya Nair"
    """

    def make() -> str:
        owner = customers.get(customer) if customer else None
        made = users.create(
            email, role=Role(role), name=name, customer=owner, timezone=timezone, actor=actor()
        )
        return f"{made.name} <{made.email}> may sign in as {made.role}."

    say(in_transaction(make))


people = AppGroup("users", help="People who sign in.")


@people.command("add-super-admin", with_appcontext=False)
@click.argument("email")
@click.option("--name", default="", help="How they are called; by default the address up to the @.")
@command
def add_super_admin(email: str, name: str) -> None:
    """Let somebody sign in as EMAIL who may do everything: the first one, or the way back in.

    flask users add-super-admin priya@example.com
    """

    def make() -> str:
        made = user_changes.secure_super_admin(email, name=name, at=clock.now(), actor=actor())
        return f"{made.name} <{made.email}> may sign in as {made.role}."

    say(in_transaction(make))
