"""Random tamperings of a superuser with the ledger and the audit trail, with all triggers off: every one is
found, and the place named. `make bench BENCH=tampering` and `BENCH=audit_tampering` do a thousand each.
"""

import pytest

from bench import audit_tampering, tampering
from bench.forgery_trials import Trial, almighty
from tests.support.own import OwnDatabase

SEED = 20_261_122


@pytest.mark.parametrize(
    ("trial", "times"), [(tampering.TRIAL, 100), (audit_tampering.TRIAL, 60)], ids=["ledger", "audit"]
)
def test_every_tampering_is_found_and_its_place_is_named(
    own_database: OwnDatabase, trial: Trial, times: int
) -> None:
    if not own_database.superuser_url:
        pytest.skip("The server of DATABASE_URL has no superuser for us.")
    with own_database.app():
        trial.write(SEED)
        with almighty(own_database.superuser_url) as connection:
            assert trial.look() == set()
            outcomes = list(trial.tamper(connection, times, SEED))
            assert trial.look() == set()
    assert [each for each in outcomes if not each.located] == []
    assert {each.kind for each in outcomes} == set(trial.forgeries)
