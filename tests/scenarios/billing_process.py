"""A process that bills what is pending in a run until nothing is left, however often it is thrown back:
`python -m tests.scenarios.billing_process RUN_ID LANE LANES [TOGETHER]` prints how many it billed and was
thrown back.
"""

import json
import sys
from uuid import UUID

from app import clock
from app.db import in_transaction
from app.factory import create_app
from app.failpoints import Forced
from app.models.billing_runs import RunStatus
from app.permissions import Actor
from app.services import billing, billing_runs

ACTOR = Actor.system("tests")


def main() -> None:
    """Bill, and tell."""
    run_id, lane, lanes = UUID(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    together = int(sys.argv[4]) if len(sys.argv) > 4 else None
    told = {"billed": 0, "thrown_back": 0}
    with create_app().app_context():
        while in_transaction(lambda: billing_runs.get(run_id).status) is RunStatus.running:
            try:
                at = clock.now()
                for _step in billing.work(
                    run_id, at=at, actor=ACTOR, lane=lane, lanes=lanes, together=together
                ):
                    told["billed"] += 1
            except Forced:
                told["thrown_back"] += 1
    print(json.dumps(told))


if __name__ == "__main__":
    main()
