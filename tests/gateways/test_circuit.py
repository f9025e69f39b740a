"""The circuit breaker leaves a silent gateway alone and tries again by itself."""

import pytest

from app.errors import GatewayRefused, GatewayUnavailable
from app.gateways.circuit import Circuit


class Line:
    """A gateway on the other side of a circuit, with a clock that tests move."""

    def __init__(self, failures=3):
        self.at, self.calls, self.error = 100.0, 0, None
        self.circuit = Circuit("Stripe", failures=failures, pause_seconds=30, clock=lambda: self.at)

    def call(self):
        return self.circuit.call(self._answer)

    def _answer(self):
        self.calls += 1
        if self.error:
            raise self.error
        return "answer"

    def fail(self, times):
        self.error = GatewayUnavailable("silence")
        for _ in range(times):
            with pytest.raises(GatewayUnavailable):
                self.call()


def test_after_its_failures_nothing_is_sent_for_the_pause():
    line = Line()
    line.fail(5)
    assert line.calls == 3


def test_after_the_pause_one_call_tries_and_a_success_closes_the_circuit():
    line = Line()
    line.fail(3)
    line.at += 30
    line.error = None
    assert [line.call(), line.call()] == ["answer", "answer"]
    line.fail(2)
    assert line.calls == 7


def test_a_failed_trial_opens_it_for_another_pause():
    line = Line()
    line.fail(3)
    line.at += 30
    line.fail(2)
    assert line.calls == 4


def test_a_refusal_is_an_answer():
    line = Line()
    line.fail(2)
    line.error = GatewayRefused("no")
    with pytest.raises(GatewayRefused):
        line.call()
    line.fail(2)
    assert line.calls == 5
