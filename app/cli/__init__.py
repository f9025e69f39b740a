"""The commands: `flask seed`, `import-events`, `billing`, `verify`, `archive`, `create-user`, `users`,
`api-key` and `languages`.
"""

from flask import Flask

from app.cli import archives, imports, keys, languages, people, rerating, seed, verify

COMMANDS = (
    seed.seed,
    imports.import_events,
    rerating.billing,
    verify.verify,
    archives.archive,
    people.create_user,
    people.people,
    keys.api_key,
    languages.catalogues,
)


def init_app(app: Flask) -> None:
    """Enter the commands."""
    for command in COMMANDS:
        app.cli.add_command(command)
