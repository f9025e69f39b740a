"""What a monthly return does with documents that nobody can read."""

import pytest
from sqlalchemy.orm import Session

from app.models import SellerRegistration
from app.services import gst_returns
from tests import factories as make
from tests.services.tampering import power
from tests.services.test_gst_returns import filed, rows, sell


@pytest.fixture
def seller(session: Session) -> SellerRegistration:
    """The seller in Karnataka, GST of 18 %."""
    row = make.make_seller()
    make.make_tax_rate("18")
    return row


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("snapshot = snapshot - 'place_of_supply'", "lacks 'place_of_supply'"),
        ("snapshot = snapshot #- '{buyer,gstin}'", "lacks 'gstin'"),
        (
            "snapshot = jsonb_set(snapshot, '{place_of_supply,code}', '\"00\"')",
            "cannot be read (no State has the code 00)",
        ),
        (
            "number = 'OT29/26-27/12a'",
            "cannot be read (invalid literal for int() with base 10: '12a')",
        ),
    ],
)
def test_a_document_that_cannot_be_read_is_named_and_the_others_are_told(
    session: Session, seller: SellerRegistration, change: str, why: str
) -> None:
    odd, other = sell("1000", gstin=make.a_gstin("29")), sell("2000", gstin=make.a_gstin("29"))
    power(session, f"UPDATE invoices SET {change} WHERE id = :id", id=odd.id)
    found = filed(seller)
    assert found.problems == (
        f"{odd.number}: what was issued {why}, so that it is in no section and no sum.",
    )
    assert [row["number"] for row in rows(seller, "b2b")] == [other.number]
    assert found.supplies()["taxable"] == 2000


def test_the_sheet_says_which_document_cannot_be_read(session: Session, seller: SellerRegistration) -> None:
    odd = sell("1000", gstin=make.a_gstin("29"))
    power(session, "UPDATE invoices SET snapshot = snapshot - 'lines' WHERE id = :id", id=odd.id)
    why = "what was issued lacks 'lines', so that it is in no section and no sum."
    assert gst_returns.as_csv(filed(seller)).splitlines()[1] == f'Missing,"{odd.number}: {why}"'
