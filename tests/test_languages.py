"""The words of the screens: complete in every language, chosen by the reader, and no English left over."""

import re
from html import unescape
from itertools import chain

import pytest
from babel.messages.catalog import Catalog, Message
from babel.plural import to_python
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import languages
from app.cli.languages import messages
from app.languages import TONGUES, chosen_language, read_catalogue, words_of
from app.models import User
from tests.portal.pages import pages_of
from tests.portal.world import make_world

PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")
HIDDEN = re.compile(r"<(script|style|svg|template)\b.*?</\1>", re.DOTALL)
BRAND = "OTPless <strong>Billing</strong>"
SPOKEN = re.compile(r'(?:aria-label|title|placeholder|data-confirm[a-z-]*)="([^"]*)"')


def as_texts(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)  # type: ignore[arg-type]


def translations(catalogue: Catalog) -> dict[object, Message]:
    return {message.id: message for message in catalogue if message.id}


@pytest.mark.parametrize("language", TONGUES)
def test_every_message_is_in_every_catalogue(app: Flask, language: str) -> None:
    wanted = translations(messages(app)).keys()
    found = translations(read_catalogue(language)).keys()
    missing = sorted(map(str, wanted - found))
    assert missing == [], "run `flask languages` and translate what is new"


@pytest.mark.parametrize("language", TONGUES)
def test_no_translation_is_empty_or_loses_a_placeholder(language: str) -> None:
    catalogue = read_catalogue(language)
    for message in translations(catalogue).values():
        source = sorted(PLACEHOLDER.findall(as_texts(message.id)[-1]))
        said = as_texts(message.string)
        assert len(said) == (catalogue.num_plurals if message.pluralizable else 1), message.id
        for text in said:
            assert text.strip() == text != "", message.id
            assert sorted(PLACEHOLDER.findall(text)) == source, message.id
        assert not message.fuzzy, message.id


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [
        ("en", 1, "1 was taken back."),
        ("hi", 2, "2 वापस ली गईं।"),
        ("id", 2, "2 ditarik kembali."),
        ("ar", 2, "سُحب حدثان (2)."),
        ("ar", 5, "سُحبت 5 أحداث."),
    ],
)
def test_a_plural_follows_the_rule_of_its_language(language: str, count: int, said: str) -> None:
    found = words_of(language).ngettext("%(count)s was taken back.", "%(count)s were taken back.", count)
    assert found % {"count": count} == said


@pytest.mark.parametrize(
    ("headers", "chosen"),
    [
        ({}, "en"),
        ({"Accept-Language": "hi-IN,hi;q=0.9,en;q=0.5"}, "hi"),
        ({"Accept-Language": "fr,id;q=0.8"}, "id"),
        ({"Accept-Language": "fr-FR"}, "en"),
        ({"Accept-Language": "hi", "Cookie": "language=ar"}, "ar"),
        ({"Accept-Language": "hi", "Cookie": "language=xx"}, "hi"),
    ],
)
def test_a_stranger_reads_the_language_of_the_cookie_or_of_the_browser(
    app: Flask, headers: dict[str, str], chosen: str
) -> None:
    with app.test_request_context("/sign-in", headers=headers):
        assert chosen_language() == chosen


def test_the_language_is_chosen_before_sign_in_and_kept_in_a_cookie(client: FlaskClient) -> None:
    page = client.get("/sign-in", headers={"Accept-Language": "id"}).text
    assert '<html lang="id" dir="ltr"' in page
    token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
    form = {"csrf_token": token, "language": "ar", "next": "/sign-in"}
    answer = client.post("/language", data=form)
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert '<html lang="ar" dir="rtl"' in client.get("/sign-in").text


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_choosing_a_language_leads_to_no_other_site_and_keeps_no_other_word(
    client: FlaskClient, back: str
) -> None:
    token = re.findall(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)[0]
    answer = client.post("/language", data={"csrf_token": token, "language": "xx", "next": back})
    assert (answer.status_code, answer.location) == (303, "/")
    assert client.get_cookie(languages.COOKIE) is None


def texts_of(page: str) -> list[str]:
    """Return what a page says and what it lets a screen reader say, piece by piece."""
    page = HIDDEN.sub(" ", page.partition("<body")[2]).replace(BRAND, "")
    pieces = chain(re.split(r"<[^>]*>", page), SPOKEN.findall(page))
    return [" ".join(unescape(piece).split()) for piece in pieces if piece.strip()]


@pytest.mark.parametrize("language", TONGUES)
def test_no_page_of_the_portal_holds_english_words(
    client: FlaskClient, session: Session, language: str
) -> None:
    world = make_world(client)
    session.query(User).filter_by(email="asha@lotus.example").one().locale = language
    session.flush()
    english = {
        text: str(message.string)
        for message in translations(read_catalogue(language)).values()
        for text in as_texts(message.id)
        if not PLACEHOLDER.search(text) and text != message.string
    }
    for path in pages_of(world.own):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert f'<html lang="{language}" dir="{languages.direction_of(language)}"' in answer.text
        left = [text for text in texts_of(answer.text) if text in english]
        assert left == [], path


def test_the_rules_for_plurals_are_those_of_the_catalogues() -> None:
    for language in TONGUES:
        catalogue = read_catalogue(language)
        assert catalogue.locale is not None
        rule = to_python(catalogue.locale.plural_form)
        assert len({rule(n) for n in range(200)}) <= catalogue.num_plurals
