"""An agent under test: it does what a line of JSON on its standard input says, and answers with one on its output.

Each command has a ``token``, the name of an episode. ``open``, ``reset``, ``step``, ``close``, and ``steps`` (so many,
one every ``pace_s``) run in a thread of the episode: the commands of one do not wait for those of another.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from agent_worker import RemoteEnv
from tests.faults.envs import payload
from tests.faults.journal import FOLDER, Journal

GRACE_S = 10.0
"""What a wait may take beyond its time-out: a queue to declare on a connection that has just come back, and closing."""


class Player(threading.Thread):
    """Plays one episode. Its commands come through ``commands``; None ends it."""

    def __init__(self, token: str, journal: Journal, say: Any) -> None:
        super().__init__(daemon=True)
        self.token, self._journal, self._say = token, journal, say
        self.commands: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._serial = 0
        self._env: RemoteEnv
        self._step_timeout = 0.0

    def run(self) -> None:
        while (command := self.commands.get()) is not None:
            started = time.monotonic()
            answer: dict[str, Any] = {"token": self.token, "did": command["do"]}
            try:
                getattr(self, command.pop("do"))(**command)
            except Exception as error:  # noqa: BLE001 - it is told, whatever it is
                answer.update(error=type(error).__name__, text=str(error))
            now = time.monotonic()
            self._say({**answer, "serial": self._serial, "took_s": now - started, "at": now})

    def open(self, env_id: str, broker: str, kwargs: dict[str, Any], **timeouts: Any) -> None:
        """Open the episode."""
        self._step_timeout = timeouts["step_timeout"]
        bound = timeouts["make_timeout"] + GRACE_S
        self._journal.write("make", self.token, bound_s=bound)
        self._env = RemoteEnv(env_id, broker, token=self.token, **kwargs, **timeouts)
        try:
            self._env.open()
        except BaseException as error:
            self._journal.write("error", self.token, text=repr(error))
            raise
        self._journal.write("opened", self.token)

    def reset(self) -> None:
        """One reset."""
        self._ask(lambda serial: self._env.reset(seed=1, options={"serial": serial})[0])

    def step(self) -> None:
        """One step."""
        self._ask(lambda serial: self._env.step(np.array([serial]))[0])

    def steps(self, count: int, pace_s: float = 0.0) -> None:
        """So many steps."""
        for _ in range(count):
            self.step()
            time.sleep(pace_s)

    def whole(self, count: int, pace_s: float, **fields: Any) -> None:
        """An episode from its open to its end."""
        self.open(**fields)
        self.reset()
        self.steps(count, pace_s)
        self.close()

    def close(self) -> None:
        """End the episode."""
        self._env.close()
        self._journal.write("end", self.token)

    def _ask(self, request: Any) -> None:
        serial = self._serial
        self._serial += 1
        self._journal.write("ask", self.token, serial=serial, bound_s=self._step_timeout + GRACE_S)
        try:
            observation = request(serial)
        except BaseException as error:
            self._journal.write("error", self.token, serial=serial, text=repr(error))
            raise
        digest = int(observation[1])
        intact = np.array_equal(observation[2:], payload(digest, len(observation) - 2))
        # A payload that does not follow from its digest is no percept of the env: the checker finds no such digest.
        self._journal.write("saw", self.token, serial=int(observation[0]), digest=digest if intact else -1)


def main() -> None:
    """Hear and obey until the end of standard input."""
    journal, turn = Journal(Path(os.environ[FOLDER]), "agent"), threading.Lock()
    players: dict[str, Player] = {}

    def say(answer: dict[str, Any]) -> None:
        with turn:
            print(json.dumps(answer), flush=True)

    say({"ready": os.getpid()})
    for line in sys.stdin:
        command = json.loads(line)
        token = command.pop("token")
        if token not in players:
            players[token] = Player(token, journal, say)
            players[token].start()
        players[token].commands.put(command)


if __name__ == "__main__":
    main()
