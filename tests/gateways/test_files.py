"""Documents come back as they were stored, or not at all."""

import hashlib
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import NotFound
from app.gateways.files import DamagedFile, DirectoryStore, S3Store, open_store, sha256_of

KEY = "invoices/2026-27/OT-000001.pdf"


@pytest.fixture
def store(tmp_path):
    return DirectoryStore(tmp_path / "files")


def test_a_document_comes_back_byte_for_byte_with_its_checksum(store):
    digest = store.save(KEY, b"%PDF-1.7", content_type="application/pdf")
    assert digest == hashlib.sha256(b"%PDF-1.7").digest()
    assert store.load(KEY, sha256=digest) == b"%PDF-1.7"


def test_saving_again_replaces_and_leaves_nothing_beside_it(store, tmp_path):
    store.save(KEY, b"old", content_type="application/pdf")
    store.save(KEY, b"new", content_type="application/pdf")
    assert store.load(KEY) == b"new"
    assert [path.name for path in (tmp_path / "files").rglob("*") if path.is_file()] == ["OT-000001.pdf"]


def test_a_failed_write_leaves_the_old_document(store, tmp_path, monkeypatch):
    store.save(KEY, b"old", content_type="application/pdf")

    def full(_self: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(KEY, b"new", content_type="application/pdf")
    assert store.load(KEY) == b"old"
    assert [path.name for path in (tmp_path / "files").rglob("*") if path.is_file()] == ["OT-000001.pdf"]


def test_a_changed_document_is_not_handed_out(store, tmp_path):
    digest = store.save(KEY, b"honest", content_type="application/pdf")
    (tmp_path / "files" / KEY).write_bytes(b"forged")
    with pytest.raises(DamagedFile):
        store.load(KEY, sha256=digest)


@pytest.mark.parametrize("key", ["nothing.pdf", "invoices", f"{KEY}/more"])
def test_what_was_never_stored_is_not_found(store, key):
    store.save(KEY, b"x", content_type="application/pdf")
    with pytest.raises(NotFound):
        store.load(key)


@pytest.mark.parametrize(
    "key", ["../secret", "a/../b", "/etc/passwd", "", "a//b", "a/.hidden", "a b", "a\x00b", "a" * 513, "a/\n"]
)
def test_a_key_that_leaves_the_store_is_refused(store, tmp_path, key):
    with pytest.raises(ValueError, match="is not a key"):
        store.save(key, b"x", content_type="text/plain")
    assert not (tmp_path / "files").exists()


def test_a_bucket_in_the_settings_chooses_s3(tmp_path):
    bucket = {"s3_bucket": "invoices", "s3_endpoint_url": "http://127.0.0.1:9", "s3_access_key_id": "a"}
    assert isinstance(open_store(Settings(data_dir=tmp_path)), DirectoryStore)
    assert isinstance(open_store(Settings(**bucket, s3_secret_access_key="b")), S3Store)


def test_a_big_file_goes_in_and_comes_out_by_its_path(store, tmp_path):
    content = bytes(range(256)) * 5_000
    source = tmp_path / "source"
    source.write_bytes(content)
    digest = store.put(KEY, source, content_type="application/gzip")
    assert digest == hashlib.sha256(content).digest()
    assert store.size(KEY) == len(content)
    with store.lend(KEY) as path:
        assert (path.read_bytes(), sha256_of(path)) == (content, digest)


def test_what_is_kept_is_for_its_owner_alone(store, tmp_path):
    store.save(KEY, b"x", content_type="application/pdf")
    modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "files").rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert (tmp_path / "files").stat().st_mode & 0o777 == 0o700


def test_what_was_deleted_is_gone_and_deleting_it_again_is_well(store):
    store.save(KEY, b"x", content_type="application/pdf")
    store.delete(KEY)
    store.delete(KEY)
    with pytest.raises(NotFound):
        store.size(KEY)
    with pytest.raises(NotFound), store.lend(KEY):
        pytest.fail("Nothing is lent.")
