"""What can go wrong in the protocol, and whose fault it is.

* ``ProtocolError`` — root of all below.

  * ``LocalProtocolError`` — this side asked for something that is not legal now. Nothing was sent, nothing changed.
  * ``RemoteProtocolError`` — the other side said something that is not legal now.

    * ``DecodeError`` — what came is not a message: malformed, too large, too deep, or not of the space.

      * ``VersionMismatch`` — it is a message, but of a protocol version that this side does not speak.

  * ``EncodeError`` — a value of ours cannot travel: too large, too deep.

    * ``OutsideSpace`` — a value of ours is not in the space. Also a ``ValueError``.

``ErrorCode`` and ``Fault`` are what an ``error`` message carries to the other side.
"""

from __future__ import annotations

import enum


class ProtocolError(Exception):
    """Anything that breaks the rules of the protocol."""


class LocalProtocolError(ProtocolError):
    """This side asked for something that is not legal now. Nothing was sent and nothing changed."""


class RemoteProtocolError(ProtocolError):
    """The other side said something that is not legal now."""


class DecodeError(RemoteProtocolError):
    """Bytes that are not a message, or a value that is not of its space. The only error that decoding raises."""


class VersionMismatch(DecodeError):
    """A message of a protocol version that this side does not speak; its header could be read."""

    def __init__(self, version: int, performative: str, episode: str, step_id: int, spoken: tuple[int, ...]) -> None:
        self.version, self.performative, self.episode, self.step_id, self.spoken = (
            version, performative, episode, step_id, spoken,
        )  # fmt: skip
        super().__init__(f"message is of protocol version {version}, this side speaks {list(spoken)}")


class EncodeError(ProtocolError, ValueError):
    """A value of ours that cannot be sent."""


class OutsideSpace(EncodeError):
    """A value of ours that is not in its space; the text names the place, what was expected and what came."""


class Fault(str, enum.Enum):
    """Whose fault an error is."""

    AGENT = "agent"
    ENV = "env"
    WORKER = "worker"


class ErrorCode(str, enum.Enum):
    """Codes of ``error`` messages. A code that is not listed here is legal on the wire and means ``ENV_ERROR``."""

    UNSUPPORTED_VERSION = "unsupported_version"
    MALFORMED = "malformed"
    ILLEGAL = "illegal"
    """The request is not legal in this state (``act`` before ``reset``, ``make`` twice)."""
    STEP_CONFLICT = "step_conflict"
    """The ``step_id`` was used before with another body."""
    STEP_GAP = "step_gap"
    STEP_STALE = "step_stale"
    UNKNOWN_ENV = "unknown_env"
    BAD_KWARGS = "bad_kwargs"
    SEAT_TAKEN = "seat_taken"
    """Somebody sits on that seat of the world, or on all of them."""
    UNKNOWN_SEAT = "unknown_seat"
    """The env of the world has no agent of that name."""
    SEATS_MISSING = "seats_missing"
    """The world does not begin: not all seats have come within its time, and it plays for nobody."""
    RESET_NEEDED = "reset_needed"
    """The run of this seat is over, or it has not begun one: ``reset`` first."""
    BAD_ACTION = "bad_action"
    BAD_CALL = "bad_call"
    ENV_ERROR = "env_error"
    """The env raised; the text has the type and message of what it raised."""
    STEP_TIMEOUT = "step_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    DRAINING = "draining"
    WORKER_FAILED = "worker_failed"
