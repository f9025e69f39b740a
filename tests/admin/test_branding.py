"""Branding: in the portal, in mails and on documents issued from then on, and on no other."""

import io
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.db import db
from app.models import AuditRecord, Branding, BrandLogo
from app.permissions import Role
from app.services import branding, documents, mail_pages, taxes
from app.services.parties import seller_json
from tests import factories
from tests.admin.conftest import Desk, Person
from tests.gateways.test_logos import png
from tests.services.snapshots import snapshot, usage_line

FORM = {
    "name": "Asha Messaging",
    "accent": "#0B6E4F",
    "support_email": "help@asha.example.in",
    "invoice_footer": "Thank you.",
}

LINE = usage_line(1, "1000.00", taxes=(("IGST", "18"),))


def save(person: Person, **changes: Any) -> Any:
    """Send the form."""
    return person.post("/admin/brand/save/", {**FORM, **changes}, content_type="multipart/form-data")


def test_it_is_set_once_with_a_record_and_shown_in_the_portal(desk: Person, at_desk: Desk) -> None:
    answer = save(desk, logo=(io.BytesIO(png()), "logo.png"))
    assert answer.status_code == 302, answer.get_data(as_text=True)
    assert save(desk).status_code == 302
    told = select(func.count()).where(AuditRecord.action == "branding.changed")
    assert db.session.scalar(told) == 1
    brand = branding.current()
    assert (brand.name, brand.accent, brand.support_email) == (
        "Asha Messaging",
        "#0b6e4f",
        "help@asha.example.in",
    )
    customer = at_desk(Role.customer, customer=factories.make_customer())
    page = customer.text("/portal/")
    assert "Asha Messaging" in page
    assert f'src="/brand/{brand.logo}/logo"' in page
    assert "light-dark(#0b6e4f," in page


def test_a_logo_is_sent_as_a_picture_that_runs_nothing(desk: Person, app: Flask) -> None:
    save(desk, logo=(io.BytesIO(b'<svg onload="alert(1)"><path d="M0 0"/></svg>'), "logo.svg"))
    answer = app.test_client().get(f"/brand/{branding.current().logo}/logo")
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert b"alert" not in answer.data
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for digest in ("x", "00", "ab" * 32):
        assert app.test_client().get(f"/brand/{digest}/logo").status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("accent", "#ffff00"), ("support_email", "nobody"), ("invoice_footer", "x" * 121)],
)
def test_what_cannot_be_used_is_told_at_its_field(desk: Person, field: str, value: str) -> None:
    answer = save(desk, **{field: value})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.get_data(as_text=True)
    assert db.session.scalar(select(func.count()).select_from(Branding)) == 0


def test_a_picture_that_is_none_is_told_at_its_field(desk: Person) -> None:
    answer = save(desk, logo=(io.BytesIO(b"GIF89a"), "logo.png"))
    assert answer.status_code == 422
    assert 'id="logo-error"' in answer.get_data(as_text=True)
    assert db.session.scalar(select(func.count()).select_from(BrandLogo)) == 0


def test_documents_keep_the_look_of_their_day(desk: Person, app: Flask) -> None:
    factories.make_seller()
    today = clock.now().date()
    before = {**snapshot([LINE]), "seller": seller_json(taxes.get_seller(today))}
    plain = documents.render_snapshot(before)
    save(desk, logo=(io.BytesIO(png()), "logo.png"))
    after = {**snapshot([LINE]), "seller": seller_json(taxes.get_seller(today))}
    assert after["seller"]["brand"] == {
        "accent": "#0b6e4f",
        "footer": "Thank you.",
        "logo": branding.current().logo,
    }
    branded = documents.render_snapshot(after)
    save(desk, accent="#1b2a41", invoice_footer="", without_logo="y")
    assert documents.render_snapshot(before) == plain
    assert documents.render_snapshot(after) == branded != plain


def test_mails_bear_name_colour_and_where_to_ask(desk: Person, app: Flask) -> None:
    save(desk)
    context = {
        "brand": branding.current(),
        "told": {"title": "Low", "text": "Low balance.", "facts": []},
        "name": "",
        "url": "https://x.example",
        "action": "Show",
        "choices": "https://x.example",
    }
    for text in mail_pages.render("notification", "en", context):
        assert "Asha Messaging" in text
        assert "help@asha.example.in" in text


def test_support_reads_and_changes_nothing(at_desk: Desk) -> None:
    support = at_desk(Role.support)
    assert "Accent colour" in support.text("/admin/brand/")
    assert save(support).status_code == 403
    assert db.session.scalar(select(func.count()).select_from(Branding)) == 0


def test_the_settings_lead_to_everything_that_one_may_open(desk: Person, at_desk: Desk) -> None:
    page, finance = desk.text("/admin/settings/"), at_desk(Role.finance_admin).text("/admin/settings/")
    for slug in (
        "seller-registrations",
        "tax-rates",
        "invoice-series",
        "exchange-rates",
        "approval-limits",
        "brand",
    ):
        assert f'href="/admin/{slug}/"' in page, slug
        assert desk.get(f"/admin/{slug}/").status_code == 200, slug
    assert 'class="row-link" href="/admin/api-keys/"' in page
    assert 'class="row-link" href="/admin/api-keys/"' not in finance
