"""Signed requests (docs/integration/signing.md): the text that is signed, signing it, and telling a right
signature from a wrong one.

The text has seven lines without a final line break:

    v1
    {timestamp}                      unix seconds, as in X-Timestamp
    {nonce}                          as in X-Nonce
    {METHOD}                         as sent
    {path}                           as sent, up to the `?`
    {query, sorted}                  the raw query, see `sort_query`
    {sha256 of the raw body}         64 hexadecimal digits
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

VERSION = "v1"
WINDOW_SECONDS = 300

_KEY_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,10}")
_NONCE = re.compile(r"[A-Za-z0-9._~+/=:-]{1,128}")
_SIGNATURE = re.compile(r"v1=[0-9a-f]{64}")
# What would bring a line break or a blank into the text, where no sender of HTTP can have written one.
_METHOD = re.compile(r"[!-~]{1,32}")
_PATH = re.compile(r"/[!-~\x80-\xff]*")
_QUERY = re.compile(r"[!-~\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class Claim:
    """The four headers of a signed request: who wants to have signed it, when, and with what result."""

    key_id: str
    timestamp: str
    nonce: str
    signature: str

    def is_fresh(self, now: int) -> bool:
        """Tell whether it was signed within five minutes of `now` (unix seconds), before or after."""
        return abs(int(self.timestamp) - now) <= WINDOW_SECONDS

    @property
    def stale_from(self) -> int:
        """The first second (unix) at which nobody accepts it any more."""
        return int(self.timestamp) + WINDOW_SECONDS + 1


def read_claim(key_id: str, timestamp: str, nonce: str, signature: str) -> Claim | None:
    """Return what the headers claim, None where one of them is not written as it should be."""
    written = (
        _KEY_ID.fullmatch(key_id)
        and _TIMESTAMP.fullmatch(timestamp)
        and _NONCE.fullmatch(nonce)
        and _SIGNATURE.fullmatch(signature)
    )
    return Claim(key_id, timestamp, nonce, signature) if written else None


def sort_query(query: str) -> str:
    """Return a raw query, nothing decoded, its parts between `&` in the order of their bytes.

    >>> sort_query("b=2&a=%20&a=1")
    'a=%20&a=1&b=2'
    """
    return "&".join(sorted(query.split("&"))) if "&" in query else query


def canonical_text(
    *, timestamp: str, nonce: str, method: str, path: str, query: str, body: bytes
) -> bytes | None:
    """Return the text that is signed; `path` and `query` are as they were sent, nothing decoded.

    None for a request that could be read in two ways: a blank or a control character in its method, path or
    query, or a path that does not begin with `/`.
    """
    if not (_METHOD.fullmatch(method) and _PATH.fullmatch(path) and _QUERY.fullmatch(query)):
        return None
    lines = (VERSION, timestamp, nonce, method, path, sort_query(query), sha256(body).hexdigest())
    return "\n".join(lines).encode("latin-1")


def sign(secret: str, text: bytes) -> str:
    """Return the value of X-Signature: HMAC-SHA256, keyed by the bytes of the secret as it is written.

    >>> sign("otps_example", b"v1")[:11]
    'v1=4c9686d2'
    """
    return f"{VERSION}={hmac.digest(secret.encode(), text, 'sha256').hex()}"


def is_signed_by(secrets: Iterable[str], text: bytes, signature: str) -> bool:
    """Tell whether one of the secrets made this signature, in a time that does not tell which, or how much
    of it is right.
    """
    right = False
    for secret in secrets:
        right |= hmac.compare_digest(sign(secret, text), signature)
    return right
