"""Answers that are files to be saved."""

from collections.abc import Callable

from flask import Response

from app import personal
from app.db import transaction
from app.models import Invoice, Voucher
from app.services import documents

PDF = "application/pdf"


def attachment(content: bytes | str, name: str, media: str) -> Response:
    """Return content of a media type as a file of that name, which no cache keeps."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, 200, headers, mimetype=media)


def pdf_of(find: Callable[[], Invoice | Voucher]) -> Response:
    """Return the PDF of the document that `find` finds.

    Raises:
        Conflict, DamagedSnapshot, CannotRender, StoreUnavailable: as `personal.document`.
    """
    with transaction():
        row = find()
        content, name = personal.document(row), documents.file_name(row)
    return attachment(content, name, PDF)
