"""Key services: what is wrapped opens again, in its own context only, and the master key survives."""

import base64
import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from app.config import BadSettings, Settings
from app.gateways.key_service import (
    KeyService,
    KeyServiceUnavailable,
    decrypt,
    encrypt,
    key_services,
    open_key_service,
)
from app.registry import UnknownName

DATA_KEY = bytes(range(32))
OLD, NEW = "0a" * 32, "0b" * 32


class Kms(BaseHTTPRequestHandler):
    """Speaks as much of KMS as is asked of it: a blob is its context and the plain text, reversed."""

    def do_POST(self) -> None:
        """Encrypt or decrypt."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        context = json.dumps(asked["EncryptionContext"], sort_keys=True).encode()
        if self.headers["X-Amz-Target"] == "TrentService.Encrypt":
            blob = base64.b64decode(asked["Plaintext"])[::-1] + context
            self._answer(200, {"KeyId": asked["KeyId"], "CiphertextBlob": base64.b64encode(blob).decode()})
            return
        blob = base64.b64decode(asked["CiphertextBlob"])
        if not blob.endswith(context):
            self._answer(400, {"__type": "InvalidCiphertextException"})
            return
        plain = base64.b64encode(blob[: -len(context)][::-1]).decode()
        self._answer(200, {"KeyId": asked["KeyId"], "Plaintext": plain})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def kms_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    for name, value in {
        "ACCESS_KEY_ID": "a",
        "SECRET_ACCESS_KEY": "b",
        "DEFAULT_REGION": "ap-south-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with ThreadingHTTPServer(("127.0.0.1", 0), Kms) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield Settings(key_service="kms", kms_key_id="alias/billing", kms_endpoint_url=url, data_dir=tmp_path)
        server.shutdown()


@pytest.fixture(params=sorted(key_services))
def service(request: pytest.FixtureRequest, kms_settings: Settings) -> KeyService:
    return open_key_service(request.param, kms_settings)


def test_the_key_services_are_these() -> None:
    assert sorted(key_services) == ["kms", "local"]
    with pytest.raises(UnknownName, match="kms, local"):
        open_key_service("vault", Settings())


def test_a_data_key_comes_back_in_its_own_context_only(service: KeyService) -> None:
    wrapped = service.wrap(DATA_KEY, context="key-1")
    assert DATA_KEY not in wrapped
    assert service.unwrap(wrapped, context="key-1") == DATA_KEY
    with pytest.raises(KeyServiceUnavailable):
        service.unwrap(wrapped, context="key-2")
    with pytest.raises(KeyServiceUnavailable):
        service.unwrap(wrapped[:-1], context="key-1")


def test_the_master_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "not yet there"
    services = [key_services["local"](Settings(data_dir=data)) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        wrapped = list(pool.map(lambda one: one.wrap(DATA_KEY, context="c"), services))
    assert [services[0].unwrap(one, context="c") for one in wrapped] == [DATA_KEY] * 16
    assert [path.name for path in data.iterdir()] == ["master.key"]
    assert stat.S_IMODE((data / "master.key").stat().st_mode) == 0o600
    assert len((data / "master.key").read_text("ascii")) == 65


def test_a_new_master_key_wraps_and_the_old_one_still_unwraps(tmp_path: Path) -> None:
    service = key_services["local"](Settings(data_dir=tmp_path))
    before = service.wrap(DATA_KEY, context="c")
    service.renew()
    after = service.wrap(DATA_KEY, context="c")
    assert before[:8] != after[:8]
    assert [service.unwrap(one, context="c") for one in (before, after)] == [DATA_KEY, DATA_KEY]
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600


def test_without_its_master_key_nothing_opens(tmp_path: Path) -> None:
    service = key_services["local"](Settings(data_dir=tmp_path))
    wrapped = service.wrap(DATA_KEY, context="c")
    (tmp_path / "master.key").unlink()
    with pytest.raises(KeyServiceUnavailable, match=r"restore master\.key"):
        service.unwrap(wrapped, context="c")


def test_master_keys_of_the_settings_are_used_the_first_one_to_wrap(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, master_key=(OLD,))
    old = key_services["local"](settings)
    both = key_services["local"](replace(settings, master_key=(NEW, OLD)))
    wrapped = old.wrap(DATA_KEY, context="c")
    assert both.unwrap(wrapped, context="c") == DATA_KEY
    with pytest.raises(KeyServiceUnavailable):
        old.unwrap(both.wrap(DATA_KEY, context="c"), context="c")
    with pytest.raises(KeyServiceUnavailable, match="MASTER_KEY"):
        both.renew()
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_does_not_answer_is_unavailable(kms_settings: Settings) -> None:
    silent = key_services["kms"](replace(kms_settings, kms_endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(KeyServiceUnavailable, match="KMS could not encrypt a key"):
        silent.wrap(DATA_KEY, context="c")
    with pytest.raises(KeyServiceUnavailable, match="set its rotation there"):
        silent.renew()


def test_a_changed_byte_of_a_ciphertext_is_noticed() -> None:
    sealed = encrypt(DATA_KEY, b"secret", context="c")
    assert decrypt(DATA_KEY, sealed, context="c") == b"secret"
    for place in range(len(sealed)):
        other = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(KeyServiceUnavailable):
            decrypt(DATA_KEY, other, context="c")
    assert encrypt(DATA_KEY, b"secret", context="c") != sealed


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"KEY_SERVICE": "vault"}, "choose local or kms"),
        ({"KEY_SERVICE": "kms"}, "KMS_KEY_ID is not set"),
        ({"MASTER_KEY": "short"}, "64 hexadecimal digits"),
        ({"JWT_JWKS_URL": "https://issuer.example/jwks"}, "JWT_ISSUER and JWT_AUDIENCE are needed"),
    ],
)
def test_settings_that_cannot_work_are_told_and_never_show_a_key(
    variables: dict[str, str], problem: str
) -> None:
    environ = {"DATABASE_URL": "postgresql:///x", "SECRET_KEY": "k" * 32, "DATA": "/nonexistent"}
    with pytest.raises(BadSettings, match=problem) as told:
        Settings.from_env({**environ, **variables})
    assert "short" not in str(told.value)
