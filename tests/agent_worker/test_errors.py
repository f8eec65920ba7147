"""What a worker says went wrong, as an exception for people."""

from __future__ import annotations

from agent_worker.errors import EnvError, from_message
from protocol.messages import Error


def test_what_a_worker_says_commands_no_terminal():
    said = "first line\n\tsecond: é \x1b[2J\x1b]0;title\x07\r\0\x9b31m"
    found = from_message(Error("e" * 32, 0, "0" * 16, "\x1b[31m", said, "\x1b[0m", False, False), "Env-v0")
    assert type(found) is EnvError
    shown = "first line\n\tsecond: é \\x1b[2J\\x1b]0;title\\x07\\r\\x00\\x9b31m"
    assert str(found) == f"Env-v0: {shown} [\\x1b[31m, fault of the \\x1b[0m]"
