"""The one extension mechanism: a named table of things, filled by importing a package.

Price models, aggregations, gateways, screens and jobs are all entries of a `Registry`. One contract test
per registry runs over every present and future entry. This module imports the standard library only, so
that the pure domain may use it.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Generic, TypeVar

T = TypeVar("T")


class UnknownName(LookupError):
    """A name that no entry of a registry carries; the message lists the names that exist."""

    def __init__(self, kind: str, name: str, choices: tuple[str, ...]) -> None:
        self.kind, self.name, self.choices = kind, name, choices
        super().__init__(f"There is no {kind} named {name!r}. Choose one of: {', '.join(choices)}.")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping from name to entry, extended by `register`.

    >>> shapes: Registry[type] = Registry("shape")
    >>> @shapes.register("circle")
    ... class Circle: ...
    >>> shapes["circle"] is Circle
    True
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that enters its argument under `name`.

        Raises:
            ValueError: the name is taken; two entries would silently shadow each other.
        """

        def enter(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"The {self.kind} {name!r} is registered twice.")
            self._entries[name] = entry
            return entry

        return enter

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownName(self.kind, name, tuple(sorted(self._entries))) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def get(self, name: str, default: T | None = None) -> T | None:  # type: ignore[override]
        """Return the entry, or `default` where there is none."""
        return self._entries.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def load_package(package: ModuleType) -> None:
    """Import every module of `package`, so that its registrations happen."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
