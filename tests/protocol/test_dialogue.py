"""The two ends of a dialogue, against each other and against whoever breaks the rules. No broker, no clock."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.agent_dialogue import AgentDialogue, Stray
from protocol.codec import decode, encode
from protocol.env_dialogue import Answer, EnvDialogue
from protocol.errors import ErrorCode, Fault, LocalProtocolError, RemoteProtocolError
from protocol.messages import (
    OUTSIDE,
    Accepted,
    Act,
    Call,
    Close,
    Closed,
    Error,
    Frame,
    Make,
    Percept,
    Probe,
    Render,
    Reset,
    Result,
    Resume,
    Status,
    Working,
)
from protocol.rules import AGENT_SAYS, ENV_SAYS, TRANSITIONS, State
from tests.protocol.examples import AGENT, EPISODE, EXAMPLES, WORKER

REPLY = {Act: Percept, Reset: Percept, Render: Frame, Call: Result, Close: Closed}
FIELDS = {
    Percept: {"reward": 1.0, "terminated": False, "truncated": False, "info": {}, "observation": b""},
    Frame: {"frame": None},
    Result: {"value": 3},
    Closed: {},
    Reset: {"seed": 1},
    Act: {"action": 1},
    Render: {},
    Call: {"name": "x"},
    Close: {"reason": ""},
}


class Pair:
    """An agent and an env that talk without loss, unless a test keeps a message back."""

    def __init__(self, *, opened: bool = True) -> None:
        self.agent = AgentDialogue(EPISODE, AGENT)
        make = decode(self.agent.make("CartPole-v1"))
        assert isinstance(make, Make)
        self.env = EnvDialogue(make, WORKER)
        self.executed: list[object] = []
        if opened:
            self.agent.receive(self.env.reply(Status, content={}))

    def execute(self, body: bytes) -> bytes | None:
        """The env side's shell: execute what is new, answer what is not."""
        event = self.env.receive(body)
        if isinstance(event, Answer):
            return event.body
        if event is None or isinstance(event, Probe):
            return None
        self.executed.append(event)
        reply = REPLY[type(event)]
        return self.env.reply(reply, **FIELDS[reply])

    def do(self, kind, **fields):
        """A whole round trip."""
        return self.agent.receive(self.execute(self.agent.ask(kind, **(fields or FIELDS[kind]))))


def error_of(answer: object) -> Error:
    assert isinstance(answer, Answer)
    error = decode(answer.body)
    assert isinstance(error, Error)
    return error


def test_make_is_accepted_and_then_there_is_a_status():
    pair = Pair(opened=False)
    assert isinstance(pair.agent.receive(pair.env.accepted(60.0)), Accepted)
    assert pair.agent.pending is not None
    assert isinstance(pair.agent.receive(pair.env.reply(Status, content={"a": 1})), Status)
    assert (pair.agent.state, pair.env.state, pair.agent.worker) == (State.FRESH, State.FRESH, WORKER)


def test_requests_are_numbered_from_zero_and_replies_repeat_the_number():
    pair = Pair()
    assert [pair.do(kind).step_id for kind in (Reset, Act, Act, Render, Call, Close)] == [0, 1, 2, 3, 4, 5]
    assert pair.agent.state is pair.env.state is State.ENDED


@pytest.mark.parametrize("state", [State.FRESH, State.RUNNING, State.ENDED])
@pytest.mark.parametrize("kind", [Reset, Act, Render, Call, Close])
def test_what_the_table_does_not_list_is_refused_by_both_ends_and_changes_nothing(state, kind):
    pair = Pair()
    if state is not State.FRESH:
        pair.do(Reset)
    if state is State.ENDED:
        pair.do(Close)
    if kind in TRANSITIONS[state]:
        assert isinstance(pair.do(kind), REPLY[kind])
        return
    with pytest.raises(LocalProtocolError, match=kind.performative):
        pair.agent.ask(kind, **FIELDS[kind])
    assert (pair.agent.state, pair.agent.pending) == (state, None)
    step_id = len(pair.executed)
    answer = pair.env.receive(encode(kind(EPISODE, step_id, AGENT, **FIELDS[kind])))
    assert error_of(answer).code == ErrorCode.ILLEGAL.value
    assert (pair.env.state, len(pair.executed)) == (state, step_id)


def test_a_repeated_request_is_answered_from_the_last_reply_without_executing_it_again():
    pair = Pair()
    pair.do(Reset)
    body = pair.agent.ask(Act, action=1)
    first = pair.execute(body)
    assert pair.execute(pair.agent.repeat()) == first
    assert len(pair.executed) == 2
    assert isinstance(pair.agent.receive(first), Percept)
    assert pair.agent.receive(first) is None


@pytest.mark.parametrize("kind", [Act, Reset])
def test_a_reset_makes_void_what_the_env_side_has_not_answered_yet(kind):
    pair = Pair()
    pair.do(Reset)
    assert isinstance(pair.env.receive(pair.agent.ask(kind, **FIELDS[kind])), kind)
    newer = pair.agent.ask(Reset, seed=7)
    assert pair.env.receive(newer) == decode(newer)
    percept = pair.agent.receive(pair.env.reply(Percept, **FIELDS[Percept]))
    assert (type(percept), percept.step_id, pair.agent.pending) == (Percept, 2, None)


def test_nothing_but_a_reset_or_a_close_overtakes_what_is_not_answered_yet():
    pair = Pair()
    pair.do(Reset)
    body = pair.agent.ask(Act, action=1)
    pair.env.receive(body)
    for late in (body, encode(Act(EPISODE, 2, AGENT, action=2)), encode(Render(EPISODE, 2, AGENT))):
        assert pair.env.receive(late) is None
    assert isinstance(pair.env.receive(encode(Close(EPISODE, 2, AGENT))), Close)


def test_a_repeat_with_nan_in_it_is_a_repeat():
    pair = Pair()
    body = pair.agent.ask(Reset, seed=None, options={"x": float("nan")})
    assert pair.execute(body) == pair.execute(body)


def test_the_same_number_with_another_body_is_a_conflict_and_keeps_the_last_reply():
    pair = Pair()
    body = pair.agent.ask(Reset, seed=1)
    reply = pair.execute(body)
    error = error_of(pair.env.receive(encode(Reset(EPISODE, 0, AGENT, seed=2))))
    assert (error.code, error.fault) == (ErrorCode.STEP_CONFLICT.value, Fault.AGENT.value)
    assert pair.execute(body) == reply


@pytest.mark.parametrize(("step_id", "code"), [(0, ErrorCode.STEP_STALE), (5, ErrorCode.STEP_GAP)])
def test_an_older_step_is_stale_and_a_gap_is_refused(step_id, code):
    pair = Pair()
    pair.do(Reset)
    pair.do(Act)
    error = error_of(pair.env.receive(encode(Act(EPISODE, step_id, AGENT, action=1))))
    assert (error.code, error.step_id) == (code.value, step_id)
    assert isinstance(pair.do(Act), Percept)


def test_an_error_consumes_its_step_id():
    pair = Pair()
    pair.do(Reset)
    pair.env.receive(pair.agent.ask(Act, action=9))
    error = pair.agent.receive(pair.env.fail(ErrorCode.BAD_ACTION, "expected 0..1, got 9", Fault.AGENT))
    assert isinstance(error, Error)
    assert pair.do(Act).step_id == 2


def test_an_act_that_was_illegal_consumes_its_step_id():
    pair = Pair()
    error_of(pair.env.receive(encode(Act(EPISODE, 0, AGENT, action=1))))
    assert isinstance(pair.env.receive(encode(Reset(EPISODE, 1, AGENT))), Reset)


def test_a_failed_reset_leaves_no_run():
    pair = Pair()
    pair.do(Reset)
    pair.env.receive(pair.agent.ask(Reset))
    pair.agent.receive(pair.env.fail(ErrorCode.ENV_ERROR, "boom", Fault.ENV))
    assert pair.agent.state is pair.env.state is State.FRESH


def test_after_a_timeout_only_waiting_reset_and_close_are_legal():
    pair = Pair()
    pair.do(Reset)
    overdue = pair.agent.ask(Act, action=1)
    for kind in (Act, Render, Call):
        with pytest.raises(LocalProtocolError, match="act \\(step 1\\) has no reply"):
            pair.agent.ask(kind, **FIELDS[kind])
    reset = pair.agent.ask(Reset, seed=3)
    assert pair.agent.receive(pair.execute(overdue)) is None
    assert pair.agent.ignored == {"an older step": 1}
    assert isinstance(pair.agent.receive(pair.execute(reset)), Percept)


def test_a_reset_may_skip_a_request_that_never_came():
    pair = Pair()
    pair.do(Reset)
    lost = pair.agent.ask(Act, action=1)
    reset = pair.agent.ask(Reset, seed=3)
    assert isinstance(pair.agent.receive(pair.execute(reset)), Percept)
    assert error_of(pair.env.receive(lost)).code == ErrorCode.STEP_STALE.value
    assert pair.do(Act).step_id == 3


def test_malformed_bytes_are_answered_and_consume_nothing():
    pair = Pair()
    pair.do(Reset)
    body = pair.agent.ask(Act, action=1)
    error = error_of(pair.env.receive(body[:-1]))
    assert (error.code, error.step_id) == (ErrorCode.MALFORMED.value, OUTSIDE)
    assert isinstance(pair.agent.receive(encode(error)), Error)
    assert pair.do(Act).step_id == 1


def test_another_version_is_answered():
    pair = Pair()
    error = error_of(pair.env.receive(msgpack.packb([7, "act", EPISODE, 0, AGENT, 1])))
    assert error.code == ErrorCode.UNSUPPORTED_VERSION.value
    assert "7" in error.text


@pytest.mark.parametrize("kind", sorted(ENV_SAYS - AGENT_SAYS, key=lambda kind: kind.performative))
def test_an_agent_can_not_speak_the_env_s_part(kind):
    said = next(message for message in EXAMPLES.values() if type(message) is kind)
    pair = Pair()
    error = error_of(pair.env.receive(encode(replace(said, incarnation=AGENT))))
    assert error.code == ErrorCode.ILLEGAL.value
    assert pair.executed == []


@pytest.mark.parametrize("kind", sorted(AGENT_SAYS - ENV_SAYS, key=lambda kind: kind.performative))
def test_an_env_can_not_speak_the_agent_s_part(kind):
    fields = {Make: {"env_id": "E", "versions": [1]}}.get(kind) or FIELDS[kind]
    with pytest.raises(RemoteProtocolError, match=kind.performative):
        Pair().agent.receive(encode(kind(EPISODE, 0, WORKER, **fields)))


def test_a_reply_of_the_wrong_kind_or_of_the_future_is_the_env_s_fault():
    pair = Pair()
    pair.agent.ask(Reset)
    with pytest.raises(RemoteProtocolError, match="frame is no reply to reset"):
        pair.agent.receive(encode(Frame(EPISODE, 0, WORKER, None)))
    with pytest.raises(RemoteProtocolError, match="step 1"):
        pair.agent.receive(encode(Percept(EPISODE, 1, WORKER, **FIELDS[Percept])))
    assert pair.agent.pending is not None


def test_what_another_incarnation_or_episode_says_is_dropped_and_counted():
    pair = Pair()
    pair.agent.ask(Reset)
    assert pair.agent.receive(encode(Percept(EPISODE, 0, "c" * 16, **FIELDS[Percept]))) is None
    assert pair.agent.receive(encode(Percept("f" * 32, 0, WORKER, **FIELDS[Percept]))) is None
    assert pair.agent.ignored == {"another incarnation": 1, "another episode": 1}
    assert pair.env.receive(encode(Reset(EPISODE, 0, "c" * 16))) is None
    assert pair.env.receive(encode(Reset("f" * 32, 0, AGENT))) is None
    assert pair.env.ignored == {"another incarnation": 1, "another episode": 1}


def test_the_first_status_wins_and_the_loser_is_dismissed():
    pair = Pair()
    stray = pair.agent.receive(encode(Status(EPISODE, OUTSIDE, "c" * 16, {})))
    assert stray == Stray("c" * 16)
    loser = EnvDialogue(Make(EPISODE, OUTSIDE, AGENT, "CartPole-v1", [1]), "c" * 16)
    loser.reply(Status, content={})
    assert isinstance(loser.receive(pair.agent.dismiss()), Close)


def test_an_error_that_ends_is_heard_at_any_time():
    pair = Pair()
    pair.do(Reset)
    error = pair.agent.receive(pair.env.fail(ErrorCode.DRAINING, "going", Fault.WORKER, retry=True, ends=True))
    assert isinstance(error, Error)
    assert pair.agent.state is pair.env.state is State.ENDED
    with pytest.raises(LocalProtocolError):
        pair.agent.ask(Act, action=1)


def test_close_is_legal_while_a_request_is_pending_and_is_answered_again():
    pair = Pair()
    pair.do(Reset)
    pair.agent.ask(Act, action=1)  # lost on the way
    body = pair.agent.ask(Close, reason="had enough")
    closed = pair.execute(body)
    assert isinstance(pair.agent.receive(closed), Closed)
    assert pair.execute(body) == closed


def test_a_probe_is_answered_by_working():
    pair = Pair()
    assert isinstance(pair.env.receive(pair.agent.probe()), Probe)
    assert isinstance(pair.agent.receive(pair.env.working(0.0)), Working)
    assert pair.agent.receive(pair.env.probe()) is None


@settings(max_examples=300)
@given(st.data())
def test_no_schedule_of_losses_repeats_and_reorderings_steps_twice_or_shows_a_wrong_reply(data):
    pair = Pair()
    to_env: list[bytes] = []
    to_agent: list[bytes] = []
    asked: list[int] = []
    answered: list[int] = []
    for _ in range(data.draw(st.integers(1, 40))):
        choice = data.draw(st.sampled_from(["ask", "repeat", "env", "agent", "drop", "copy", "resume", "move"]))
        if choice == "ask" and (pair.agent.pending is None or data.draw(st.booleans())):
            legal = [kind for kind in (Reset, Act, Render, Call) if kind in TRANSITIONS[pair.agent.state]]
            kind = Reset if pair.agent.pending is not None else data.draw(st.sampled_from(legal))
            to_env.append(pair.agent.ask(kind, **FIELDS[kind]))
            assert pair.agent.pending is not None
            asked.append(pair.agent.pending.step_id)
        elif choice == "repeat" and pair.agent.pending is not None:
            to_env.append(pair.agent.repeat())
        elif choice == "env" and to_env:
            reply = pair.execute(to_env.pop(data.draw(st.integers(0, len(to_env) - 1))))
            if reply is not None:
                to_agent.append(reply)
        elif choice == "agent" and to_agent:
            pending = pair.agent.pending
            got = pair.agent.receive(to_agent.pop(data.draw(st.integers(0, len(to_agent) - 1))))
            if got is not None and not isinstance(got, (Resume, Working)):
                assert pending is not None
                assert got.step_id == pending.step_id
                assert isinstance(got, (REPLY[type(pending)], Error))
                answered.append(got.step_id)
        elif choice == "drop" and (to_env or to_agent):
            (to_env or to_agent).pop()
        elif choice == "copy" and to_env + to_agent:
            line = to_env or to_agent
            line.append(line[data.draw(st.integers(0, len(line) - 1))])
        elif choice == "resume":
            to_env.append(pair.agent.reconnect(f"{data.draw(st.integers(0, 2**64 - 1)):016x}"))
        elif choice == "move":
            to_agent.append(pair.env.reconnect(f"{data.draw(st.integers(0, 2**64 - 1)):016x}"))
    executed = [request.step_id for request in pair.executed]
    assert executed == sorted(set(executed)), "a step was executed twice or out of order"
    assert answered == sorted(set(answered)), "a reply was shown twice or out of order"
    assert set(answered) <= set(asked)
