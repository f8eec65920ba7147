"""Fixtures of these tests."""

from tests.support.hosting import lanes, remote, serve
from tests.support.many import far, far_aec

__all__ = ["far", "far_aec", "lanes", "remote", "serve"]
