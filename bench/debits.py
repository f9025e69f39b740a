"""More debits at once than a wallet has money for: `python -m bench.debits` prints one line of JSON a run.

A wallet funded for 6,000 gets 10,000 debits of 1 by 50 connections, each with an `Idempotency-Key` of its
own: exactly 6,000 succeed, 4,000 are refused as insufficient, nothing is left, and the wallet's journals are
numbered without a gap. Twenty wallets, one after the other; each has to be done within a minute.
"""

import argparse
import json
import os
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import psycopg

from app import clock
from app.db import db, transaction
from app.factory import create_app
from app.models import Account, Customer
from app.services import keys, wallets
from bench.stack import ACTOR, Stack, open_stack, running

CONNECTIONS = 50
FUNDS, DEBITS = 6_000, 10_000
RUNS = 20
MOST_SECONDS = 60
BODY = b'{"amount": "1", "reason": "One of many"}'


class Books(NamedTuple):
    """What the tables hold of a wallet: balance, number of its last journal, how many are numbered."""

    balance: Decimal
    seq: int
    numbered: int


def debit(port: int, secret: str, wallet_id: UUID, debits: int, *, name: str = "debit") -> Counter[str]:
    """Debit 1 so many times by fifty connections at once; return how often each answer came.

    A server that is busy is asked again with the same key, which is the same debit.
    """

    def share(connection_number: int) -> Counter[str]:
        numbers = range(connection_number, debits, CONNECTIONS)
        with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
            return Counter(_ask(line, head + f"{name}-{n}\r\n\r\n".encode() + BODY) for n in numbers)

    head = (
        f"POST /api/v1/wallets/{wallet_id}/debits HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {secret}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\nIdempotency-Key: "
    ).encode()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(share, range(CONNECTIONS)), Counter())


def _ask(line: socket.socket, request: bytes) -> str:
    """Post and return `debited` or the code of the refusal."""
    while True:
        line.sendall(request)
        head, body = _receive(line)
        status = head[9:12]
        if status == b"201":
            return "debited"
        if status not in {b"429", b"503"}:
            return str(json.loads(body)["error"]["code"])
        time.sleep(1)


def _receive(line: socket.socket) -> tuple[bytes, bytes]:
    """Return the head and the body of an answer.

    Raises:
        ConnectionError: the server has closed.
    """
    answer = b""
    while True:
        part = line.recv(1 << 16)
        if not part:
            raise ConnectionError("The server closed the connection.")
        answer += part
        head, found, body = answer.partition(b"\r\n\r\n")
        if found and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return head, body


def look(url: str, wallet_id: UUID) -> Books:
    """Return what is stored of the wallet."""
    query = """
        SELECT w.balance, w.seq, (SELECT count(DISTINCT seq) FROM postings WHERE wallet_id = w.id)
        FROM wallets w WHERE w.id = %s
    """
    with psycopg.connect(url, autocommit=True) as connection:
        (row,) = connection.execute(query, [wallet_id]).fetchall()
    return Books(*row)


def count_wrong(answers: Counter[str], books: Books, *, funds: int, debits: int) -> list[str]:
    """Return what is wrong: the answers, what is left, or the numbers of the journals: a top-up and the
    debits.
    """
    right = {
        "answers": answers == {"debited": funds, "insufficient_funds": debits - funds},
        "balance": books.balance == 0,
        "sequence": books.seq == books.numbered == funds + 1,
    }
    return [name for name, holds in right.items() if not holds]


def measure(stack: Stack, runs: int) -> Iterator[dict[str, object]]:
    """Yield what each run gave, each with a wallet of its own."""
    with create_app(stack.settings).app_context():
        with transaction():
            # A caller may ask 10,000 times a minute: each run has a key, and so an allowance, of its own.
            secrets = [
                keys.create(f"debits {number}", scopes=["wallets:write"], actor=ACTOR, at=clock.now())[1]
                for number in range(runs)
            ]
            filled = [_make_wallet(number) for number in range(runs)]
        db.session.remove()
        db.engine.dispose()
    with running(stack, worker=False):
        for number, (wallet_id, secret) in enumerate(zip(filled, secrets, strict=True)):
            begun = time.perf_counter()
            answers = debit(stack.port, secret, wallet_id, DEBITS, name=f"run-{number}")
            seconds = time.perf_counter() - begun
            books = look(stack.stores.database_url, wallet_id)
            yield {
                "bench": "debits",
                "run": number + 1,
                "cores": os.cpu_count(),
                "fsync": True,
                "connections": CONNECTIONS,
                "answers": dict(answers),
                "balance": str(books.balance.normalize()),
                "journals": books.seq,
                "seconds": round(seconds, 1),
                "debits_per_second": round(DEBITS / seconds),
                "within_a_minute": seconds <= MOST_SECONDS,
                "wrong": count_wrong(answers, books, funds=FUNDS, debits=DEBITS),
            }


def _make_wallet(number: int) -> UUID:
    customer = Customer(name=f"Debited {number}", email="bench@example.com")
    account = Account(customer=customer, external_id=f"debited-{number}", name=f"Debited {number}")
    db.session.add(account)
    db.session.flush()
    wallet = wallets.open(account, actor=ACTOR)
    wallets.top_up(wallet, str(FUNDS), at=clock.now(), actor=ACTOR, reason="Bench")
    return wallet.id


def main() -> int:
    """Run it; fail when an answer or a figure was wrong, or a run took longer than a minute."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    runs = parser.parse_args().runs
    failed = 0
    with (
        tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory,
        open_stack(Path(directory), accounts=1) as stack,
    ):
        for figures in measure(stack, runs):
            print(json.dumps(figures), flush=True)
            failed += bool(figures["wrong"]) or not figures["within_a_minute"]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
