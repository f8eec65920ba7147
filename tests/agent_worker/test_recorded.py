"""What is kept of an episode so that another worker can be asked the same. No broker, no clock."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest

from agent_worker.recorded import (
    DONE,
    UNKNOWN,
    UNSEEDED,
    RecordedDialogue,
    ReplayLog,
    digest_of,
    is_seeded,
)
from protocol.codec import decode, encode
from protocol.messages import OUTSIDE, Act, Call, Close, Deflated, Error, Frame, Percept, Render, Reset, Result, Status
from protocol.tail import LONG
from tests.protocol.examples import AGENT, EPISODE, WORKER

OTHER = "f" * 16


def percept(step_id=0, incarnation=WORKER, episode=EPISODE, **fields):
    """A percept's bytes."""
    given = {"reward": 1.0, "terminated": False, "truncated": False, "info": {}, "observation": b"\1", **fields}
    return encode(Percept(episode, step_id, incarnation, **given))


class Opened:
    """A dialogue whose env is there, and its worker."""

    def __init__(self, limit=100, *, runs=True):
        self.log = ReplayLog(limit, runs=runs)
        self.dialogue = RecordedDialogue(EPISODE, AGENT, self.log)
        self.dialogue.make("CartPole-v1")
        self.dialogue.receive(encode(Status(EPISODE, OUTSIDE, WORKER, {})))

    def ask(self, kind, reply=None, **fields):
        """Ask, and have it answered by ``reply``, or by a percept or result."""
        request = decode(self.dialogue.ask(kind, **fields))
        if reply is None:
            body = percept(request.step_id, observation=f"{request}".encode())
            reply = encode(Result(EPISODE, request.step_id, WORKER, 1)) if kind is Call else body
        self.dialogue.receive(reply)
        return request

    def fail(self, kind, **fields):
        """Ask, and have it refused."""
        request = decode(self.dialogue.ask(kind, **fields))
        error = Error(EPISODE, request.step_id, WORKER, "env_error", "no", "env", retry=False, ends=False)
        self.dialogue.receive(encode(error))

    def kept(self, *, run=True):
        """What is kept, in short."""
        found = []
        for body, _ in self.log.replay(run=run):
            message = decode(body)
            found.append(getattr(message, "name", message.performative))
        return found


def test_a_digest_is_that_of_what_is_perceived_and_not_of_who_says_it():
    body = percept()
    others = [percept(5), percept(2**40), percept(incarnation=OTHER), percept(episode="e" * 32)]
    assert {digest_of(other, decode(other).incarnation) for other in others} == {digest_of(body, WORKER)}


def test_it_makes_no_difference_to_the_digest_how_well_a_percept_was_deflated():
    body = percept(observation=bytes(5000))
    deflated = [encode(Deflated(EPISODE, 0, WORKER, len(body), zlib.compress(body, level))) for level in (1, 9)]
    assert len(set(deflated)) == 2
    assert {digest_of(one, WORKER) for one in deflated} == {digest_of(body, WORKER)}


def test_what_a_user_writes_into_a_long_observation_does_not_change_what_is_kept_of_it():
    opened = Opened()
    said = Percept(EPISODE, 0, WORKER, 1.0, False, False, {}, [2, bytes(2 * LONG)])
    opened.ask(Reset)
    opened.dialogue.ask(Act, action=1)
    heard = opened.dialogue.receive(bytearray(encode(replace(said, step_id=1))))
    heard.observation[1][:] = b"\1" * (2 * LONG)
    assert opened.dialogue.last == replace(said, step_id=1)


@pytest.mark.parametrize(
    "change",
    [
        {"reward": 1.0 + 2**-52}, {"terminated": True}, {"truncated": True}, {"info": {"a": 1}},
        {"observation": b"\2"}, {"observation": [b"\1"]}, {"reward": -0.0}, {"info": {"a": np.float32(1)}},
    ],
)  # fmt: skip
def test_any_difference_in_a_percept_gives_another_digest(change):
    assert digest_of(percept(**change), WORKER) != digest_of(percept(), WORKER)


@pytest.mark.parametrize(
    ("seed", "mask", "expected"),
    [
        (0, None, True), (None, None, False), ([1, 2], None, True), ([1, None], None, False),
        ([None, None], None, False), (3, b"\1\1", True), (3, b"\1\0", False), ([1, 2], b"\0\1", False),
    ],
)  # fmt: skip
def test_a_run_is_repeatable_from_a_reset_of_all_lanes_that_all_have_a_seed(seed, mask, expected):
    assert is_seeded(seed, mask) is expected


def test_from_a_seeded_reset_on_all_is_kept_and_the_next_one_begins_anew():
    one = Opened()
    one.ask(Reset, seed=1)
    one.ask(Act, action=1)
    one.ask(Render, reply=encode(Frame(EPISODE, 2, WORKER, None)))
    one.ask(Reset)
    one.ask(Call, name="push")
    one.ask(Call, name="get:height")
    one.ask(Act, action=2)
    assert one.kept() == ["reset", "act", "reset", "push", "act"]
    assert one.kept(run=False) == []
    one.ask(Reset, seed=2)
    assert one.kept() == ["reset"]
    assert not one.log.why_not


def test_each_request_is_kept_as_it_was_sent_with_the_digest_of_its_percept():
    one = Opened()
    one.ask(Reset, seed=1, options={"level": np.arange(3)})
    one.ask(Act, action=[b"\1\2", 3])
    (reset, first), (act, second) = one.log.replay(run=True)
    assert (decode(reset).options["level"].tolist(), decode(act).action) == ([0, 1, 2], [b"\1\2", 3])
    assert UNKNOWN not in (first, second)
    assert first != second == one.log.last_digest


def test_what_is_set_or_called_before_the_first_reset_and_what_is_set_later_outlives_seeded_resets():
    one = Opened()
    one.ask(Call, name="configure")
    one.ask(Call, name="set:gain", args=[1])
    one.ask(Reset, seed=1)
    one.ask(Call, name="set:gain", args=[2])
    one.ask(Call, name="push")
    one.ask(Call, name="set:gain", args=[3])
    one.ask(Call, name="set:gain", args=[[0], [4]])  # as of lanes: another place
    assert one.kept() == ["configure", "set:gain", "reset", "set:gain", "push", "set:gain", "set:gain"]
    one.ask(Reset, seed=2)
    assert one.kept() == ["configure", "set:gain", "set:gain", "set:gain", "reset"]
    assert [decode(body).args for body, _ in one.log.replay(run=False)] == [[], [1], [3], [[0], [4]]]
    assert {digest for _, digest in one.log.replay(run=False)} == {DONE}


def test_without_runs_only_what_was_set_is_kept():
    one = Opened(runs=False)
    one.ask(Reset, seed=1)
    one.ask(Act, action=1)
    one.ask(Call, name="push")
    one.ask(Call, name="set:gain", args=[1])
    assert one.kept() == ["set:gain"]


def test_what_has_failed_is_asked_again_within_a_run_and_left_out_of_what_outlives_it():
    one = Opened()
    one.ask(Reset, seed=1)
    one.fail(Act, action=1)
    one.fail(Call, name="set:gain", args=[1])
    assert one.kept() == ["reset", "act", "set:gain"]
    assert len({digest for _, digest in one.log.replay(run=True)} - {UNKNOWN, DONE}) == 2
    assert one.kept(run=False) == []


def test_what_has_no_reply_is_not_replayed_as_it_is_asked_by_its_user():
    one = Opened()
    one.ask(Reset, seed=1)
    one.dialogue.ask(Act, action=1)
    assert one.kept() == ["reset"]
    assert one.dialogue.asked == (Act, {"action": 1})
    one.dialogue.ask(Reset, seed=None)  # it overtakes the act, which the worker executes all the same
    assert one.kept() == ["reset", "act"]
    assert [digest == UNKNOWN for _, digest in one.log.replay(run=True)] == [False, True]


def test_what_a_user_writes_into_what_he_has_asked_with_is_not_asked_elsewhere():
    one, level = Opened(), np.zeros(2)
    one.dialogue.ask(Reset, seed=1, options={"level": level})
    level[:] = 7.0
    kind, fields = one.dialogue.asked
    assert (kind, fields["seed"], fields["options"]["level"].tolist()) == (Reset, 1, [0.0, 0.0])


def test_a_seeded_reset_that_has_no_reply_makes_void_what_was_before_it():
    one = Opened()
    one.ask(Reset)
    assert one.log.why_not == UNSEEDED
    one.dialogue.ask(Reset, seed=1)
    assert (one.kept(), one.log.why_not) == ([], "")


def test_the_end_of_an_episode_is_no_reply():
    one = Opened()
    one.ask(Reset, seed=1)
    one.dialogue.ask(Act, action=1)
    end = Error(EPISODE, OUTSIDE, WORKER, "draining", "", "worker", retry=True, ends=True)
    assert one.dialogue.receive(encode(end)) == end
    assert (one.kept(), one.dialogue.asked) == (["reset"], (Act, {"action": 1}))


def test_unseeded_or_beyond_the_limit_it_says_why_until_the_next_seed():
    one = Opened(limit=3)
    assert not one.log.why_not
    one.ask(Reset)
    one.ask(Act, action=1)
    assert (one.log.why_not, one.log.is_full, len(one.log)) == (UNSEEDED, False, 0)
    one.ask(Reset, seed=1)
    for _ in range(2):
        one.ask(Act, action=1)
    assert (one.log.why_not, len(one.log)) == ("", 3)
    one.ask(Act, action=1)
    assert "more than replay_limit=3 requests" in one.log.why_not
    assert (one.log.is_full, len(one.log), one.kept()) == (True, 0, [])
    one.ask(Reset)
    assert one.log.is_full
    one.ask(Reset, seed=2)
    assert (one.log.why_not, one.kept()) == ("", ["reset"])


def test_the_last_percept_is_that_of_the_run_that_there_is():
    one = Opened()
    assert one.dialogue.last is None
    one.ask(Reset, seed=1)
    one.ask(Act, action=1)
    assert one.dialogue.last is not None
    one.fail(Reset)
    assert one.dialogue.last is None
    one.dialogue.ask(Close, reason="")


def test_it_keeps_no_more_than_its_docstring_says():
    one = Opened(limit=1000)
    one.ask(Reset, seed=1)
    for _ in range(999):
        one.ask(Act, action=1)
    bodies = sum(body.__sizeof__() for body, _ in one.log.replay(run=True))
    assert bodies / 1000 + 8 + 8 < 150
