"""Everything that moves a wallet's money, in random interleavings on twenty wallets, by threads at once on a
real database: after every step the tables say what a simple model says.

The acts of a round run at the same moment, each on wallets of its own, so that the model knows what has to
come of every one. In a race several acts want the same wallet at the same moment; the model knows how many of
them can succeed.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from app.db import db, in_transaction, lock, transaction
from app.errors import DomainError
from app.models import Hold, Wallet, WalletTransaction
from app.services import holds, refunds, transfers, verify, wallets
from tests.factories import ACTOR, make_account, make_customer, make_wallet
from tests.scenarios.modelled import Act, Held, Modelled, Work
from tests.services.metered import NOON
from tests.support.own import OwnDatabase

WALLETS, THREADS = 20, 6
LATER = NOON + timedelta(hours=1)
TOLD: dict[str, Any] = {"at": NOON, "actor": ACTOR, "reason": "Step"}
BY: dict[str, Any] = {"actor": ACTOR}
SHORT, RESOLVED = "insufficient_funds", "illegal_transition"
AMOUNTS = st.integers(1, 60).map(Decimal)
PLACES = st.integers(0, WALLETS - 1)
ACTS = ("top_up", "debit", "hold", "hold_for_an_hour", "capture", "release", "expire", "reverse", "refund")
ROUNDS = st.lists(
    st.tuples(st.sampled_from((*ACTS, "late_capture", "transfer")), PLACES, AMOUNTS, PLACES),
    min_size=1,
    max_size=THREADS,
)


class Interleaved(RuleBasedStateMachine):
    """The acts of people and services on twenty wallets of one customer."""

    app: ClassVar[Flask]
    everyone: ClassVar[list[Modelled]]

    @initialize()
    def open_wallets(self) -> None:
        """Open twenty empty wallets of one customer."""
        with transaction():
            customer = make_customer()
            made = [make_wallet(account=make_account(customer, prepaid=True)) for _ in range(WALLETS)]
            self.wallets = [Modelled(wallet.id) for wallet in made]
        self.everyone.extend(self.wallets)

    @rule(steps=ROUNDS)
    def act_at_once(self, steps: Sequence[tuple[str, int, Decimal, int]]) -> None:
        """Do several things at the same moment, each on wallets of its own."""
        taken: set[int] = set()
        acts = []
        for name, place, amount, other in steps:
            wanted = {place, other} if name == "transfer" else {place}
            if wanted & taken or (name == "transfer" and place == other):
                continue
            act = getattr(self, name)(self.wallets[place], amount, self.wallets[other])
            if act is not None:
                taken |= wanted
                acts.append(act)
        for act, made in zip(acts, self.at_once([each.work for each in acts]), strict=True):
            if act.expected:
                assert made == act.expected
            else:
                assert not isinstance(made, str), made
                act.then(made)

    @rule(place=PLACES, amount=AMOUNTS)
    def race_for_the_last_money(self, place: int, amount: Decimal) -> None:
        """Debit one wallet by all threads at once: as many succeed as there is money for."""
        wallet = self.wallets[place]
        made = self.at_once([lambda: wallets.debit(get(wallet), amount, **TOLD).id] * THREADS)
        succeeded = min(THREADS, int(wallet.free // amount))
        assert sorted(map(outcome, made)) == ["done"] * succeeded + [SHORT] * (THREADS - succeeded)
        for _ in range(succeeded):
            wallet.move(-amount)

    @rule(place=PLACES, amount=AMOUNTS)
    def race_for_one_hold(self, place: int, amount: Decimal) -> None:
        """Capture and release one hold at once: one of all succeeds."""
        wallet = self.wallets[place]
        if not wallet.held:
            return
        hold = wallet.held.pop()
        part = min(amount, hold.amount)
        capture = lambda: holds.capture(find(wallet, hold), at=NOON, amount=part, **BY).captured  # noqa: E731
        release = lambda: holds.release(find(wallet, hold), at=NOON, **BY).captured  # noqa: E731
        made = self.at_once([capture, release] * (THREADS // 2))
        (winner,) = [each for each in made if not isinstance(each, str)]
        assert [each for each in made if isinstance(each, str)] == [RESOLVED] * (THREADS - 1)
        if winner:
            assert winner == part
            wallet.move(-part)

    @rule(place=PLACES, other=PLACES, amount=AMOUNTS)
    def race_between_two(self, place: int, other: int, amount: Decimal) -> None:
        """Transfer there and back at once: nobody waits for ever, and nothing is lost between them."""
        if place == other:
            return
        pair = (self.wallets[place], self.wallets[other])
        ways = [pair, pair[::-1]] * (THREADS // 2)
        made = self.at_once([transfer_work(*way, amount) for way in ways])
        assert {outcome(each) for each in made} <= {"done", SHORT}
        for (source, target), each in zip(ways, made, strict=True):
            if outcome(each) == "done":
                source.move(-amount)
                target.move(amount)

    @invariant()
    def the_tables_say_what_the_model_says(self) -> None:
        """Compare balance, what is held, and the number of journals of every wallet."""
        mine = getattr(self, "wallets", [])
        found = in_the_tables()
        assert {each.id: found[each.id] for each in mine} == in_the_model(mine)

    def teardown(self) -> None:
        """Let every check of the books run."""
        assert in_transaction(verify.run).ok

    def at_once(self, works: Sequence[Work]) -> list[Any]:
        """Do each in a thread and a transaction of its own; return what it gave, or the code of its
        refusal."""

        def run(work: Work) -> Any:
            with self.app.app_context():
                try:
                    return in_transaction(work)
                except DomainError as refused:
                    return refused.code

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(run, works))

    def top_up(self, wallet: Modelled, amount: Decimal, _: Modelled) -> Act:
        return Act(
            lambda: wallets.top_up(get(wallet), amount, **TOLD).id,
            then=lambda made: (wallet.move(amount), wallet.reversible.append((made, amount))),
        )

    def debit(self, wallet: Modelled, amount: Decimal, _: Modelled) -> Act:
        return Act(
            lambda: wallets.debit(get(wallet), amount, **TOLD).id,
            SHORT if amount > wallet.free else "",
            lambda made: (wallet.move(-amount), wallet.reversible.append((made, -amount))),
        )

    def refund(self, wallet: Modelled, amount: Decimal, _: Modelled) -> Act:
        return Act(
            lambda: refunds.refund(get(wallet), amount, **TOLD).id,
            SHORT if amount > wallet.free else "",
            lambda made: wallet.move(-amount),
        )

    def reverse(self, wallet: Modelled, _: Decimal, __: Modelled) -> Act | None:
        if not wallet.reversible:
            return None
        made_before, amount = wallet.reversible.pop()
        return Act(
            lambda: wallets.reverse(db.session.get_one(WalletTransaction, made_before), **TOLD).id,
            SHORT if amount > wallet.free else "",
            lambda made: wallet.move(-amount),
        )

    def hold(self, wallet: Modelled, amount: Decimal, _: Modelled, *, until: datetime | None = None) -> Act:
        return Act(
            lambda: holds.place(get(wallet), amount, expires_at=until, **TOLD).id,
            SHORT if amount > wallet.free else "",
            lambda made: wallet.held.append(Held(made, amount, until is not None)),
        )

    def hold_for_an_hour(self, wallet: Modelled, amount: Decimal, other: Modelled) -> Act:
        return self.hold(wallet, amount, other, until=LATER)

    def capture(self, wallet: Modelled, amount: Decimal, _: Modelled) -> Act | None:
        if not wallet.held:
            return None
        hold = wallet.held[-1]
        part = min(amount, hold.amount)
        return Act(
            lambda: holds.capture(find(wallet, hold), at=NOON, amount=part, **BY).id,
            then=lambda made: (wallet.held.remove(hold), wallet.move(-part)),
        )

    def release(self, wallet: Modelled, _: Decimal, __: Modelled) -> Act | None:
        if not wallet.held:
            return None
        hold = wallet.held[-1]
        return Act(
            lambda: holds.release(find(wallet, hold), at=NOON, **BY).id,
            then=lambda made: wallet.held.remove(hold),
        )

    def late_capture(self, wallet: Modelled, _: Decimal, __: Modelled) -> Act | None:
        if not wallet.held or not wallet.held[-1].expires:
            return None
        hold = wallet.held[-1]
        return Act(lambda: holds.capture(find(wallet, hold), at=LATER, **BY).id, RESOLVED)

    def expire(self, wallet: Modelled, _: Decimal, __: Modelled) -> Act:
        def keep(made: int) -> None:
            over = [each for each in wallet.held if each.expires]
            assert made == len(over)
            wallet.held = [each for each in wallet.held if not each.expires]

        return Act(lambda: holds.release_expired(*lock(Wallet, [wallet.id]), LATER), then=keep)

    def transfer(self, wallet: Modelled, amount: Decimal, other: Modelled) -> Act:
        return Act(
            transfer_work(wallet, other, amount),
            SHORT if amount > wallet.free else "",
            lambda made: (wallet.move(-amount), other.move(amount)),
        )


def in_the_tables() -> dict[UUID, tuple[Decimal, Decimal, int]]:
    """Return the balance of every wallet, what is held of it, and the number of its journals."""
    query = select(Wallet.id, Wallet.balance, Wallet.held, Wallet.seq)
    with transaction() as session:
        return {row.id: (row.balance, row.held, row.seq) for row in session.execute(query)}


def in_the_model(modelled: Sequence[Modelled]) -> dict[UUID, tuple[Decimal, Decimal, int]]:
    """Return the same of wallets as the model keeps them."""
    return {each.id: (each.balance, each.balance - each.free, each.journals) for each in modelled}


def get(wallet: Modelled) -> Wallet:
    return wallets.get(wallet.id)


def find(wallet: Modelled, hold: Held) -> Hold:
    return holds.get(get(wallet), hold.id)


def transfer_work(source: Modelled, target: Modelled, amount: Decimal) -> Work:
    return lambda: transfers.transfer(get(source), get(target), amount, **TOLD).id


def outcome(made: Any) -> str:
    return made if isinstance(made, str) else "done"


@pytest.mark.processes
def test_twenty_wallets_are_as_a_simple_model_says_after_every_step(own_database: OwnDatabase) -> None:
    with own_database.app() as app:
        Interleaved.app, Interleaved.everyone = app, []
        run_state_machine_as_test(
            Interleaved,
            settings=settings(
                max_examples=4,
                stateful_step_count=20,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert any(each.journals for each in Interleaved.everyone)
        assert in_the_tables() == in_the_model(Interleaved.everyone)
