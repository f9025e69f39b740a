"""`flask seed`: reference data, and the demonstration."""

import time

import click

from app import clock
from app.cli.console import actor, command, progress, say, table
from app.cli.summary import what_there_is
from app.db import in_transaction
from app.services import demo, reference


@click.command("seed")
@click.option("--reference-only", is_flag=True, help="Load no customers, plans, usage or people.")
@command
def seed(reference_only: bool) -> None:
    """Load what an installation needs, and a demonstration to look around in.

    The reference data are a registration of the seller with its letter of undertaking, and the rate of GST.
    The demonstration is forty customers with three months of usage, invoices and wallets, as of today. Doing
    it again adds nothing; after a crash it goes on where it stopped.
    """
    begun, at = time.monotonic(), clock.now()
    made = in_transaction(lambda: reference.load(at=at, actor=actor()))
    say(f"Reference data: {', '.join(made) if made else 'there already'}.")
    if reference_only:
        return
    if in_transaction(demo.is_loaded):
        say("Demonstration: there already.")
        return
    for step in demo.steps(at=at, actor=actor()):
        with progress(step.label, step.pieces) as advance:
            step.run(advance)
    say(f"Demonstration loaded in {time.monotonic() - begun:.0f} s:")
    table(in_transaction(what_there_is))
