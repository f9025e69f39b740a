"""Usage and grants: what metering takes of them, in which order, and what comes back where."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import db
from app.models import Grant, Metric, Subscription, Wallet
from app.services import grants, holds, metering, verify, wallets
from tests.factories import ACTOR
from tests.services.metered import NOON, a_rupee_each, add_usage, amounts, books
from tests.services.tampering import red
from tests.services.test_grants import DAY, LATER, debit, figures, give, left, uses

CHECKS = ("journals", "wallets", "transactions", "charges", "revenue", "grants")


def use(subscription: Subscription, metric: Metric, quantity: int, at: Any = NOON) -> None:
    """Use and meter, or with a negative quantity take usage back."""
    add_usage(subscription.account, metric, quantity)
    metering.drain(at=at)


def drawn(grant: Grant) -> list[list[str]]:
    return db.session.scalar(select(Grant.drawn).where(Grant.id == grant.id)) or []


def test_usage_spends_the_soonest_to_expire_first_and_plain_money_last(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each("100")
    late, soon = give(wallet, "10", expires_at=LATER), give(wallet, "10", expires_at=NOON + DAY)
    use(subscription, metric, 15)
    assert (left(soon, late), figures(wallet)) == (["0.00", "5.00"], ("105.00", "5.00"))
    use(subscription, metric, 15)
    assert (left(soon, late), figures(wallet)) == (["0.00", "0.00"], ("90.00", "0.00"))
    assert books(wallet) == {"cash": "-100.00", "promotion": "-20.00", "revenue": "30.00", "wallet": "90.00"}


def test_cancelled_usage_goes_back_to_who_paid_last(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each("100")
    soon, late = give(wallet, "10", expires_at=NOON + DAY), give(wallet, "10", expires_at=LATER)
    use(subscription, metric, 25)
    use(subscription, metric, -4)
    assert (left(soon, late), figures(wallet)) == (["0.00", "0.00"], ("99.00", "0.00"))
    use(subscription, metric, -4)
    assert (left(soon, late), figures(wallet)) == (["0.00", "3.00"], ("103.00", "3.00"))
    use(subscription, metric, -17)
    assert (left(soon, late), figures(wallet)) == (["10.00", "10.00"], ("120.00", "20.00"))
    assert (uses(late), drawn(late)) == (["10.00", "-3.00", "-7.00"], [])


def test_usage_paid_before_a_grant_was_given_comes_back_as_the_plain_money_that_it_was(
    session: Session,
) -> None:
    subscription, wallet, metric = a_rupee_each("100")
    use(subscription, metric, 30)
    grant = give(wallet, "10", expires_at=LATER)
    use(subscription, metric, 10)
    use(subscription, metric, -25)
    assert (left(grant), figures(wallet)) == (["10.00"], ("95.00", "10.00"))


def test_what_comes_back_to_an_expired_grant_lapses_and_plain_money_does_not(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each("100")
    grant = give(wallet, "10", expires_at=NOON + DAY)
    use(subscription, metric, 10)
    use(subscription, metric, 50, at=NOON + 2 * DAY)
    use(subscription, metric, -50, at=NOON + 2 * DAY)
    assert (left(grant), figures(wallet)) == (["0.00"], ("100.00", "0.00"))
    use(subscription, metric, -4, at=NOON + 2 * DAY)
    assert (left(grant), figures(wallet)) == (["0.00"], ("100.00", "0.00"))
    assert amounts(wallet)[-2:] == ["4.00", "-4.00"]
    assert books(wallet) == {"cash": "-100.00", "promotion": "-6.00", "revenue": "6.00", "wallet": "100.00"}


def test_an_expired_grant_pays_no_usage_though_no_job_has_run(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each()
    grant = give(wallet, "100", expires_at=LATER)
    use(subscription, metric, 30, at=LATER - timedelta(microseconds=1))
    use(subscription, metric, 30, at=LATER)
    session.refresh(wallet)
    assert (left(grant), figures(wallet), wallet.receivable) == (["0.00"], ("0.00", "0.00"), 30)
    assert amounts(wallet)[-3:] == ["-30.00", "-70.00", "0.00"]


def test_a_grant_pays_what_usage_owes_at_once(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each()
    use(subscription, metric, 30)
    grant = give(wallet, "100", expires_at=LATER)
    session.refresh(wallet)
    assert (left(grant), figures(wallet), wallet.receivable) == (["70.00"], ("70.00", "70.00"), 0)
    use(subscription, metric, -10)
    assert (left(grant), figures(wallet)) == (["80.00"], ("80.00", "80.00"))


def test_metering_never_takes_of_a_grant_what_a_hold_holds(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each()
    grant = give(wallet, "100", expires_at=LATER)
    hold = holds.place(wallet, "60", at=NOON, actor=ACTOR, reason="Campaign")
    use(subscription, metric, 50)
    session.refresh(wallet)
    assert (left(grant), figures(wallet), wallet.receivable) == (["0.00"], ("60.00", "0.00"), 10)
    holds.release(hold, at=NOON, actor=ACTOR)
    session.refresh(wallet)
    assert (left(grant), figures(wallet), wallet.receivable) == (["50.00"], ("50.00", "50.00"), 0)


def test_usage_given_back_to_an_overdrawn_wallet_is_no_more_granted_than_it_has(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each()
    grant = give(wallet, "100", expires_at=LATER)
    use(subscription, metric, 100)
    wallet.overdraft_limit = Decimal(50)
    debit(wallet, "30")
    use(subscription, metric, -80)
    assert (left(grant), figures(wallet)) == (["50.00"], ("50.00", "50.00"))


def test_a_run_makes_as_many_statements_for_many_wallets_as_for_one(
    session: Session, query_counter: Any
) -> None:
    made = [a_rupee_each() for _ in range(8)]
    for _, wallet, _ in made:
        give(wallet, "100", expires_at=LATER)
        give(wallet, "100", expires_at=NOON + DAY)
    use(*_of(made[0]), 1)
    for subscription, _, metric in made[:1]:
        add_usage(subscription.account, metric, 150)
    with query_counter() as one:
        metering.drain(at=NOON)
    for subscription, _, metric in made:
        for _ in range(5):
            add_usage(subscription.account, metric, 6)
    with query_counter() as many:
        metering.drain(at=NOON)
    about = ("grant_uses", "UPDATE grants", "FROM grants", "SET granted")
    assert [_count(one, each) for each in about] == [1, 1, 2, 1]
    assert [_count(many, each) for each in about] == [1, 1, 2, 1]
    assert [figures(wallet)[0] for _, wallet, _ in made] == ["19.00"] + ["170.00"] * 7


def _of(made: tuple[Subscription, Wallet, Metric]) -> tuple[Subscription, Metric]:
    return made[0], made[2]


def _count(queries: Any, part: str) -> int:
    return sum(part in each for each in queries)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(-60, 60)),
        st.tuples(st.just("debit"), st.integers(1, 40)),
        st.tuples(st.just("top up"), st.integers(1, 40)),
        st.tuples(st.just("give"), st.integers(1, 5)),
        st.tuples(st.just("hold"), st.integers(1, 40)),
        st.tuples(st.just("resolve"), st.integers(0, 40)),
        st.tuples(st.just("reverse"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.integers(1, 3)),
    ),
    max_size=14,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_happens_to_a_wallet_its_grants_add_up(
    session: Session, steps: list[tuple[str, int]]
) -> None:
    life = Life(*a_rupee_each("50"))
    life.live(steps)
    assert red(verify.run(CHECKS, at=life.at)) == {}


class Life:
    """A wallet to which things happen."""

    def __init__(self, subscription: Subscription, wallet: Wallet, metric: Metric) -> None:
        self.subscription, self.wallet, self.metric = subscription, wallet, metric
        self.at, self.used, self.held, self.debits = NOON, 0, [], []

    def live(self, steps: list[tuple[str, int]]) -> None:
        for name, number in steps:
            getattr(self, name.replace(" ", "_"))(number)
        grants.expire_all(self.at)

    def use(self, number: int) -> None:
        number = max(number, -self.used)
        self.used += number
        use(self.subscription, self.metric, number, at=self.at)

    def debit(self, number: int) -> None:
        if wallets.movements.available_in(self.wallet) >= number:
            self.debits.append(debit(self.wallet, str(number), at=self.at))

    def top_up(self, number: int) -> None:
        wallets.top_up(self.wallet, number, at=self.at, actor=ACTOR, reason="Bank transfer")

    def give(self, days: int) -> None:
        grants.give(self.wallet, 30, at=self.at, actor=ACTOR, reason="Offer", expires_at=self.at + days * DAY)

    def hold(self, number: int) -> None:
        if wallets.movements.available_in(self.wallet) >= number:
            self.held.append(holds.place(self.wallet, number, at=self.at, actor=ACTOR, reason="Campaign"))

    def resolve(self, number: int) -> None:
        if self.held and number:
            hold = self.held.pop()
            holds.capture(hold, at=self.at, actor=ACTOR, amount=min(number, hold.amount))
        elif self.held:
            holds.release(self.held.pop(0), at=self.at, actor=ACTOR)

    def reverse(self, number: int) -> None:
        if self.debits:
            wallets.reverse(
                self.debits.pop(number % len(self.debits)), at=self.at, actor=ACTOR, reason="Mistake"
            )

    def wait(self, days: int) -> None:
        self.at += days * DAY
