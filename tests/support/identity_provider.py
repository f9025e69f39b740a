"""A small provider of OpenID Connect as a process: `python -m tests.support.identity_provider` prints where.

It keeps the protocol strictly (codes for one use, redirect addresses as registered, PKCE with S256) and lies
only as far as `POST /control` tells it to: other claims, other ways to sign, other words in its documents.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from flask import Flask, jsonify, redirect, request
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

CLIENT_ID, CLIENT_SECRET = "billing", "a secret of the application"
COOKIE = "provider_session"
TOKEN_SECONDS = 600
FORM = """<!doctype html><html lang="en"><title>Provider</title><h1>Who are you?</h1>
<form method="post"><label>E-mail <input name="email"></label><button>Continue</button></form></html>"""


def encode(data: bytes) -> str:
    """Return bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """An RSA key with its id."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def jwk(self) -> dict[str, str]:
        """The public half."""
        numbers = self.private.public_key().public_numbers()
        n, e = numbers.n.to_bytes(256, "big"), numbers.e.to_bytes(3, "big")
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": encode(n), "e": encode(e)}

    @property
    def pem(self) -> bytes:
        """The public half as text, which a confused reader takes for a shared secret."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, text: bytes) -> bytes:
        """Return the RS256 signature."""
        return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())


@dataclass
class Controls:
    """How the provider behaves. `claims` replace those of the token (null takes one out), `shift` adds
    seconds to its times, `forge` names another way to sign, `discovery` replaces words of the document.
    """

    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    redirect_uris: list[str] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    shift: dict[str, int] = field(default_factory=dict)
    forge: str = ""
    discovery: dict[str, Any] = field(default_factory=dict)
    keeps_session: bool = False
    down: bool = False


@dataclass
class Provider:
    """What it knows: keys, people who are signed in, codes that wait, tokens that it gave."""

    issuer: str
    key: Key = field(default_factory=lambda: Key("one"))
    foreign: Key = field(default_factory=lambda: Key("foreign"))
    controls: Controls = field(default_factory=Controls)
    sessions: dict[str, tuple[str, int]] = field(default_factory=dict)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def discovery(self) -> dict[str, Any]:
        """Return the document by which it is found."""
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}authorize",
            "token_endpoint": f"{self.issuer}oauth/token",
            "jwks_uri": f"{self.issuer}.well-known/jwks.json",
            "end_session_endpoint": f"{self.issuer}oidc/logout",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }
        return without_nulls({**told, **self.controls.discovery})

    def code_for(self, email: str, auth_time: int, asked: Mapping[str, str]) -> str:
        """Return a code for one token."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = {"email": email, "auth_time": auth_time, **asked}
        return code

    def id_token(self, granted: Mapping[str, Any]) -> str:
        """Return the token of a person, true or as the controls want it."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        claims |= {"nonce": granted["nonce"], "email": granted["email"], "email_verified": True}
        if "max_age" in granted:
            claims["auth_time"] = granted["auth_time"]
        claims |= self.controls.people[granted["email"]] | self.controls.claims
        for name, seconds in self.controls.shift.items():
            claims[name] = claims.get(name, now) + seconds
        token = forged(self, without_nulls(claims))
        self.given.add(token)
        return token


def without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    """Return what is left of a document once nothing stands for nothing."""
    return {name: value for name, value in values.items() if value is not None}


def forged(provider: Provider, claims: dict[str, Any]) -> str:
    """Return the token, signed in the way that `forge` names."""
    key, foreign, how = provider.key, provider.foreign, provider.controls.forge
    header: dict[str, Any] = {"alg": "RS256", "typ": "JWT", "kid": key.kid}
    signers: dict[str, Callable[[bytes], bytes]] = {
        "": key.sign,
        "alg_none": lambda _: b"",
        "hs256_public": lambda text: hmac.digest(key.pem, text, "sha256"),
        "hs256_secret": lambda text: hmac.digest(CLIENT_SECRET.encode(), text, "sha256"),
        "foreign_key": foreign.sign,
        "unknown_kid": foreign.sign,
        "embedded_key": foreign.sign,
        "no_kid": key.sign,
        "broken": lambda text: bytes(255) + key.sign(text)[-1:],
    }
    changes: dict[str, dict[str, Any]] = {
        "alg_none": {"alg": "none"},
        "hs256_public": {"alg": "HS256"},
        "hs256_secret": {"alg": "HS256"},
        "unknown_kid": {"kid": "nobody knows"},
        "embedded_key": {"jwk": foreign.jwk},
        "no_kid": {"kid": None},
    }
    if how == "no_token":
        return "not a token"
    header = without_nulls({**header, **changes.get(how, {})})
    text = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{encode(signers[how](text.encode()))}"


def make_app(provider: Provider) -> Flask:
    """Return the provider's pages."""
    app = Flask(__name__)

    @app.before_request
    def answer_or_not() -> tuple[str, int] | None:
        is_down = provider.controls.down and request.path != "/control"
        return ("out of order", 503) if is_down else None

    app.add_url_rule("/.well-known/openid-configuration", view_func=provider.discovery)
    app.add_url_rule("/.well-known/jwks.json", "keys", lambda: {"keys": [provider.key.jwk]})
    add_authorize(app, provider)
    add_token(app, provider)
    add_logout(app, provider)

    @app.post("/control")
    def control() -> Response:
        asked = request.get_json()
        if asked.pop("rotate", False):
            provider.key = Key(f"key {secrets.token_hex(4)}")
        provider.controls = Controls(**{**asdict(provider.controls), **asked})
        return jsonify(sessions=len(provider.sessions))

    return app


def add_authorize(app: Flask, provider: Provider) -> None:
    """Enter the page where people sign in."""

    @app.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        asked = request.args.to_dict()
        wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        if any(asked.get(name) != value for name, value in wanted.items()) or "nonce" not in asked:
            return "This is no request of the application.", 400
        if asked.get("redirect_uri") not in provider.controls.redirect_uris:
            return "Callback URL mismatch.", 400
        known = provider.sessions.get(request.cookies.get(COOKIE, ""))
        if request.method == "POST":
            email = request.form["email"]
            if email not in provider.controls.people:
                return answer(asked, error="access_denied")
            known = (email, int(time.time()))
        elif known is None or must_ask(asked, known[1]):
            return FORM
        response = answer(asked, code=provider.code_for(*known, asked), iss=provider.issuer)
        if request.method == "POST":
            session_id = secrets.token_urlsafe(16)
            provider.sessions[session_id] = known
            response.set_cookie(COOKIE, session_id, httponly=True)
        return response

    def must_ask(asked: Mapping[str, str], auth_time: int) -> bool:
        age = time.time() - auth_time
        is_asked = asked.get("prompt") == "login" or age > int(asked.get("max_age", age))
        return is_asked and not provider.controls.keeps_session

    def answer(asked: Mapping[str, str], **told: str) -> Response:
        return redirect(f"{asked['redirect_uri']}?{urlencode({**told, 'state': asked['state']})}")


def add_token(app: Flask, provider: Provider) -> None:
    """Enter the address that gives a token for a code, once."""

    @app.post("/oauth/token")
    def token() -> Any:
        given = request.form
        basic = request.authorization
        secret = (basic.password or "") if basic else given.get("client_secret", "")
        if not hmac.compare_digest(secret, CLIENT_SECRET):
            return {"error": "invalid_client"}, 401
        granted = provider.codes.pop(given.get("code", ""), None)
        challenge = encode(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
        if (
            granted is None
            or granted["redirect_uri"] != given.get("redirect_uri")
            or granted["code_challenge"] != challenge
        ):
            return {"error": "invalid_grant"}, 400
        answer = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer"}
        if provider.controls.forge != "missing":
            answer["id_token"] = provider.id_token(granted)
        return answer


def add_logout(app: Flask, provider: Provider) -> None:
    """Enter the places where the provider's session ends: the standard's, and Auth0's."""

    @app.get("/oidc/logout")
    @app.get("/v2/logout")
    def logout() -> Any:
        back = request.args.get("post_logout_redirect_uri") or request.args.get("returnTo", "")
        registered = {uri.replace("/sign-in/callback", "/sign-in") for uri in provider.controls.redirect_uris}
        if back not in registered or request.args.get("client_id") != CLIENT_ID:
            return "This address is not registered.", 400
        hint = request.args.get("id_token_hint")
        if hint is not None and hint not in provider.given:
            return "This is no token of mine.", 400
        provider.sessions.pop(request.cookies.get(COOKIE, ""), None)
        response = redirect(back)
        response.delete_cookie(COOKIE)
        return response


def main() -> None:
    """Serve until stopped, on a free port of this machine."""
    provider = Provider(issuer="")
    server = make_server("127.0.0.1", 0, make_app(provider), threaded=True)
    provider.issuer = f"http://127.0.0.1:{server.port}/"
    print(provider.issuer, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
