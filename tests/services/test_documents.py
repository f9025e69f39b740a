"""An issued invoice has one document: the same bytes under the same key, whoever makes it and however
often."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from sqlalchemy import func, select

from app.db import db, transaction
from app.domain.invoicing import canonical_json, sha256_hex
from app.errors import Conflict
from app.gateways.files import DamagedFile
from app.models import Invoice, OutboxMessage, StoredFile
from app.models.invoices import InvoiceStatus
from app.services import document_mails, documents, outbox
from tests.services.paying import make_issued_invoice


@pytest.fixture(autouse=True)
def files(app, tmp_path):
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, data_dir=tmp_path)
    yield tmp_path / "files"
    app.extensions["settings"] = before


@pytest.fixture
def invoice():
    with transaction():
        return make_issued_invoice()


def render(invoice):
    with transaction():
        return documents.render(invoice)


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def test_the_document_is_stored_with_its_size_and_checksum(invoice, files):
    stored = render(invoice)
    content = (files / stored.key).read_bytes()
    assert content.startswith(b"%PDF-")
    assert (stored.size, stored.sha256) == (len(content), sha256(content).digest())
    assert (stored.key, stored.content_type) == (f"invoices/{invoice.id}.pdf", "application/pdf")
    assert (stored.resource_type, stored.resource_id) == ("Invoice", str(invoice.id))


def test_it_is_kept_as_long_as_the_law_asks(invoice):
    assert render(invoice).retain_until == datetime(2033, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def test_made_again_it_is_the_same_document(invoice, files):
    first = render(invoice)
    assert (render(invoice).id, count(StoredFile)) == (first.id, 1)
    assert len(list(files.rglob("*.pdf"))) == 1


def test_a_file_written_before_a_crash_is_made_again_with_the_same_bytes(invoice, files):
    stored = render(invoice)
    before = (files / stored.key).read_bytes()
    with transaction():
        db.session.delete(stored)
    assert render(invoice).sha256 == sha256(before).digest()
    assert (files / stored.key).read_bytes() == before


def test_a_document_lost_from_the_store_is_made_again(invoice, files):
    stored = render(invoice)
    before = (files / stored.key).read_bytes()
    (files / stored.key).unlink()
    with transaction():
        assert documents.load(invoice) == before


def test_a_changed_file_is_not_handed_out(invoice, files):
    stored = render(invoice)
    (files / stored.key).write_bytes(b"%PDF-1.7 forged")
    with pytest.raises(DamagedFile), transaction():
        documents.load(invoice)


def test_a_changed_snapshot_makes_no_document(files):
    with transaction():
        invoice = make_issued_invoice(snapshot_sha256=b"another")
    with pytest.raises(documents.DamagedSnapshot), transaction():
        documents.render(invoice)
    assert (count(StoredFile), files.exists()) == (0, False)


def test_a_draft_has_no_document(files):
    with transaction():
        blank = {"number": None, "snapshot": None, "snapshot_sha256": None}
        invoice = make_issued_invoice(status=InvoiceStatus.draft, **blank)
    with pytest.raises(Conflict, match="A draft has no document"), transaction():
        documents.render(invoice)
    assert (count(StoredFile), files.exists()) == (0, False)


def test_a_promised_document_is_made_by_the_outbox_once(invoice, files):
    with transaction():
        for _ in range(2):
            promised = {"invoice_id": str(invoice.id)}
            outbox.promise(document_mails.INVOICE_DOCUMENT, str(invoice.id), promised)
    assert outbox.deliver(1) == {"kept": 1, "failed": 0}
    assert (count(OutboxMessage), count(StoredFile)) == (2, 1)
    assert len(list(files.rglob("*.pdf"))) == 1


def test_the_checksum_is_that_of_the_canonical_snapshot(invoice):
    stored = db.session.get(Invoice, invoice.id, populate_existing=True)
    assert sha256_hex(canonical_json(stored.snapshot)) == stored.snapshot_sha256.hex()


def test_a_person_saves_it_under_the_number(invoice):
    assert documents.file_name(invoice) == "OT29-26-27-00042.pdf"
