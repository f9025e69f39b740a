"""The file of a month: its records are counted wherever a block ends, and damage is told."""

import csv
import gzip
import io
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateways.files import DamagedFile
from app.services import archive_files as files
from app.services.archive_files import Header

HEADER = Header("2025-03", 2, ("event_id", "properties"))
BODY = b'a,"{""note"": ""x\ny""}"\nb,{}\n'


@given(st.lists(st.lists(st.text('a",\n'), min_size=2, max_size=3)), st.lists(st.integers(1, 7), min_size=1))
def test_records_are_counted_wherever_a_block_ends(rows: list[list[str]], sizes: list[int]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    content, count, begin, n = written.getvalue().encode(), files._Records(), 0, 0
    while begin < len(content):
        count.add(content[begin : begin + sizes[n % len(sizes)]])
        begin, n = begin + sizes[n % len(sizes)], n + 1
    assert (count.records, count.whole) == (len(rows), True)


def packed(path: Path, content: bytes) -> bytes:
    path.write_bytes(gzip.compress(content, mtime=0))
    return sha256(path.read_bytes()).digest()


def test_a_whole_file_tells_its_header(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert files.check(path, packed(path, HEADER.line() + BODY)) == HEADER


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The archive does not begin as an archive does."),
        (BODY, "The archive does not begin as an archive does."),
        (HEADER.line().replace(b'"version":1', b'"version":2') + BODY, "one of a newer version"),
        (HEADER.line() + BODY[:-5], "The archive holds 1 events and says 2."),
        (HEADER.line() + BODY[:-1], "The archive holds 1 events and says 2."),
        (HEADER.line() + BODY + b"c,{}\n", "The archive holds 3 events and says 2."),
    ],
)
def test_a_file_that_is_no_archive_or_not_all_of_one_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "file"
    digest = packed(path, content)
    with pytest.raises(DamagedFile, match=message):
        files.check(path, digest)


def test_every_changed_byte_and_every_cut_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    digest = packed(path, HEADER.line() + BODY)
    whole = path.read_bytes()
    for n in range(len(whole)):
        for damaged in (whole[:n], bytes([*whole[:n], whole[n] ^ 1, *whole[n + 1 :]])):
            path.write_bytes(damaged)
            with pytest.raises(DamagedFile):
                files.check(path, digest)


def test_a_file_that_is_no_gzip_is_refused_also_with_its_own_checksum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"plain text", gzip.compress(HEADER.line() + BODY)[:-9]):
        path.write_bytes(content)
        with pytest.raises(DamagedFile, match="not a whole gzip file"):
            files.check(path, sha256(content).digest())
