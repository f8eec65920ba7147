"""The benchmark is tested with the workers of the other tests."""

from tests.support.hosting import serve

__all__ = ["serve"]
