"""The invariants, over the journals of both sides. Pure: entries in, violations out.

once     no request is executed twice, whatever becomes of its reply (where a lost worker's run is replayed: by one env)
order    what an agent saw is what one env did, in order; what is missing was an error to the agent
ended    each open ends in an explicit end or error; each env is closed, or its process is dead
bounded  no wait takes longer than its bound
left     nothing is left behind: queues, processes, files, as the rig has looked for them
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.faults.journal import Entry

SLACK_S = 10.0
"""How much longer than its bound a wait may seem on a machine that does something else meanwhile."""


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold, and what shows it."""

    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}"


def check(entries: Iterable[Entry], slack_s: float = SLACK_S, *, replays: bool = False) -> list[Violation]:
    """All violations in the journals of one or more episodes. ``replays``: a lost worker's run may be done again."""
    episodes: dict[str, list[Entry]] = defaultdict(list)
    dead: set[int] = set()
    found: list[Violation] = []
    for entry in sorted(entries, key=lambda one: one.t):
        if entry.event == "died":
            dead.add(entry.pid)
        elif entry.event == "left":
            found.append(Violation("left", entry.text))
        else:
            episodes[entry.token].append(entry)
    for token, told in episodes.items():
        agent = [entry for entry in told if entry.side == "agent"]
        env = [entry for entry in told if entry.side == "env"]
        found += _once(token, env, replays=replays) + _order(token, agent, env) + _bounded(token, agent, dead, slack_s)
        found += _ended(token, agent, env, dead)
    return found


def _once(token: str, env: Sequence[Entry], *, replays: bool) -> list[Violation]:
    begun = Counter((entry.serial, entry.instance if replays else "") for entry in env if entry.event == "begin")
    return [
        Violation("once", f"{token}: request {serial} was executed {count} times")
        for (serial, _), count in begun.items()
        if count > 1
    ]


def _order(token: str, agent: Sequence[Entry], env: Sequence[Entry]) -> list[Violation]:
    saw = [(entry.serial, entry.digest) for entry in agent if entry.event == "saw"]
    if not saw:
        return []
    excused = {entry.serial for entry in agent if entry.event == "error"}
    histories: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for entry in env:
        if entry.event == "did":
            histories[entry.instance].append((entry.serial, entry.digest))
    wrong = [_differs(saw, did, excused) for did in histories.values()]
    if any(one is None for one in wrong):
        return []
    return [Violation("order", f"{token}: {'; '.join(filter(None, wrong)) or 'it saw what no env did'}")]


def _differs(saw: Sequence[tuple[int, int]], did: Sequence[tuple[int, int]], excused: set[int]) -> str | None:
    """How what the agent saw differs from what an env did; None: it does not."""
    done = iter(did)
    for serial, digest in saw:
        for at, result in done:
            if (at, result) == (serial, digest):
                break
            if at not in excused:
                return f"the agent saw ({serial}, {digest}) where the env did ({at}, {result})"
        else:
            return f"the agent saw ({serial}, {digest}), which the env had not done then"
    return None


def _bounded(token: str, agent: Sequence[Entry], dead: set[int], slack_s: float) -> list[Violation]:
    found = []
    for at, entry in enumerate(agent):
        if entry.event not in ("make", "ask") or entry.pid in dead:
            continue
        ends = ("opened", "error") if entry.event == "make" else ("saw", "error")
        answer = next((one for one in agent[at + 1 :] if one.event in ends and one.serial == entry.serial), None)
        what = f"{token}: {entry.event} {entry.serial}"
        if answer is None:
            found.append(Violation("bounded", f"{what} has never ended"))
        elif answer.t - entry.t > entry.bound_s + slack_s:
            took = answer.t - entry.t
            found.append(Violation("bounded", f"{what} took {took:.1f} s; its bound is {entry.bound_s:g} s"))
    return found


def _ended(token: str, agent: Sequence[Entry], env: Sequence[Entry], dead: set[int]) -> list[Violation]:
    found = []
    made = [entry for entry in agent if entry.event == "make" and entry.pid not in dead]
    if made and not any(entry.event in ("end", "error") and entry.t >= made[-1].t for entry in agent):
        found.append(Violation("ended", f"{token}: it has neither an end nor an error"))
    closed = {entry.instance for entry in env if entry.event == "closed"}
    found += [
        Violation("ended", f"{token}: env {entry.instance} in process {entry.pid} was never closed")
        for entry in env
        if entry.event == "made" and entry.instance not in closed and entry.pid not in dead
    ]
    return found
