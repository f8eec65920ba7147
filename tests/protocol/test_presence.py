"""What workers say of themselves: names that people will see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.errors import DecodeError
from protocol.presence import Presence

PRESENCE = Presence("host/1", "0" * 16, ("CartPole-v1",), capacity=2, free=1)


def test_a_presence_arrives_as_it_is():
    named = replace(PRESENCE, worker="hôte/1", envs=("[bold]A[/bold]",))
    assert Presence.decode(named.encode()) == named


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "\x07", "‮"])
def test_a_name_that_would_command_a_terminal_is_refused(name):
    for odd in (replace(PRESENCE, worker=name), replace(PRESENCE, envs=("CartPole-v1", name))):
        with pytest.raises(DecodeError, match="control characters"):
            Presence.decode(odd.encode())
