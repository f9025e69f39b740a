"""Documents made from immutable snapshots and kept in the file store: the same document, the same bytes, for
ever."""

from datetime import UTC, date, datetime, time
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.config import current_settings
from app.db import db
from app.domain.invoicing import canonical_json
from app.domain.masking import mask
from app.domain.retention import kept_until
from app.errors import Conflict, DomainError, NotFound
from app.gateways.files import open_store
from app.gateways.pdf import CONTENT_TYPE, render_pdf
from app.ids import new_id
from app.models import Invoice, StoredFile
from app.services import branding, einvoices, invoice_document, statement_document, voucher_document
from app.services.document_kinds import Document, Snapshot, kinds

# The modules whose import enters their kinds of documents.
BUILDERS = (invoice_document, statement_document, voucher_document)


class DamagedSnapshot(DomainError):
    """The snapshot of an issued document is not the one that was issued; no PDF is made from it."""

    code = "damaged_snapshot"
    status = 500


def render(document: Document) -> StoredFile:
    """Return the stored PDF of an issued document, made from its snapshot the first time.

    Made again, by anybody at any time, it has the same bytes under the same key, so a crash between the file
    and its row costs nothing. It is kept as long as the law asks.

    Raises:
        Conflict: the document is a draft, or awaits its registration as an e-invoice.
        DamagedSnapshot: the snapshot does not have the checksum it was issued with.
        CannotRender, StoreUnavailable: layout or file store failed.
    """
    stored = find(document)
    if stored is None:
        snapshot = _checked(document)
        content = _content(document, snapshot)
        retain = _retain_until(snapshot)
        digest = _save(key_of(document), content, retain)
        stored = _remember(document, len(content), digest, retain)
    return stored


def load(document: Document) -> bytes:
    """Return the bytes of an issued document's PDF; one that is missing in the store is made again.

    Raises:
        DamagedFile: what the store holds is not what was stored.
        Conflict, DamagedSnapshot, CannotRender, StoreUnavailable: as `render`.
    """
    stored = render(document)
    store = open_store(current_settings())
    try:
        return store.load(stored.key, sha256=stored.sha256)
    except NotFound:
        _save(stored.key, _content(document, _checked(document)), stored.retain_until)
        return store.load(stored.key, sha256=stored.sha256)


def copy_without_personal_data(document: Document) -> bytes:
    """Return the PDF of an issued document with its recipient's addresses and tax numbers masked, and without
    the signed code of its registration, which names them too. It is stored nowhere.

    Raises:
        Conflict, DamagedSnapshot, CannotRender: as `render`.
    """
    return render_snapshot(mask("", _checked(document)))


def render_snapshot(snapshot: Snapshot, **more: Any) -> bytes:
    """Return the PDF of what a document says; it is stored nowhere. `more` takes the place of what its kind
    works out.

    Raises:
        UnknownName: there is no such kind of document.
        CannotRender: the layout failed.
    """
    kind = kinds[snapshot["kind"]]
    title = f"{snapshot['title']} {snapshot['number']}"
    brand = branding.letterhead(snapshot["seller"].get("brand"))
    context = {"brand": brand, **kind.build(snapshot), **more}
    return render_pdf(kind.template, context, title=title, author=snapshot["seller"]["name"])


def find(document: Document) -> StoredFile | None:
    """Return the stored PDF of a document, if it was made."""
    return db.session.scalar(select(StoredFile).where(StoredFile.key == key_of(document)))


def key_of(document: Document) -> str:
    """Return where the file store keeps the PDF of a document: `invoices/….pdf`."""
    return f"{document.__tablename__}/{document.id}.pdf"


def file_name(document: Document) -> str:
    """Return the name a person saves the PDF under: `OT-26-27-000042.pdf`."""
    return f"{(document.number or 'draft').replace('/', '-')}.pdf"


def _checked(document: Document) -> Snapshot:
    snapshot = document.snapshot
    if snapshot is None:
        raise Conflict("A draft has no document yet: issue the invoice first.")
    if sha256(canonical_json(snapshot)).digest() != document.snapshot_sha256:
        raise DamagedSnapshot(f"The snapshot of {document.number} was changed after it was issued.")
    return snapshot


def _content(document: Document, snapshot: Snapshot) -> bytes:
    if isinstance(document, Invoice):
        return render_snapshot(snapshot, einvoice=einvoices.qr_for(document))
    return render_snapshot(snapshot)


def _retain_until(snapshot: Snapshot) -> datetime:
    return datetime.combine(kept_until(date.fromisoformat(snapshot["issued_on"])), time.max, UTC)


def _save(key: str, content: bytes, retain_until: datetime | None) -> bytes:
    store = open_store(current_settings())
    return store.save(key, content, content_type=CONTENT_TYPE, retain_until=retain_until)


def _remember(document: Document, size: int, digest: bytes, retain_until: datetime) -> StoredFile:
    row = {
        "id": new_id(),
        "key": key_of(document),
        "content_type": CONTENT_TYPE,
        "size": size,
        "sha256": digest,
        "resource_type": type(document).__name__,
        "resource_id": str(document.id),
        "retain_until": retain_until,
    }
    db.session.execute(insert(StoredFile).values(row).on_conflict_do_nothing())
    return db.session.scalars(select(StoredFile).where(StoredFile.key == row["key"])).one()
