"""The unprivileged account that the data stores run as under root, and places that this account can reach.

PostgreSQL refuses to run as root. The account is one that the machine has already: nothing is added to the
machine, and the permissions of no directory of somebody else are changed.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

CANDIDATES = ("postgres", "nobody")
ELSEWHERE = Path("/var/lib/otpless-billing")


class CannotStart(Exception):
    """Why `make run` cannot go on and what to do about it, in one line."""


class PopenArguments(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that make a process run as an account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine to run as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> "Account | None":
        """Return the account, or None where the machine has none of that name."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    def as_popen_arguments(self) -> PopenArguments:
        """Return what makes `subprocess` run a program as this account, without root's groups."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_run(self, *command: str) -> bool:
        """True when the command succeeds as this account."""
        try:
            done = subprocess.run(
                command, capture_output=True, cwd="/", check=False, **self.as_popen_arguments()
            )
        except OSError:
            return False
        return done.returncode == 0

    def can_enter(self, directory: Path) -> bool:
        """True when this account may pass through every parent of the directory and enter it."""
        return self.can_run("/bin/sh", "-c", 'cd "$1"', "sh", str(directory))

    def own(self, path: Path) -> None:
        """Give one file or directory to this account."""
        os.chown(path, self.uid, self.gid)


def choose_account(existing: Path) -> Account | None:
    """Return the account to run the data stores as: None (ourselves) unless we are root.

    Data that a plain user made stays that user's: where `existing` is there and not root's, its owner is the
    account.

    Raises:
        CannotStart: we are root and the machine has no account to drop to.
    """
    if os.geteuid() != 0:
        return None
    if existing.exists() and (owner := existing.stat()).st_uid != 0:
        return Account(_name_of(owner.st_uid), owner.st_uid, owner.st_gid)
    for name in CANDIDATES:
        if account := Account.named(name):
            return account
    raise CannotStart(
        "PostgreSQL refuses to run as root, and there is no account 'postgres' or 'nobody' to run it as: "
        "create one (useradd --system postgres), start as a plain user, or set DATABASE_URL."
    )


def owner_name(path: Path) -> str:
    """Return the name of the user who owns `path`, or the number where it has no name."""
    return _name_of(path.stat().st_uid)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def store_directory(data: Path, account: Account | None) -> Path:
    """Return the directory for what belongs to the account: `data` itself where the account can enter it.

    Otherwise (the project lies in root's home, say) a directory below /var/lib, which the link `data/store`
    points to.

    Raises:
        CannotStart: no such directory can be made.
    """
    link = data / "store"
    if link.is_symlink() and link.is_dir():
        return link.resolve()
    if account is None or account.can_enter(data):
        return data
    try:
        ELSEWHERE.mkdir(parents=True, exist_ok=True)
        ELSEWHERE.chmod(0o711)
        place = Path(tempfile.mkdtemp(dir=ELSEWHERE))
        account.own(place)
        link.unlink(missing_ok=True)
        link.symlink_to(place)
    except OSError as error:
        raise CannotStart(
            f"The account {account.name} cannot enter {data}, and {ELSEWHERE} cannot be written "
            f"({error.strerror}): choose another directory with DATA=… or set DATABASE_URL."
        ) from error
    return place


def reachable_copy(sources: Iterable[Path], name: str) -> Path:
    """Copy files and trees to a directory `name` that every account can read, once on a machine, and return
    it.
    """
    target = ELSEWHERE / "binaries" / name
    if target.exists():
        return target
    for directory, mode in ((ELSEWHERE, 0o711), (target.parent, 0o755)):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(mode)
    half = Path(tempfile.mkdtemp(dir=target.parent))
    half.chmod(0o755)
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, half / source.name, ignore=shutil.ignore_patterns("include"))
        else:
            shutil.copy2(source, half / source.name)
    try:
        half.rename(target)
    except OSError:  # somebody else was quicker
        shutil.rmtree(half)
    return target
