"""Fixtures of these tests."""

from tests.support.hosting import remote, serve

__all__ = ["remote", "serve"]
