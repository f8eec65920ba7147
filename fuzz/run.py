"""One target under the fuzzer, in a process of its own: ``python -m fuzz.run TARGET INPUTS HOME SAVED``.

atheris ends the process when it has done its inputs, so what was found is written down as it is found.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import sys
import time
import traceback
import warnings
from pathlib import Path

import atheris

LOOKED_AT = [
    "protocol", "broker", "agent_worker.evaluation_messages", "agent_worker.evaluation_ledger",
    "agent_worker.recorded", "env_worker.intake", "env_worker.isolated", "env_worker.pipe",
]  # fmt: skip

with atheris.instrument_imports(include=LOOKED_AT):
    from fuzz import measure
    from fuzz.target import SECONDS, TIMES, Target, size_of
    from fuzz.targets import by_name

MEMORY_EVERY = 61
"""Of so many inputs one is watched for its memory: that makes it slow."""

NOTE_EVERY = 100
LONGEST = 4096
"""Bytes of an input."""


class Watch:
    """Tries inputs, and keeps what is found: the file ``findings.json``, and each input in ``saved``."""

    def __init__(self, target: Target, home: Path, saved: Path) -> None:
        self._target, self._home, self._saved = target, home, saved
        self._found: dict[str, dict[str, object]] = {}
        self._alone = measure.Alone(target)
        self.count, self.watched, self.slowest = 0, 0, 0.0

    def one(self, data: bytes) -> None:
        """Try one input."""
        self.count += 1
        try:
            took, size = self._try(data)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            self._note(data, _where(error), traceback.format_exc(limit=-6))
        else:
            if took > SECONDS:
                self._confirm(data, size)
            else:
                self.slowest = max(self.slowest, took)
        if self.count % NOTE_EVERY == 0:
            self.write()

    def _try(self, data: bytes) -> tuple[float, int]:
        """Seconds of processor, and bytes of a stranger. Raises what is a finding."""
        target = self._target
        prepared = target.prepare(data)
        size = size_of(prepared)
        if self.count % MEMORY_EVERY == 0:
            self.watched += 1
            if measure.memory(target, prepared) > target.limit(prepared):
                self._confirm(data, size)
        started = time.thread_time()
        try:
            found = target.receive(prepared)
        except target.named:
            return time.thread_time() - started, size
        took = time.thread_time() - started
        target.check(found)
        return took, size

    def _confirm(self, data: bytes, size: int) -> None:
        """Alone, does it cost as much?"""
        file = self._home / "doubtful"
        file.write_bytes(data)
        took, taken = self._alone.measure(file)
        self.slowest = max(self.slowest, took)
        if took > SECONDS:
            self._note(data, "slow", f"{size} bytes took {took * 1000:.0f} ms of processor")
        if taken > TIMES * size + self._target.spare:
            self._note(data, "greedy", f"{size} bytes took {taken} bytes of memory")

    def _note(self, data: bytes, key: str, text: str) -> None:
        if key in self._found:
            return
        name = f"{self._target.name.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:10]}"
        self._saved.mkdir(parents=True, exist_ok=True)
        (self._saved / name).write_bytes(data)
        self._found[key] = {"key": key, "text": text, "file": name}
        print(f"FINDING in {self._target.name}: {key}\n{text}\nsaved as {self._saved / name}", file=sys.stderr)
        self.write()

    def write(self) -> None:
        """Put down what is known."""
        known = {"watched": self.watched, "slowest_ms": self.slowest * 1000, "findings": list(self._found.values())}
        new = self._home / "findings.new"
        new.write_text(json.dumps(known))
        new.replace(self._home / "findings.json")  # whole, whenever it is read


def _where(error: BaseException) -> str:
    """What tells one finding from another: the type, and the line that raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


def main(name: str, inputs: str, home: str, saved: str) -> None:
    """Fuzz one target."""
    warnings.simplefilter("ignore")  # of numpy, about numbers that are none
    logging.disable()
    target = by_name(name)
    corpus = Path(home) / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / f"seed-{hashlib.sha256(seed).hexdigest()[:12]}").write_bytes(seed)
    watch = Watch(target, Path(home), Path(saved))
    watch.write()
    flags = [f"-runs={inputs}", f"-max_len={LONGEST}", "-len_control=10", "-print_final_stats=1"]
    bounds = ["-timeout=300", "-rss_limit_mb=4096", f"-artifact_prefix={home}/"]
    atheris.Setup([sys.argv[0], *flags, *bounds, str(corpus)], watch.one)
    with contextlib.suppress(SystemExit):
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
