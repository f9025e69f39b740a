"""The public keys of a token issuer: its JWKS, fetched from the one configured address and remembered."""

import json
import threading
import time
from typing import Any

import requests

from app.errors import Unavailable
from app.lazy import Lazy

# Loaded only where tokens are taken.
jwk = Lazy("joserfc.jwk")
jose_errors = Lazy("joserfc.errors")

ASKED_AT_MOST_EVERY_SECONDS = 60
FRESH_SECONDS = 3_600
KEPT_SECONDS = 86_400
CONNECT_SECONDS, READ_SECONDS = 3, 5
LARGEST_ANSWER = 256 * 1024
SMALLEST_KEY_BITS = 2048
BASE64_BITS = 6


class IssuerUnavailable(Unavailable):
    """The keys of the issuer could not be fetched, and none are remembered."""

    code = "issuer_unavailable"


class IssuerKeys:
    """The RSA keys of one issuer by `kid`.

    They are asked for again after an hour, and for an unknown `kid`, but at most once a minute; while the
    issuer does not answer the last ones hold for a day.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._fetched_at = self._asked_at = float("-inf")

    def find(self, kid: str) -> Any | None:
        """Return the key with that id, None where the issuer has none.

        Raises:
            IssuerUnavailable: it did not answer, and nothing is remembered.
        """
        if self._needs(kid):
            with self._lock:
                if self._needs(kid):
                    self._ask()
        if time.monotonic() - self._fetched_at > KEPT_SECONDS:
            raise IssuerUnavailable("The issuer of the tokens did not give its keys. Send the same again.")
        return self._keys.get(kid)

    def _needs(self, kid: str) -> bool:
        now = time.monotonic()
        stale = kid not in self._keys or now - self._fetched_at > FRESH_SECONDS
        return stale and now - self._asked_at > ASKED_AT_MOST_EVERY_SECONDS

    def _ask(self) -> None:
        try:
            self._keys = _fetch(self._url)
            self._fetched_at = time.monotonic()
        except (requests.RequestException, ValueError):
            return
        finally:
            self._asked_at = time.monotonic()


def read_document(url: str) -> dict[str, Any]:
    """Return the JSON object that an issuer publishes at an address.

    Raises:
        requests.RequestException: it did not answer.
        ValueError: the answer is no such document, is too large, or leads elsewhere.
    """
    timeout = (CONNECT_SECONDS, READ_SECONDS)
    with requests.get(url, timeout=timeout, allow_redirects=False, stream=True) as response:
        if response.status_code != requests.codes.ok:
            raise ValueError(f"The issuer answered {response.status_code}.")
        content = response.raw.read(LARGEST_ANSWER + 1, decode_content=True)
    if len(content) > LARGEST_ANSWER:
        raise ValueError("The issuer's answer is too large.")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("The issuer's answer is no document.")
    return document


def _fetch(url: str) -> dict[str, Any]:
    listed = read_document(url).get("keys")
    if not isinstance(listed, list):
        raise ValueError("The issuer's answer is no JWKS.")
    return {one["kid"]: key for one in listed if _may_verify(one) and (key := _import(one)) is not None}


def _may_verify(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and one.get("kty") == "RSA"
        and isinstance(one.get("kid"), str)
        and one.get("use", "sig") == "sig"
        and one.get("alg", "RS256") == "RS256"
        and isinstance(one.get("n"), str)
        and len(one["n"]) * BASE64_BITS >= SMALLEST_KEY_BITS
    )


def _import(one: dict[str, Any]) -> Any | None:
    """Return a key ready to verify, None for one that is malformed."""
    try:
        return jwk.RSAKey.import_key({"kty": "RSA", "n": one["n"], "e": one["e"]})
    except (KeyError, ValueError, TypeError, jose_errors.JoseError):
        return None
