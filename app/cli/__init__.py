"""The commands: `flask seed`, `import-events`, `billing`, `verify`, `archive`, `create-user`, `api-key`."""

from flask import Flask

from app.cli import archives, billing, imports, keys, people, seed, verify

COMMANDS = (
    seed.seed,
    imports.import_events,
    billing.billing,
    verify.verify,
    archives.archive,
    people.create_user,
    keys.api_key,
)


def init_app(app: Flask) -> None:
    """Enter the commands."""
    for command in COMMANDS:
        app.cli.add_command(command)
