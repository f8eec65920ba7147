"""What a user of a remote env can see go wrong.

* ``RemoteEnvError`` — root of all below.

  * ``UnknownEnv`` — nobody serves that env id; the text says what is served.
  * ``NoFreeWorker`` — it is served, but no worker took the request in time. Also a ``TimeoutError``.
  * ``Busy`` — so many wait for that env already that the broker takes no more.
  * ``BadKwargs`` — the env refuses its keyword arguments.
  * ``UnknownSeat`` — the world has no seat of that name.
  * ``SeatTaken`` — somebody sits there, or on all seats; try again when its agent has closed it or is gone.
  * ``SeatsMissing`` — a world does not begin without all its seats, and some did not come in time. ``reset`` again.
  * ``InvalidArgument`` — what was given to make or reset cannot be sent. Also a ``ValueError``.

    * ``InvalidAction`` — an action that is not in the action space. Nothing was stepped.
  * ``EnvError`` — the env itself raised; the episode goes on.
  * ``CallRefused`` — a method or an attribute that the worker does not let agents use. Also an ``AttributeError``.
  * ``StepTimeout`` — no reply in time. Also a ``TimeoutError``, and that of ``multiprocessing``, which Gymnasium's
    ``AsyncVectorEnv`` raises. ``wait()``, ``reset()`` and ``close()`` are legal then.

    * ``AlreadyPending`` — asked for more before the reply has come. Also Gymnasium's ``AlreadyPendingCallError``.
  * ``NothingPending`` — waited for a reply to nothing. Also Gymnasium's ``NoAsyncCallError``.
  * ``NotReset`` — ``step`` or ``render`` before ``reset``, or after a seat's run. Also Gymnasium's ``ResetNeeded``.
  * ``EnvClosed`` — used after ``close``. Also Gymnasium's ``ClosedEnvironmentError``.
  * ``EpisodeEnded`` — the worker ended the episode: drained, idle for too long, or the env hung.
  * ``WorkerLost`` — the worker cannot be reached any more, and the env's state with it.

    * ``ReplayDiverged`` — another worker, asked the same as the lost one, did not say the same.
  * ``ProtocolFailure`` — the two sides do not understand each other: versions, or bytes that are no message.
"""

from __future__ import annotations

import multiprocessing
import re
from typing import TYPE_CHECKING, Any

import gymnasium

from protocol.errors import ErrorCode

if TYPE_CHECKING:
    from protocol.messages import Error


class RemoteEnvError(Exception):
    """Anything that is wrong with a remote env."""

    env_id: Any = None
    """Of a vector env whose lanes are spread over several episodes: the numbers of the lanes that it concerns."""
    retry: bool = False
    """The worker says that the same may succeed later, or elsewhere."""


class UnknownEnv(RemoteEnvError):
    """Nobody serves that env id."""


class NoFreeWorker(RemoteEnvError, TimeoutError):
    """The env is served, but no worker took the request in time."""


class Busy(RemoteEnvError):
    """The queue of requests for that env is full."""


class BadKwargs(RemoteEnvError, TypeError):
    """The env refuses its keyword arguments.

    ``gymnasium.make`` raises it again with all that was given to it in the text: user and password of a broker's URL
    are taken out.
    """

    def __init__(self, text: str) -> None:
        super().__init__(re.sub(r"(amqps?://)[^'\"\s]*@", r"\1", text))


class UnknownSeat(RemoteEnvError, LookupError):
    """The world has no seat of that name; the text says which it has."""


class SeatTaken(RemoteEnvError):
    """Somebody sits on that seat of the world, or on all of them."""


class SeatsMissing(RemoteEnvError, TimeoutError):
    """The world does not begin without all its seats, and some did not come in time; ``reset`` waits for them again."""


class InvalidArgument(RemoteEnvError, ValueError):
    """What was given to make or reset cannot be sent."""


class InvalidAction(InvalidArgument):
    """An action that is not in the action space."""


class EnvError(RemoteEnvError):
    """The env raised; the text has the type and the message of what it raised."""


class CallRefused(RemoteEnvError, AttributeError):
    """A method or an attribute that the worker does not let agents use, or that the env has not."""


class StepTimeout(RemoteEnvError, TimeoutError, multiprocessing.TimeoutError):
    """No reply in time. ``wait()``, ``reset()`` and ``close()`` are legal now, another ``step()`` is not."""


class AlreadyPending(StepTimeout, gymnasium.error.AlreadyPendingCallError):
    """Asked for more while a request has no reply yet: wait for it first (or ``reset``, or ``close``)."""

    name = "request"

    def __init__(self, message: str) -> None:
        TimeoutError.__init__(self, message)  # Gymnasium's own wants a name beside the text


class NothingPending(RemoteEnvError, gymnasium.error.NoAsyncCallError):
    """Waited for a reply, but nothing has been asked."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "wait")


class GivenUp(RemoteEnvError):
    """The opening of an env was given up by who wanted it: another of its episodes failed, or a task was cancelled."""


class NotReset(RemoteEnvError, gymnasium.error.ResetNeeded):
    """``step`` or ``render`` before ``reset``."""


class EnvClosed(RemoteEnvError, gymnasium.error.ClosedEnvironmentError):
    """Used after ``close``."""


class EpisodeEnded(RemoteEnvError):
    """The worker ended the episode."""


class WorkerLost(RemoteEnvError, ConnectionError):
    """The worker cannot be reached any more, and the env's state is lost with it."""

    retry = True


class ReplayDiverged(WorkerLost):
    """Another worker, asked the same as the lost one, did not say the same."""

    retry = False

    def __init__(self, message: str, step: int = 0) -> None:
        super().__init__(message)
        self.step = step
        """The first step since the seeded reset that differs; 0: the reset itself."""


class ProtocolFailure(RemoteEnvError):
    """The two sides do not understand each other."""


_BY_CODE: dict[str, type[RemoteEnvError]] = {
    ErrorCode.UNSUPPORTED_VERSION.value: ProtocolFailure,
    ErrorCode.MALFORMED.value: ProtocolFailure,
    ErrorCode.ILLEGAL.value: ProtocolFailure,
    ErrorCode.STEP_CONFLICT.value: ProtocolFailure,
    ErrorCode.STEP_GAP.value: ProtocolFailure,
    ErrorCode.STEP_STALE.value: ProtocolFailure,
    ErrorCode.UNKNOWN_ENV.value: UnknownEnv,
    ErrorCode.BAD_KWARGS.value: BadKwargs,
    ErrorCode.SEAT_TAKEN.value: SeatTaken,
    ErrorCode.UNKNOWN_SEAT.value: UnknownSeat,
    ErrorCode.SEATS_MISSING.value: SeatsMissing,
    ErrorCode.RESET_NEEDED.value: NotReset,
    ErrorCode.BAD_ACTION.value: InvalidAction,
    ErrorCode.BAD_CALL.value: CallRefused,
    ErrorCode.STEP_TIMEOUT.value: EpisodeEnded,
    ErrorCode.IDLE_TIMEOUT.value: EpisodeEnded,
    ErrorCode.DRAINING.value: EpisodeEnded,
    ErrorCode.WORKER_FAILED.value: WorkerLost,
}


def from_message(error: Error, env_id: str) -> RemoteEnvError:
    """The exception for an ``error`` message of a worker."""
    kind = _BY_CODE.get(error.code, EnvError)
    found = kind(f"{env_id}: {_shown(error.text)} [{_shown(error.code)}, fault of the {_shown(error.fault)}]")
    found.retry = error.retry
    return found


def _shown(text: str) -> str:
    """``text`` of a stranger for people: no control characters, which would command their terminals, but for lines."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in text)
