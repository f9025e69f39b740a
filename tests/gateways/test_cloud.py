"""The file store on an S3 server and mail through an SES server: real HTTP, the real SDK."""

import hashlib
import logging
from datetime import UTC, datetime

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from app.config import Settings
from app.errors import NotFound
from app.gateways.files import DamagedFile, S3Store, StoreUnavailable, open_store
from app.gateways.mail import Attachment, Mail, MailUnavailable, open_mailer

BUCKET, KEY = "invoices", "invoices/1.pdf"
UNTIL = datetime(2033, 12, 31, tzinfo=UTC)
SENDER = "OTPless Billing <billing@otpless.example>"


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(server, monkeypatch):
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    requests.post(f"{server}/moto-api/reset", timeout=5)
    client = boto3.client("s3", endpoint_url=server)
    client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    yield client
    client.close()


@pytest.fixture
def store(s3, server):
    open_store.cache_clear()
    return open_store(
        Settings(
            s3_bucket=BUCKET,
            s3_endpoint_url=server,
            s3_access_key_id="a",
            s3_secret_access_key="b",
            s3_object_lock=True,
        )
    )


def test_a_document_comes_back_from_the_bucket_with_its_checksum(store, s3):
    digest = store.save(KEY, b"%PDF-1.7", content_type="application/pdf")
    assert digest == hashlib.sha256(b"%PDF-1.7").digest()
    assert store.load(KEY, sha256=digest) == b"%PDF-1.7"
    head = s3.head_object(Bucket=BUCKET, Key=KEY)
    assert (head["ContentType"], store.size(KEY)) == ("application/pdf", 8)


def test_what_is_kept_by_law_is_locked_against_everybody(store, s3):
    store.save(KEY, b"%PDF-1.7", content_type="application/pdf", retain_until=UNTIL)
    head = s3.head_object(Bucket=BUCKET, Key=KEY)
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", UNTIL)
    (version,) = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=version["VersionId"])
    assert store.load(KEY) == b"%PDF-1.7"


def test_a_changed_object_is_not_handed_out(store, s3):
    digest = store.save(KEY, b"honest", content_type="application/pdf")
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"forged")
    with pytest.raises(DamagedFile):
        store.load(KEY, sha256=digest)


def test_a_big_file_goes_in_parts_and_is_lent_as_a_file(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 40_000)
    digest = store.put(KEY, source, content_type="application/gzip")
    with store.lend(KEY) as path:
        assert hashlib.sha256(path.read_bytes()).digest() == digest


def test_what_was_deleted_or_never_stored_is_not_found(store):
    store.save(KEY, b"x", content_type="text/plain")
    store.delete(KEY)
    store.delete(KEY)
    for ask in (store.load, store.size):
        with pytest.raises(NotFound):
            ask(KEY)


def test_a_bucket_that_is_not_there_is_unavailable(s3, server):
    away = S3Store(bucket="nothing-here", endpoint_url=server, access_key_id="a", secret_key="b")
    with pytest.raises(StoreUnavailable):
        away.save(KEY, b"x", content_type="text/plain")


MAIL = Mail(
    key="document.mail:1",
    to="finance@example.com",
    cc=("cfo@example.com",),
    subject="Tax Invoice: ₹1,180.00",
    text="Attached.",
    attachments=(Attachment("OT-1.pdf", b"%PDF-1.7", "application/pdf"),),
)


def test_a_mail_goes_to_ses_as_it_is(s3, server):
    ses = boto3.client("ses", endpoint_url=server)
    ses.verify_email_identity(EmailAddress="billing@otpless.example")
    mailer = open_mailer(Settings(ses_region="us-east-1", ses_endpoint_url=server, mail_from=SENDER))
    message_id = mailer.send(MAIL)
    (sent,) = requests.get(f"{server}/moto-api/data.json", timeout=5).json()["ses"]["RawMessage"]
    assert message_id
    assert sent
    ses.close()


def test_a_sender_that_ses_does_not_know_is_unavailable(s3, server):
    settings = Settings(ses_region="us-east-1", ses_endpoint_url=server, mail_from="No <x@no.example>")
    with pytest.raises(MailUnavailable):
        open_mailer(settings).send(MAIL)
