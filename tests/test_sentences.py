"""Sentences that are kept and said later, in the language of whoever reads them."""

import ast
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from app.sentences import Amount, Sentence, as_sentence, from_json, sentence, to_json

ROOT = Path(__file__).parents[1]
BELOW = sentence(
    "%(account)s: the balance is below %(level)s", account="Lotus", level=Amount(Decimal("123456.5"), "INR")
)
DUE = sentence("Invoice %(number)s was due on %(day)s", number="OT/7", day=date(2026, 8, 1))
CAP = sentence("Usage has cost %(step)s %% of what you want to spend in a day.", step=80)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Lotus: the balance is below ₹1,23,456.50"),
        ("hi", "Lotus: शेष ₹1,23,456.50 से कम है"),
        ("id", "Lotus: saldo di bawah Rs 123.456,50"),
    ],
)
def test_a_sentence_and_its_amounts_follow_the_language(language: str, said: str) -> None:
    assert BELOW.said_in(language) == said


def test_between_words_from_right_to_left_amounts_and_names_keep_their_order() -> None:
    owed = sentence(
        "%(account)s: the balance is below %(level)s", account="A", level=Amount(Decimal(-5), "INR")
    )
    assert owed.said_in("ar") == "\u2068A\u2069: الرصيد أقل من \u2066-₹5.00\u2069"


def test_days_have_the_letters_of_the_language() -> None:
    assert DUE.said_in("en") == "Invoice OT/7 was due on 1 Aug 2026"
    assert DUE.said_in("hi") == "इनवॉइस OT/7 का भुगतान 1 अग॰ 2026 को देय था"


def test_a_percent_sign_is_said_once() -> None:
    assert CAP.said_in("en") == "Usage has cost 80 % of what you want to spend in a day."
    assert CAP.said_in("hi") == "उपयोग पर आपके दिन के तय ख़र्च का 80 % लग चुका है।"


def test_a_sentence_comes_back_from_json_as_it_was() -> None:
    nested = sentence("%(due)s If you have paid in the last days, thank you: nothing is left to do.", due=DUE)
    for one in (BELOW, DUE, CAP, nested):
        assert from_json(to_json(one)) == one


@pytest.mark.parametrize("words", ["100 % sure %(x)s", "<b>Card declined</b>", ""])
def test_words_that_are_not_ours_stay_as_they_are(words: str) -> None:
    for language in ("en", "hi", "id"):
        assert as_sentence(words).said_in(language) == words


def test_a_message_that_no_catalogue_has_stays_english() -> None:
    assert Sentence("Nobody says %(this)s.", {"this": "that"}).said_in("hi") == "Nobody says that."


def test_whoever_notifies_says_sentences_that_the_catalogues_can_have() -> None:
    loose = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in (ROOT / "app" / "services").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "notify"
        for given in call.keywords
        if given.arg in ("title", "text") and isinstance(given.value, ast.Constant | ast.JoinedStr)
    ]
    assert loose == []
