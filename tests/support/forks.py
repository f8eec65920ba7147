"""What a forked child does."""

from __future__ import annotations

import os
import traceback
import warnings


def in_a_child(work) -> str:
    """What ``work()`` returned, or the error that it raised, in a forked child."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that this process has threads is the point
        child = os.fork()
    if child == 0:
        try:
            said = work()
        except BaseException as error:  # noqa: BLE001 - nothing may leave the child but through the pipe
            said = "".join(traceback.format_exception(error))
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said
