"""The benchmark is tested with the workers of the other tests."""

from __future__ import annotations

from tests.support.hosting import serve as serve
