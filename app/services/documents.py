"""Documents made from immutable snapshots and kept in the file store: the same invoice, the same bytes, for
ever."""

from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.config import current_settings
from app.db import db
from app.domain.invoicing import canonical_json
from app.errors import Conflict, DomainError, NotFound
from app.gateways.files import open_store
from app.gateways.pdf import CONTENT_TYPE, render_pdf
from app.ids import new_id
from app.models import Invoice, OutboxMessage, StoredFile
from app.services import einvoices, outbox
from app.services.invoice_document import invoice_context

# What `app.services.issuing` promises; the payload is {"invoice_id"}.
INVOICE_DOCUMENT = "invoice.document"


class DamagedSnapshot(DomainError):
    """The snapshot of an issued invoice is not the one that was issued; no document is made from it."""

    code = "damaged_snapshot"
    status = 500


def render_invoice_pdf(invoice: Invoice) -> StoredFile:
    """Return the stored PDF of an issued invoice, made from its snapshot the first time.

    Made again, by anybody at any time, it has the same bytes under the same key, so a crash between the file
    and its row costs nothing.

    Raises:
        Conflict: the invoice is a draft, or awaits its registration as an e-invoice.
        DamagedSnapshot: the snapshot does not have the checksum it was issued with.
        CannotRender, StoreUnavailable: layout or file store failed.
    """
    stored = find_invoice_pdf(invoice)
    if stored is None:
        content = _invoice_content(invoice)
        key = invoice_key(invoice)
        digest = open_store(current_settings()).save(key, content, content_type=CONTENT_TYPE)
        stored = _remember(invoice, key, len(content), digest)
    return stored


def load_invoice_pdf(invoice: Invoice) -> bytes:
    """Return the bytes of an issued invoice's PDF; a document missing in the store is made again.

    Raises:
        DamagedFile: what the store holds is not what was stored.
        Conflict, DamagedSnapshot, CannotRender, StoreUnavailable: as `render_invoice_pdf`.
    """
    stored = render_invoice_pdf(invoice)
    store = open_store(current_settings())
    try:
        return store.load(stored.key, sha256=stored.sha256)
    except NotFound:
        store.save(stored.key, _invoice_content(invoice), content_type=CONTENT_TYPE)
        return store.load(stored.key, sha256=stored.sha256)


def find_invoice_pdf(invoice: Invoice) -> StoredFile | None:
    """Return the stored PDF of an invoice, if it was made."""
    return db.session.scalar(select(StoredFile).where(StoredFile.key == invoice_key(invoice)))


def invoice_key(invoice: Invoice) -> str:
    """Return where the file store keeps the PDF of an invoice."""
    return f"invoices/{invoice.id}.pdf"


def invoice_file_name(invoice: Invoice) -> str:
    """Return the name a person saves the PDF under: `OT-26-27-000042.pdf`."""
    return f"{(invoice.number or 'draft').replace('/', '-')}.pdf"


def _invoice_content(invoice: Invoice) -> bytes:
    snapshot = invoice.snapshot
    if snapshot is None:
        raise Conflict("A draft has no document yet: issue the invoice first.")
    if sha256(canonical_json(snapshot)).digest() != invoice.snapshot_sha256:
        raise DamagedSnapshot(f"The snapshot of invoice {invoice.number} was changed after it was issued.")
    title = f"{snapshot['title']} {snapshot['number']}"
    context = {**invoice_context(snapshot), "einvoice": einvoices.qr_for(invoice)}
    return render_pdf("invoice.html", context, title=title, author=snapshot["seller"]["name"])


def _remember(invoice: Invoice, key: str, size: int, digest: bytes) -> StoredFile:
    row = {
        "id": new_id(),
        "key": key,
        "content_type": CONTENT_TYPE,
        "size": size,
        "sha256": digest,
        "resource_type": "Invoice",
        "resource_id": str(invoice.id),
    }
    db.session.execute(insert(StoredFile).values(row).on_conflict_do_nothing())
    return db.session.scalars(select(StoredFile).where(StoredFile.key == key)).one()


@outbox.handler(INVOICE_DOCUMENT)
def _keep_promise(message: OutboxMessage) -> None:
    render_invoice_pdf(db.session.get_one(Invoice, message.payload["invoice_id"]))
