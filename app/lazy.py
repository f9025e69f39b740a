"""Libraries that few calls need and that cost much to load: read on first use, so that processes start fast
and stay small.
"""

from importlib import import_module
from typing import Any


class Lazy:
    """Stands for a module at the top of a file; it is imported when an attribute is first read or set.

    >>> Lazy("math").sqrt(16)
    4.0
    """

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)

    def __setattr__(self, attribute: str, value: Any) -> None:
        setattr(import_module(self._name), attribute, value)
