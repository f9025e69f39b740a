"""One contract for every kind of document: it renders the same bytes twice, with its title and number,
whatever the names in it are."""

import io
from copy import deepcopy

import pytest
from pypdf import PdfReader

from app.services.document_kinds import kinds
from app.services.documents import render_snapshot
from tests.services.document_samples import HOSTILE, SAMPLES


def text_of(pdf):
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_every_kind_has_a_sample():
    assert SAMPLES.keys() == kinds.keys()


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_document_of_every_kind_is_the_same_bytes_each_time(kind):
    sample = SAMPLES[kind]
    once = render_snapshot(deepcopy(sample))
    assert render_snapshot(sample) == once
    text = text_of(once)
    assert sample["title"] in text
    assert sample["number"] in text
    assert "Page 1 of 1" in text
    assert "₹" in text


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_hostile_names_are_only_text_in_every_kind(kind):
    sample = deepcopy(SAMPLES[kind])
    sample["buyer"]["name"] = HOSTILE
    document = PdfReader(io.BytesIO(render_snapshot(sample)))
    text = "".join("".join(page.extract_text() for page in document.pages).split())
    assert "".join(HOSTILE.split()) in text
    assert "root:" not in text
