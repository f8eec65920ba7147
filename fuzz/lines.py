"""Which lines of the modules of a target its inputs reach: ``python -m fuzz.lines TARGET CORPUS`` prints two numbers.

Lines of functions: reached, and all. In a process of its own, without the fuzzer.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.targets import by_name

if TYPE_CHECKING:
    from types import CodeType, FrameType

MOST_INPUTS = 3000

Line = tuple[str, int]


def lines_of(module: str) -> set[Line]:
    """The lines within functions of a module."""
    file = str(importlib.import_module(module).__file__)
    found: set[Line] = set()
    pending: list[CodeType] = [compile(Path(file).read_text(), file, "exec")]
    while pending:
        code = pending.pop()
        inner = [one for one in code.co_consts if hasattr(one, "co_lines")]
        pending += inner
        if code.co_flags & 1:  # of a function: not what runs at import
            found |= {(file, line) for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno}
    return found


def reached(name: str, corpus: Path) -> set[Line]:
    """The lines that the inputs in ``corpus`` reach."""
    target, found = by_name(name), set[Line]()
    files = {str(importlib.import_module(module).__file__) for module in target.modules}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            found.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        for file in sorted(corpus.iterdir())[:MOST_INPUTS]:
            with contextlib.suppress(Exception):
                target.run(file.read_bytes())
    finally:
        sys.settrace(None)
    return found


def main(name: str, corpus: str) -> None:
    """Count, and print."""
    warnings.simplefilter("ignore")
    logging.disable()
    there = set[Line]().union(*map(lines_of, by_name(name).modules))
    print(json.dumps([len(reached(name, Path(corpus)) & there), len(there)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
