"""People at the desk, as the tests of the screens have them."""

from tests.admin.conftest import at_desk, desk

__all__ = ["at_desk", "desk"]
