"""The customer's statements, drawn up at once: of a wallet, and of what was billed and paid in a currency."""

from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from flask import request, send_file
from werkzeug.wrappers import Response

from app import clock
from app.errors import Invalid
from app.models.exports import ExportFormat
from app.portal.guard import blueprint, own_id, today
from app.services import documents, own
from app.services.exports import requests, statements
from app.services.exports.kinds import Scope
from app.services.exports.sheets import write_csv, write_xlsx

LONGEST = timedelta(days=366)
WRITERS = {"csv": write_csv, "xlsx": write_xlsx}


@blueprint.get("/wallets/<uuid:wallet_id>/statement")
def wallet_statement(wallet_id: UUID) -> Response:
    """Send the statement of a wallet for the days asked for, by default this month."""
    wallet = own.get_wallet(own_id(), wallet_id)
    return _send("wallet_statement", Scope(*_days(), customer_id=own_id(), wallet_id=wallet.id))


@blueprint.get("/statement")
def customer_statement() -> Response:
    """Send what was billed, paid and credited in a currency for the days asked for."""
    currency = request.args.get("currency", "INR")
    return _send("customer_statement", Scope(*_days(), customer_id=own_id(), currency=currency[:3]))


def _days() -> tuple[date, date]:
    first = request.args.get("first", today().replace(day=1), type=date.fromisoformat)
    last = request.args.get("last", today(), type=date.fromisoformat)
    if last < first:
        raise Invalid.at("/last", "The last day is before the first.")
    if last - first > LONGEST:
        raise Invalid.at("/first", "Choose a year at most.")
    return first, last


def _send(kind: str, scope: Scope) -> Response:
    form = request.args.get("format", "pdf")
    if form not in set(ExportFormat):
        raise Invalid.at("/format", f"Choose one of: {', '.join(ExportFormat)}.", code="unknown_choice")
    chosen = requests.kind_of(kind)
    assert chosen.draw is not None
    content = chosen.draw(scope, clock.now())
    if form == ExportFormat.pdf:
        made = documents.render_snapshot(content)
    else:
        with TemporaryDirectory(prefix="statement-") as folder:
            path = Path(folder, "file")
            WRITERS[form](path, chosen.headings, statements.rows_of(content))
            made = path.read_bytes()
    return send_file(
        BytesIO(made),
        mimetype=requests.CONTENT_TYPES[ExportFormat(form)],
        as_attachment=True,
        download_name=f"statement-{scope.first}-{scope.last}.{form}",
    )
