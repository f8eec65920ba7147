"""How commands end that have started processes: in order, whichever signal ends them."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """The first SIGINT, SIGTERM or SIGHUP raises KeyboardInterrupt inside; those that follow do not disturb the end.

    What is inside ends with all that it has started, and then the process, with 128 and the signal's number.
    """
    code = 0

    def end(number: int, frame: object) -> NoReturn:
        nonlocal code
        code = 128 + number
        for one in SIGNALS:
            signal.signal(one, lambda *_: None)
        raise KeyboardInterrupt

    former = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(code) from None
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
