"""Fixtures of these tests."""

from tests.support.hosting import flapping, lanes, patience, remote, serve
from tests.support.loops import gate, make
from tests.support.many import far, far_aec

__all__ = ["far", "far_aec", "flapping", "gate", "lanes", "make", "patience", "remote", "serve"]
