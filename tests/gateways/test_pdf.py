"""PDFs are the same bytes each time, hold their text in order, and read nothing that is not theirs."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from pypdf import PdfReader

from app.gateways.pdf import html_to_pdf, render_pdf
from app.services import branding
from app.services.invoice_document import invoice_context
from tests.services.snapshots import KARNATAKA, snapshot, usage_line

INTRA = (("CGST", "9"), ("SGST", "9"))
HOSTILE = "<img src=file:///etc/passwd><img src=http://127.0.0.1:9/x.png>"
CANNOT_READ = ("file:///etc/passwd", "/etc/passwd", "../../README.md", "http://127.0.0.1:9/x.png")


BRAND = branding.letterhead(None)


def render(data):
    context = {"brand": BRAND, **invoice_context(data)}
    return render_pdf("invoice.html", context, title=data["number"], author=data["seller"]["name"])


def text_of(pdf):
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def in_order(text, *parts):
    position = 0
    for part in parts:
        found = text.find(part, position)
        assert found >= 0, f"{part!r} is missing after {text[max(0, position - 40) : position]!r}"
        position = found + len(part)


def test_the_text_reads_in_order_with_the_rupee_sign():
    text = text_of(render(snapshot([usage_line(1, "525.00", taxes=INTRA)])))
    in_order(
        text,
        "OTPless Technologies Private Limited",
        "29AAGCO4567J1ZX",
        "Tax Invoice",
        "OT/26-27/000042",
        "1 Nov 2026",
        "₹620.00",
        "Namma Kirana Private Limited",
        "29AABCN1234F1ZP",
        "SMS messages",
        "Tier 2: 900 × ₹0.50 = ₹450.00",
        "998429",
        "1,250",
        "₹525.00",
        "Rupees Six Hundred Twenty Only",
        "CGST 9%",
        "₹47.25",
    )
    in_order(text, "Place of supply", "29-Karnataka")
    in_order(text, "Reverse charge", "No")
    assert "Page 1 of 1" in text


def test_rendering_twice_and_in_another_process_gives_the_same_bytes():
    data = snapshot([usage_line(1, "525.00", taxes=INTRA)])
    program = (
        "import sys, json, hashlib\n"
        "from app.gateways.pdf import render_pdf\n"
        "from app.services.invoice_document import invoice_context\n"
        "data = json.load(sys.stdin)\n"
        "from app.services import branding\n"
        "context = {'brand': branding.letterhead(None), **invoice_context(data)}\n"
        "made = render_pdf('invoice.html', context, title=data['number'],"
        " author=data['seller']['name'])\n"
        "sys.stdout.buffer.write(made)\n"
    )
    once = render(data)
    assert render(data) == once
    root = Path(__file__).parents[2]
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(data).encode(),
        cwd=root,
        capture_output=True,
        check=True,
    )
    assert elsewhere.stdout == once


def test_headers_and_page_numbers_repeat_on_every_page():
    pages = PdfReader(
        io.BytesIO(render(snapshot([usage_line(n, "525.00", taxes=INTRA) for n in range(1, 24)])))
    ).pages
    assert len(pages) == 3
    for n, page in enumerate(pages, start=1):
        text = page.extract_text()
        assert "Taxable value" in text
        assert f"Page {n} of 3" in text


def test_a_hostile_name_is_only_text():
    data = snapshot(
        [usage_line(1, "525.00", taxes=INTRA, description=HOSTILE)], buyer={**KARNATAKA, "name": HOSTILE}
    )
    text = text_of(render(data)).replace("\n", "")
    assert text.count("<img src=file:///etc/passwd>") == 2
    assert "root:" not in text


def test_a_name_of_300_characters_is_whole():
    data = snapshot([usage_line(1, "525.00", taxes=INTRA)], buyer={**KARNATAKA, "name": "W" * 300})
    assert text_of(render(data)).count("W") == 300


@pytest.mark.parametrize("source", CANNOT_READ)
def test_a_document_cannot_read_outside_its_assets(source):
    made = html_to_pdf(f'<p>before</p><img src="{source}"><p>after</p>', title="x")
    (page,) = PdfReader(io.BytesIO(made)).pages
    in_order(page.extract_text(), "before", "after")
    assert list(page.images) == []


def test_a_value_that_is_missing_is_an_error_not_a_blank():
    with pytest.raises(UndefinedError):
        render_pdf("invoice.html", {"invoice": {}}, title="x")
