"""Fixtures of these tests."""

from tests.support.hosting import lanes, remote, serve

__all__ = ["lanes", "remote", "serve"]
