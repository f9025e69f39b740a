"""Sixty random tamperings with the audit trail by a superuser, with all triggers off: every one is found,
and the place named. `make bench BENCH=audit_tampering` does a thousand."""

import pytest

from bench.audit_forging import FORGERIES
from bench.audit_tampering import look, tamper, write_trail
from bench.tampering import almighty
from tests.support.own import OwnDatabase

SEED, TIMES = 20_261_122, 60


def test_every_tampering_is_found_and_its_place_is_named(own_database: OwnDatabase) -> None:
    if not own_database.superuser_url:
        pytest.skip("The server of DATABASE_URL has no superuser for us.")
    with own_database.app():
        write_trail(SEED)
        with almighty(own_database.superuser_url) as connection:
            assert look() == set()
            outcomes = list(tamper(connection, TIMES, SEED))
            assert look() == set()
    assert [each for each in outcomes if not each.located] == []
    assert {each.kind for each in outcomes} == set(FORGERIES)
