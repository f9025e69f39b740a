"""Answers kept in Redis for a while (specification 9.1.3; what is kept and why: docs/adr/0007).

An answer is kept with the marks of what it was made from: `usage:<account>`, `plans`. Whoever changes
something gives it a new mark after the commit (`changed`), and an answer counts only while all of its marks
are still the ones it was made under. So a reader that computed before a commit and stores after it does no
harm, and a flush of Redis loses marks and answers alike. Display only: money decisions read the locked row.

Redis away: everything is made from PostgreSQL, at the price of one time-out a second.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from app.config import current_settings
from app.db import after_commit, has_transaction, is_isolated

T = TypeVar("T")

TIMEOUT_SECONDS = 0.1
# After a failure Redis is left alone this long.
PAUSE_SECONDS = 1.0
# A mark may be lost at any time, so it need not live for ever: a new one makes old answers unreadable.
MARK_SECONDS = 86_400
MOST_OWED = 10_000

log = logging.getLogger(__name__)


class _Kept(msgspec.Struct, array_like=True):
    marks: list[str]
    answer: msgspec.Raw


def get_or_make(key: str, of: Sequence[str], seconds: int, make: Callable[[], T], kind: Any) -> T:
    """Return the answer kept under `key`, or what `make` returns, which is then kept.

    `of` names what it is made from, `kind` is its type (plain values, dataclasses, Decimals; not mapped
    rows), `seconds` how long it is kept at most. Inside a transaction nothing is kept and nothing kept is
    used: what it has written must be seen, and what it has not committed must not.
    """
    return get_or_make_all({key: of}, seconds, lambda _: {key: make()}, kind)[key]


def get_or_make_all(
    wanted: Mapping[str, Sequence[str]],
    seconds: int,
    make: Callable[[list[str]], Mapping[str, T]],
    kind: Any,
    *,
    anew: bool = False,
) -> dict[str, T]:
    """Return the answers under these keys (each with what it is made from); `make` gets the keys of those
    that are not kept, or of all where they are to be made `anew`."""
    if is_isolated() or has_transaction():
        return dict(make(list(wanted)))
    line = _line(current_settings().redis_url)
    looked_up = line.look_up({name for of in wanted.values() for name in of}, wanted)
    if looked_up is None:
        return dict(make(list(wanted)))
    marks, kept = looked_up
    under = {key: [marks[name] for name in of] for key, of in wanted.items()}
    found: dict[str, T] = {}
    for key, text in ({} if anew else kept).items():
        answer = _read(text, under[key], kind)
        if answer is not msgspec.UNSET:
            found[key] = answer
    missing = [key for key in wanted if key not in found]
    if missing:
        made = make(missing)
        line.keep({key: _written(made[key], under[key]) for key in missing}, seconds)
        found.update(made)
    return found


def changed(names: Iterable[str]) -> None:
    """Make what was made from these unreadable, once the open transaction has committed."""
    given = list(names)
    if given and not is_isolated():
        line = _line(current_settings().redis_url)
        after_commit(lambda: line.renew(given))


class _Line:
    """This process's way to one Redis, shut for a moment after it failed.

    `_owed` are the names whose new mark could not be written: they are written first when Redis is back, and
    until then this process reads none of their answers.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        self._shut_until = 0.0
        self._owed: set[str] = set()
        self._lock = threading.Lock()

    def look_up(
        self, names: Iterable[str], keys: Iterable[str]
    ) -> tuple[dict[str, str], dict[str, bytes]] | None:
        """Return the mark of each name, a new one where there is none, and what is kept under the keys; None
        when Redis is away."""
        if self._owed and not self.renew(()):
            return None
        return self._ask(lambda: self._look_up(list(names), list(keys)))

    def keep(self, answers: Mapping[str, bytes], seconds: int) -> None:
        """Keep answers for so long at most."""

        def write() -> None:
            with self._redis.pipeline(transaction=False) as pipe:
                for key, text in answers.items():
                    pipe.set(f"cache:{key}", text, ex=seconds)
                pipe.execute()

        self._ask(write)

    def renew(self, names: Iterable[str]) -> bool:
        """Give these names, and those still owed, new marks; tell whether that was possible."""
        with self._lock:
            self._owed.update(names)
            waiting = list(self._owed)

        def write() -> bool:
            with self._redis.pipeline(transaction=False) as pipe:
                for name in waiting:
                    pipe.set(f"mark:{name}", _new_mark(), ex=MARK_SECONDS)
                pipe.execute()
            return True

        done = bool(self._ask(write))
        with self._lock:
            if done or len(self._owed) > MOST_OWED:
                self._owed.difference_update(waiting)
        return done

    def _look_up(self, names: list[str], keys: list[str]) -> tuple[dict[str, str], dict[str, bytes]]:
        places = [*(f"mark:{name}" for name in names), *(f"cache:{key}" for key in keys)]
        values: list[Any] = self._redis.mget(places)
        marks = dict(zip(names, values[: len(names)], strict=True))
        for name in [name for name, mark in marks.items() if mark is None]:
            made = _new_mark()
            earlier: Any = self._redis.set(f"mark:{name}", made, nx=True, get=True, ex=MARK_SECONDS)
            marks[name] = earlier or made.encode()
        kept = dict(zip(keys, values[len(names) :], strict=True))
        return (
            {name: mark.decode() for name, mark in marks.items() if mark is not None},
            {key: text for key, text in kept.items() if text is not None},
        )

    def _ask(self, call: Callable[[], T]) -> T | None:
        if time.monotonic() < self._shut_until:
            return None
        try:
            return call()
        except RedisError as error:
            self._shut_until = time.monotonic() + PAUSE_SECONDS
            log.warning("Redis is away, nothing is kept", extra={"reason": type(error).__name__})
            return None


def _read(text: bytes, marks: list[str], kind: Any) -> Any:
    """Return the answer if it was made under these marks, else UNSET; one of another form does not count."""
    try:
        kept = msgspec.json.decode(text, type=_Kept)
        return msgspec.json.decode(kept.answer, type=kind) if kept.marks == marks else msgspec.UNSET
    except msgspec.MsgspecError:
        return msgspec.UNSET


def _written(answer: Any, marks: list[str]) -> bytes:
    return msgspec.json.encode(_Kept(marks, msgspec.Raw(msgspec.json.encode(answer))))


def _new_mark() -> str:
    return secrets.token_hex(8)


@lru_cache(maxsize=8)
def _line(url: str) -> _Line:
    return _Line(url)
