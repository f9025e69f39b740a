"""Fixtures shared by all tests, one concern per module; `tests/conftest.py` loads them."""
