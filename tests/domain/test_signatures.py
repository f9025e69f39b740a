"""Signed requests: 20 recorded ones, signed by the published clients, and every way to change one."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.domain.signatures import (
    WINDOW_SECONDS,
    canonical_text,
    is_signed_by,
    read_claim,
    sign,
    sort_query,
)
from tests.support.machine import ROOT

RECORDED: dict[str, Any] = json.loads((ROOT / "tests/data/signed_requests.json").read_text("utf-8"))
SECRETS: dict[str, str] = RECORDED["secrets"]


@dataclass(frozen=True)
class Request:
    """A request as it is on the wire; each part is the bytes that were signed."""

    key_id: bytes
    timestamp: bytes
    nonce: bytes
    method: bytes
    path: bytes
    query: bytes
    body: bytes
    signature: bytes


PARTS = ("key_id", "timestamp", "nonce", "method", "path", "query", "body", "signature")
# A byte is changed by exclusive or: each of its bits alone (which is also capital into small), or into every
# other one, for the two requests where that is tried.
SINGLE_BITS = tuple(1 << bit for bit in range(8))
ALL_OTHER_BYTES = range(1, 256)


def recorded() -> list[Request]:
    return [
        Request(
            **{
                **{name: one[name].encode() for name in PARTS},
                "body": base64.b64decode(one["body"]),
            }
        )
        for one in RECORDED["requests"]
    ]


def is_right(request: Request) -> bool:
    """Tell what the edge decides about a request, the freshness apart."""
    told = [
        part.decode("latin-1")
        for part in (request.key_id, request.timestamp, request.nonce, request.signature)
    ]
    claim = read_claim(*told)
    if claim is None or claim.key_id not in SECRETS:
        return False
    text = canonical_text(
        timestamp=claim.timestamp,
        nonce=claim.nonce,
        method=request.method.decode("latin-1"),
        path=request.path.decode("latin-1"),
        query=request.query.decode("latin-1"),
        body=request.body,
    )
    return text is not None and is_signed_by([SECRETS[claim.key_id]], text, claim.signature)


def changed(part: bytes, masks: Iterable[int]) -> Iterator[bytes]:
    """Yield `part` with one byte changed by each mask, taken away or put in, at every place."""
    for place in range(len(part)):
        before, after = part[:place], part[place + 1 :]
        yield before + after
        yield from (before + bytes([part[place] ^ mask]) + after for mask in masks)
    for place in range(len(part) + 1):
        yield part[:place] + b"0" + part[place:]


@pytest.mark.parametrize("number", range(len(recorded())))
def test_a_recorded_request_is_right_and_every_change_of_one_byte_of_any_part_is_not(number: int) -> None:
    request = recorded()[number]
    assert is_right(request)
    masks = ALL_OTHER_BYTES if number % 10 == 0 else SINGLE_BITS
    for name in PARTS:
        passing = [
            part
            for part in changed(getattr(request, name), masks)
            if is_right(replace(request, **{name: part}))
        ]
        assert passing == [], name


def test_a_body_cut_short_or_sent_twice_is_refused() -> None:
    request = recorded()[0]
    assert not is_right(replace(request, body=request.body[:-10]))
    assert not is_right(replace(request, body=b""))
    assert not is_right(replace(request, body=request.body * 2))


def test_a_query_is_signed_as_sent_in_any_order() -> None:
    request = recorded()[9]
    assert request.query == b"account_id=caf%C3%A9+1&metric=m%20n"
    assert is_right(replace(request, query=b"metric=m%20n&account_id=caf%C3%A9+1"))
    for other in (
        b"account_id=caf%C3%A9%201&metric=m%20n",
        b"account_id=caf%C3%A9+1&metric=m+n",
        b"account_id=caf%c3%a9+1&metric=m%20n",
        b"account_id=caf\xc3\xa9+1&metric=m%20n",
        b"account_id=caf%C3%A9+1&metric=m%20n&",
    ):
        assert not is_right(replace(request, query=other)), other


def test_a_path_is_signed_as_sent() -> None:
    request = recorded()[12]
    assert request.path == b"/api/v1/customers/caf%C3%A9%201"
    for other in (
        b"/api/v1/customers/caf%c3%a9%201",
        b"/api/v1/customers/caf%C3%A9+1",
        b"/api/v1/customers/caf%C3%A9%2501",
        b"/api/v1/customers/caf\xc3\xa9%201",
        b"/api/v1/customers/%63af%C3%A9%201",
        b"/api/v1/customers/./caf%C3%A9%201",
        b"/api/v1/customers//caf%C3%A9%201",
        b"/api/v1/customers/caf%C3%A9%201;a",
        b"/api/v1/customers/caf%C3%A9%201/",
        b"/api/v1/customers/caf%C3%A9%201?",
        b"http://localhost/api/v1/customers/caf%C3%A9%201",
    ):
        assert not is_right(replace(request, path=other)), other


@pytest.mark.parametrize(
    ("query", "told"),
    [("", ""), ("b&a", "a&b"), ("a=2&a=1", "a=1&a=2"), ("a&&b", "&a&b"), ("b=%20&B=1", "B=1&b=%20")],
)
def test_the_parts_of_a_query_are_put_in_the_order_of_their_bytes(query: str, told: str) -> None:
    assert sort_query(query) == told


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("key_id", ""),
        ("key_id", "0199D3A0-51B2-7C44-8F7E-2B6D5C1A9E01"),
        ("key_id", "{0199d3a0-51b2-7c44-8f7e-2b6d5c1a9e01}"),
        ("key_id", "0199d3a051b27c448f7e2b6d5c1a9e01"),
        ("timestamp", ""),
        ("timestamp", "01793471400"),
        ("timestamp", "+1793471400"),
        ("timestamp", "1793471400.0"),
        ("timestamp", "१७९३४७१४००"),
        ("timestamp", "179347140000"),
        ("nonce", ""),
        ("nonce", "two words"),
        ("nonce", "a,b"),
        ("nonce", "a\n"),
        ("nonce", "n" * 129),
        ("signature", "0" * 64),
        ("signature", "v1=" + "A" * 64),
        ("signature", "v1=" + "0" * 63),
        ("signature", "v2=" + "0" * 64),
        ("signature", "v1=" + "0" * 64 + "\n"),
    ],
)
def test_a_header_in_another_writing_is_no_claim(name: str, text: str) -> None:
    good = {
        "key_id": "0199d3a0-51b2-7c44-8f7e-2b6d5c1a9e01",
        "timestamp": "1793471400",
        "nonce": "n-1",
        "signature": "v1=" + "0" * 64,
    }
    assert read_claim(**good) is not None
    assert read_claim(**{**good, name: text}) is None


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GE T", "/", ""),
        ("GET\nX", "/", ""),
        ("GET", "/", "a\nb"),
        ("GET", "/", "a b"),
        ("GET", "/a\nb", ""),
        ("GET", "/a b", ""),
        ("GET", "", ""),
        ("OPTIONS", "*", ""),
        ("GET", "http://localhost/", ""),
    ],
)
def test_what_could_be_read_in_two_ways_is_never_signed(method: str, path: str, query: str) -> None:
    parts = {"timestamp": "1", "nonce": "n", "body": b""}
    assert canonical_text(method=method, path=path, query=query, **parts) is None  # type: ignore[arg-type]


def test_a_request_is_fresh_for_five_minutes_before_and_after() -> None:
    claim = read_claim("0199d3a0-51b2-7c44-8f7e-2b6d5c1a9e01", "1793471400", "n", "v1=" + "0" * 64)
    assert claim is not None
    seconds = (-301, -300, 0, 300, 301)
    assert [claim.is_fresh(1793471400 + late) for late in seconds] == [False, True, True, True, False]
    assert claim.stale_from == 1793471400 + WINDOW_SECONDS + 1


def test_any_of_several_secrets_may_have_signed() -> None:
    assert is_signed_by(["a", "b"], b"text", sign("b", b"text"))
    assert is_signed_by(["b", "a"], b"text", sign("b", b"text"))
    assert not is_signed_by(["a"], b"text", sign("b", b"text"))
    assert not is_signed_by([], b"text", sign("b", b"text"))
