"""Signs requests in tests as the published clients do."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import clock
from app.domain.signatures import canonical_text, sign
from app.models import ApiKey
from app.permissions import Actor
from app.services import keys

TEST = Actor.system("tests")


@dataclass(frozen=True)
class Sender:
    """Holds a signed key."""

    key_id: str
    secret: str

    def headers(
        self,
        method: str,
        path: str,
        query: str = "",
        body: bytes = b"",
        *,
        late: timedelta = timedelta(0),
        nonce: str = "",
    ) -> dict[str, str]:
        """Return the four headers, signed `late` after now."""
        timestamp = str(int((clock.now() + late).timestamp()))
        nonce = nonce or secrets.token_hex(16)
        text = canonical_text(
            timestamp=timestamp,
            nonce=nonce,
            method=method,
            path=path,
            query=query,
            body=body,
        )
        assert text is not None
        return {
            "X-Api-Key": self.key_id,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": sign(self.secret, text),
        }

    def send(
        self, client: FlaskClient, method: str, path: str, query: str = "", body: bytes = b"", **options: Any
    ) -> TestResponse:
        """Send a signed request through the test client."""
        return deliver(client, method, path, query, body, self.headers(method, path, query, body, **options))


def deliver(
    client: FlaskClient, method: str, path: str, query: str, body: bytes, headers: dict[str, str], **more: Any
) -> TestResponse:
    """Send a request exactly like this."""
    return client.open(
        path,
        method=method,
        query_string=query,
        data=body or None,
        content_type="application/json" if body else None,
        headers=headers,
        **more,
    )


def make_sender(*, scopes: tuple[str, ...] = ("all",), **values: Any) -> tuple[ApiKey, Sender]:
    """Make a signed key."""
    made: dict[str, Any] = {
        "kind": "hmac",
        "scopes": list(scopes),
        "actor": TEST,
        "at": clock.now(),
        **values,
    }
    key, secret = keys.create("sender", **made)
    return key, Sender(str(key.id), secret)
