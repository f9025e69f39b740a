"""Signed requests at the edge (docs/integration/signing.md): checked before anything else looks at them, an
unknown address included.
"""

from uuid import UUID

from flask import Response, g, request

from app import clock
from app.api.body import read_bytes
from app.api.envelope import failure
from app.db import transaction
from app.domain.signatures import Claim, canonical_text, read_claim
from app.errors import Unauthorized
from app.permissions import Actor
from app.services.callers import memory, nonces, signers

HEADERS = ("X-Api-Key", "X-Timestamp", "X-Nonce", "X-Signature")
# One message for every cause.
REFUSAL = "Prove who calls: sign the request, or send Authorization: Bearer with a key's secret or a token."


def check_signature() -> Response | None:
    """Answer a request that claims to be signed and is not; keep whom a rightly signed one stands for.

    A hook that runs before every request, so that a changed path is refused like a changed body.
    """
    if "X-Api-Key" not in request.headers and "X-Signature" not in request.headers:
        return None
    try:
        g.signed_by = _signed_by()
    except Exception as error:
        return failure(error)
    return None


def signed_actor() -> Actor | None:
    """Return who signed the request, None where nobody did."""
    actor: Actor | None = g.get("signed_by")
    return actor


def _signed_by() -> Actor:
    """Return who signed the request, whose nonce is used by this.

    Raises:
        Unauthorized: whatever is wrong with it, or another proof came along.
        TooLarge: the body is over 1 MiB.
        Unavailable: the database or the key service cannot be asked.
    """
    at = clock.now()
    claim = read_claim(*(request.headers.get(name, "") for name in HEADERS))
    text = _text(claim) if claim else None
    if claim is None or text is None or "Authorization" in request.headers:
        raise Unauthorized(REFUSAL)
    remembered = signers.remembered(claim.key_id)
    signer = remembered or _load(claim.key_id)
    signed = signers.is_signed(signer, claim, text, at=at)
    allowed = signer is not None and signer.caller.may_call(at=at, ip=request.remote_addr)
    if signer is not None:
        g.turned_away = signer.caller.actor
    if signer is None or not (signed and allowed and claim.is_fresh(int(at.timestamp()))):
        raise Unauthorized(REFUSAL)
    if not nonces.use(claim):
        raise Unauthorized(REFUSAL)
    if remembered is None:
        with transaction():
            memory.note_use(UUID(claim.key_id), at)
    return signer.caller.actor


def _load(key_id: str) -> signers.Signer | None:
    with transaction():
        stored = signers.load(key_id)
    # Decrypted after the transaction: the key service may be far away.
    return signers.unlock(stored) if stored else None


def _text(claim: Claim) -> bytes | None:
    environ = request.environ
    # A web server that does not tell how the path was written lets nobody in: PATH_INFO is decoded.
    path, _, _ = environ["RAW_URI"].partition("?")
    return canonical_text(
        timestamp=claim.timestamp,
        nonce=claim.nonce,
        method=environ["REQUEST_METHOD"],
        path=path,
        query=environ.get("QUERY_STRING", ""),
        body=read_bytes(),
    )
