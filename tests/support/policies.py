"""A user's policies."""


def always_two(observation):
    """The simplest policy: a function."""
    return 2


def broken(observation):
    """A policy with a fault of its own."""
    return 1 / 0
