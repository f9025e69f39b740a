"""What the page of a subscription shows of its contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from app.db import db
from app.models import Commitment, Discount, PriceComponent, Subscription, TermsOverride
from app.services import commitments
from app.templating import words


@dataclass(frozen=True)
class Contract:
    """What was agreed for one subscription, as its page shows it."""

    components: list[PriceComponent]
    overrides: list[TermsOverride]
    commitments: list[Commitment]
    discounts: list[Discount]


class ContractPart:
    """What the page of a subscription knows of its contract."""

    def contract(self, record: Subscription) -> Contract:
        """Return what was agreed for a subscription; the discounts of its account among it."""
        of_it = or_(Discount.subscription_id.is_(None), Discount.subscription_id == record.origin_id)
        query = select(Discount).where(Discount.account_id == record.account_id, of_it)
        overrides = (
            select(TermsOverride)
            .where(TermsOverride.subscription_id == record.origin_id)
            .options(joinedload(TermsOverride.component, innerjoin=True))
        )
        currency = record.account.currency
        return Contract(
            [one for one in record.version.components if one.currency == currency],
            list(db.session.scalars(overrides.order_by(TermsOverride.start_at, TermsOverride.id))),
            commitments.of(record),
            list(db.session.scalars(query.order_by(Discount.start_on, Discount.id))),
        )

    def told(self, model: str, terms: Mapping[str, Any]) -> str:
        """Return terms in a few words: `Graduated, 3 tiers`; what is nothing is left out."""
        said = [words(model)]
        for name, value in terms.items():
            if isinstance(value, list):
                said.append(f"{len(value)} {name}")
            elif value not in (None, "0", 0):
                said.append(f"{name.replace('_', ' ')} {value}")
        return ", ".join(said)
