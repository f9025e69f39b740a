"""Whether tampering with the audit trail is found: `make bench BENCH=audit_tampering` prints a line of JSON.

Somebody with all power over the database changes a trail that was in order, with all triggers off, a thousand
times in a thousand ways (`bench/audit_forging.py`).
"""

import random
import sys
from datetime import timedelta

from sqlalchemy import select

from app.db import transaction
from app.models import Customer
from app.permissions import Actor
from app.services import audit, audit_chain
from bench.audit_forging import FORGERIES, Trail
from bench.books import BEGUN, open_wallets
from bench.forgery_trials import Trial

CHECKS = ("audit", "audit_anchors")
BATCHES, RECORDS = 6, 20


def write_trail(seed: int) -> None:
    """Record changes in some batches, each sealed and anchored."""
    chance = random.Random(seed)
    open_wallets(1)
    for batch in range(BATCHES):
        at = BEGUN + timedelta(hours=batch)
        with transaction() as session:
            customer = session.scalars(select(Customer)).first()
            for n in range(RECORDS):
                actor = Actor.system(chance.choice(["Meera", "metering", "Zoë"]))
                values = {"name": f"Acme {n}", "tags": ["ü", None, n], "limits": {"b": 1, "aa": True}}
                audit.record(
                    actor.at(ip=chance.choice([None, "10.0.0.1"]), request_id=chance.choice([None, "r1"])),
                    "customer.updated",
                    customer,
                    summary=f"Change {n} of batch {batch}",
                    at=at + timedelta(seconds=n),
                    before=chance.choice([None, values]),
                    after=values,
                )
        with transaction():
            audit_chain.seal(at)
            audit_chain.anchor(at)


TRIAL = Trial("audit_tampering", CHECKS, FORGERIES, write_trail, Trail.read)


if __name__ == "__main__":
    sys.exit(TRIAL.run())
