"""A user's policies."""


def always_two(observation):
    """The simplest policy: a function."""
    return 2
