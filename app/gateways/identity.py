"""The identity provider of people, by OpenID Connect: where it is, how it is asked, and its keys.

What it says is not believed here: `app.auth.id_tokens` reads the token that it gives.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests

from app.errors import Unavailable
from app.gateways.jwks import CONNECT_SECONDS, READ_SECONDS, IssuerKeys, read_document
from app.lazy import Lazy

# Loaded only where people sign in by a provider.
clients = Lazy("authlib.integrations.requests_client")

DISCOVERY = ".well-known/openid-configuration"
SCOPE = "openid profile email"
FRESH_SECONDS, KEPT_SECONDS = 3_600, 86_400
ASKED_AT_MOST_EVERY_SECONDS = 5
AUTH0_LOGOUT = "v2/logout"


class ProviderUnavailable(Unavailable):
    """The identity provider did not answer, or not as its protocol says."""

    code = "identity_provider_unavailable"


class ProviderRefused(Exception):
    """The provider gave no token for the code; the message is its own word for why."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the provider is asked for what. `end_session` is '' where it names no place to sign out."""

    authorization: str
    token: str
    keys: str
    end_session: str
    secret_in_body: bool


class Provider:
    """One issuer and our application there.

    Its addresses are discovered and kept for an hour, and for a day while it does not answer.
    """

    def __init__(self, issuer: str, client_id: str, client_secret: str) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._client_secret = client_secret
        self._lock = threading.Lock()
        self._endpoints: Endpoints | None = None
        self._fetched_at = self._asked_at = float("-inf")
        self._keys: dict[str, IssuerKeys] = {}

    def endpoints(self) -> Endpoints:
        """Return where it is asked.

        Raises:
            ProviderUnavailable: it cannot be discovered, and nothing is remembered.
        """
        with self._lock:
            now = time.monotonic()
            if now - self._fetched_at > FRESH_SECONDS and now - self._asked_at > ASKED_AT_MOST_EVERY_SECONDS:
                self._discover()
            if self._endpoints is None or time.monotonic() - self._fetched_at > KEPT_SECONDS:
                raise ProviderUnavailable("The identity provider does not answer. Try again in a minute.")
            return self._endpoints

    def authorization_url(
        self, *, redirect_uri: str, state: str, nonce: str, verifier: str, **asked: str
    ) -> str:
        """Return the address to which a browser goes to sign in; `verifier` is proved by its S256 challenge.

        Raises:
            ProviderUnavailable: see `endpoints`.
        """
        client = self._client(redirect_uri)
        url, _ = client.create_authorization_url(
            self.endpoints().authorization, state=state, nonce=nonce, code_verifier=verifier, **asked
        )
        return str(url)

    def id_token(self, code: str, *, redirect_uri: str, verifier: str) -> str:
        """Exchange the code that a browser brought for the ID token.

        Raises:
            ProviderRefused: the code is not good, or the answer holds no ID token.
            ProviderUnavailable: the provider did not answer.
        """
        client = self._client(redirect_uri)
        try:
            given = client.fetch_token(
                self.endpoints().token,
                code=code,
                code_verifier=verifier,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException:
            raise ProviderUnavailable("The identity provider does not answer. Try again.") from None
        except (clients.OAuthError, ValueError) as error:
            raise ProviderRefused(str(error)) from None
        token = given.get("id_token")
        if not isinstance(token, str):
            raise ProviderRefused("no ID token")
        return token

    def find(self, kid: str) -> Any | None:
        """Return the provider's key of that id, None where it has none.

        Raises:
            ProviderUnavailable, IssuerUnavailable: the provider did not answer, and nothing is remembered.
        """
        url = self.endpoints().keys
        return self._keys.setdefault(url, IssuerKeys(url)).find(kid)

    def logout_url(self, back_to: str, id_token: str = "") -> str:
        """Return where a browser ends the provider's own session: the place that discovery names, else
        Auth0's.

        Raises:
            ProviderUnavailable: see `endpoints`.
        """
        place = self.endpoints().end_session
        if not place:
            asked = {"client_id": self.client_id, "returnTo": back_to}
            return f"{self.issuer.rstrip('/')}/{AUTH0_LOGOUT}?{urlencode(asked)}"
        asked = {"client_id": self.client_id, "post_logout_redirect_uri": back_to}
        if id_token:
            asked["id_token_hint"] = id_token
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}"

    def _client(self, redirect_uri: str) -> Any:
        in_body = self.endpoints().secret_in_body
        method = "client_secret_post" if in_body else "client_secret_basic"
        return clients.OAuth2Session(
            self.client_id,
            self._client_secret,
            scope=SCOPE,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method=method if self._client_secret else "none",
        )

    def _discover(self) -> None:
        self._asked_at = time.monotonic()
        try:
            self._endpoints = _read(self.issuer)
        except (requests.RequestException, ValueError):
            return
        self._fetched_at = time.monotonic()


def _read(issuer: str) -> Endpoints:
    """Return what the discovery document of an issuer says.

    Raises:
        requests.RequestException: there is no answer.
        ValueError: it is another issuer's, or not usable (OpenID Connect Discovery 1.0, section 4.3).
    """
    told = read_document(f"{issuer.rstrip('/')}/{DISCOVERY}")
    if told.get("issuer") != issuer:
        raise ValueError("The document is another issuer's.")
    methods = told.get("token_endpoint_auth_methods_supported") or []
    return Endpoints(
        authorization=_address(told, "authorization_endpoint", issuer),
        token=_address(told, "token_endpoint", issuer),
        keys=_address(told, "jwks_uri", issuer),
        end_session=_address(told, "end_session_endpoint", issuer) if "end_session_endpoint" in told else "",
        secret_in_body="client_secret_post" in methods,
    )


def _address(told: dict[str, Any], name: str, issuer: str) -> str:
    url = told.get(name)
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or not parts.netloc or parts.scheme != urlsplit(issuer).scheme:
        raise ValueError(f"{name} is no address of that scheme.")
    return str(url)
