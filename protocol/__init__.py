"""The gym protocol: messages, spaces on the wire, codec, dialogue rules. Pure and sans-I/O.

Its prose is ``docs/protocol.md``.
Read ``messages``, then ``rules``, then ``agent_dialogue`` and ``env_dialogue``.
"""

from protocol.agent_dialogue import AgentDialogue, Stray
from protocol.codec import decode, encode
from protocol.coders import coder
from protocol.description import Description
from protocol.env_dialogue import Answer, EnvDialogue
from protocol.errors import (
    DecodeError,
    EncodeError,
    ErrorCode,
    Fault,
    LocalProtocolError,
    OutsideSpace,
    ProtocolError,
    RemoteProtocolError,
    VersionMismatch,
)
from protocol.limits import DEFAULT_LIMITS, Limits
from protocol.rules import State
from protocol.version import SPOKEN, VERSION

__all__ = [
    "DEFAULT_LIMITS",
    "SPOKEN",
    "VERSION",
    "AgentDialogue",
    "Answer",
    "DecodeError",
    "Description",
    "EncodeError",
    "EnvDialogue",
    "ErrorCode",
    "Fault",
    "Limits",
    "LocalProtocolError",
    "OutsideSpace",
    "ProtocolError",
    "RemoteProtocolError",
    "State",
    "Stray",
    "VersionMismatch",
    "coder",
    "decode",
    "encode",
]
