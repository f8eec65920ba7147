"""How the two ends of a dialogue find each other again when the connection of one broke, or of both, or many times."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.agent_dialogue import MOST_FORMER, Stray
from protocol.codec import encode
from protocol.env_dialogue import Answer
from protocol.errors import ErrorCode, Fault
from protocol.messages import Act, Percept, Probe, Reset, Resume, Status, Working
from protocol.rules import State
from tests.protocol.examples import AGENT, EPISODE, WORKER
from tests.protocol.test_dialogue import FIELDS, REPLY, Pair


def test_an_agent_that_comes_back_resumes_and_asks_again():
    pair = Pair()
    pair.do(Reset)
    lost_reply = pair.execute(pair.agent.ask(Act, action=1))
    answer = pair.env.receive(pair.agent.reconnect("d" * 16))
    assert isinstance(answer, Answer)
    assert isinstance(pair.agent.receive(answer.body), Resume)
    assert pair.env.agent == "d" * 16
    assert pair.execute(pair.agent.repeat()) == lost_reply
    assert isinstance(pair.agent.receive(lost_reply), Percept)
    assert len(pair.executed) == 2
    assert pair.env.receive(encode(Act(EPISODE, 2, AGENT, action=1))) is None


def test_an_env_that_comes_back_resumes_and_answers_under_its_new_incarnation():
    pair = Pair()
    pair.do(Reset)
    pair.execute(pair.agent.ask(Act, action=1))
    assert isinstance(pair.agent.receive(pair.env.reconnect("e" * 16)), Resume)
    assert pair.agent.worker == "e" * 16
    reply = pair.agent.receive(pair.execute(pair.agent.repeat()))
    assert isinstance(reply, Percept)
    assert reply.incarnation == "e" * 16
    assert len(pair.executed) == 2


@pytest.mark.parametrize("heard", [True, False])
def test_an_env_that_comes_back_says_its_status_again_to_an_agent_that_may_not_have_it(heard):
    pair = Pair(opened=False)
    status = pair.env.reply(Status, content={"a": 1})
    if heard:
        pair.agent.receive(status)
        body = pair.agent.ask(Reset)  # it goes to a queue that is gone
    pair.agent.receive(pair.env.reconnect("e" * 16))
    again = pair.agent.receive(pair.env.first_reply_again())
    if not heard:
        assert (again.content, pair.agent.worker, pair.agent.pending) == ({"a": 1}, "e" * 16, None)
        body = pair.agent.ask(Reset)
    else:
        assert again is None
        assert isinstance(pair.agent.pending, Reset)
    assert isinstance(pair.agent.receive(pair.execute(body)), Percept)
    assert pair.env.first_reply_again() is None


@pytest.mark.parametrize("built", ["before", "meanwhile"])
@pytest.mark.parametrize("breaks", [1, 2, 5])
def test_an_env_whose_connection_breaks_again_before_the_first_request_stays_the_agent_s(built, breaks):
    pair = Pair(opened=False)
    if built == "before":
        pair.env.reply(Status, content={})  # lost
    pair.agent.receive(pair.env.reconnect("0" * 16))
    status = pair.env.first_reply_again() if built == "before" else pair.env.reply(Status, content={})
    assert isinstance(pair.agent.receive(status), Status)
    for number in range(1, 1 + breaks):
        assert isinstance(pair.agent.receive(pair.env.reconnect(f"{number}" * 16)), Resume)
        assert pair.agent.receive(pair.env.first_reply_again()) is None
    pair.do(Reset)
    assert pair.agent.state is State.RUNNING


def test_of_an_episode_that_has_ended_before_its_first_request_the_end_is_said_again():
    pair = Pair(opened=False)
    pair.env.reply(Status, content={})
    pair.env.fail(ErrorCode.IDLE_TIMEOUT, "too late", Fault.AGENT, ends=True)  # both are lost
    pair.agent.receive(pair.env.reconnect("e" * 16))
    error = pair.agent.receive(pair.env.first_reply_again())
    assert (error.code, error.ends, error.incarnation) == ("idle_timeout", True, "e" * 16)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(["build", "hear", 0, 1, 2, 3]), max_size=20))
def test_however_often_its_connection_breaks_before_the_first_request_an_env_is_the_agent_s(schedule):
    """A number: the connection breaks, and with it so many of the words that were said last on it are lost."""
    pair, names, built = Pair(opened=False), iter(range(100)), False
    told: list[bytes] = []
    on_this = 0

    def say(*words):
        nonlocal on_this
        told.extend(word for word in words if word is not None)
        on_this += sum(word is not None for word in words)

    for choice in [*schedule, "build"]:
        if choice == "build" and not built:
            built = True
            say(pair.env.reply(Status, content={}))
        elif choice == "hear" and told:
            assert not isinstance(pair.agent.receive(told.pop(0)), Stray)
        elif isinstance(choice, int):
            lost = min(choice, on_this, len(told))
            del told[len(told) - lost :]
            on_this = 0
            say(pair.env.reconnect(f"{next(names):016x}"), pair.env.first_reply_again())
    for word in told:
        assert not isinstance(pair.agent.receive(word), Stray)
    pair.do(Reset)
    assert (pair.agent.state, pair.env.state) == (State.RUNNING, State.RUNNING)


def test_an_env_that_is_not_made_yet_has_no_status_to_say_again():
    pair = Pair(opened=False)
    pair.env.reconnect("e" * 16)
    assert pair.env.first_reply_again() is None
    assert pair.agent.receive(pair.env.reply(Status, content={})).incarnation == "e" * 16


def test_both_may_come_back_at_once_and_neither_hear_the_other_s_first_resume():
    pair = Pair()
    pair.do(Reset)
    body = pair.agent.ask(Act, action=1)
    pair.execute(body)
    pair.env.reconnect("e" * 16)  # lost: the agent is not there
    pair.env.reconnect("f" * 16)  # lost, too
    answer = pair.env.receive(pair.agent.reconnect("d" * 16))
    assert isinstance(answer, Answer)
    assert isinstance(pair.agent.receive(answer.body), Resume)
    assert pair.agent.worker == "f" * 16
    assert pair.agent.unheard is not None
    answer = pair.env.receive(pair.agent.unheard)
    assert isinstance(answer, Answer)
    assert isinstance(pair.agent.receive(answer.body), Resume)
    assert pair.agent.unheard is None
    assert isinstance(pair.agent.receive(pair.execute(pair.agent.repeat())), Percept)
    assert len(pair.executed) == 2


def test_a_resume_that_was_lost_while_both_were_away_is_said_again():
    pair = Pair()
    pair.do(Reset)
    pair.agent.ask(Act, action=1)
    pair.agent.reconnect("d" * 16)  # returned: the env side is away
    assert isinstance(pair.agent.receive(pair.env.reconnect("e" * 16)), Resume)
    assert pair.agent.unheard is not None
    answer = pair.env.receive(pair.agent.unheard)
    assert isinstance(answer, Answer)
    assert isinstance(pair.agent.receive(answer.body), Resume)
    assert pair.agent.unheard is None
    assert isinstance(pair.agent.receive(pair.execute(pair.agent.repeat())), Percept)


@pytest.mark.parametrize("heard", [False, True])
def test_an_agent_whose_connection_breaks_again_is_known_whether_its_first_resume_was_heard_or_not(heard):
    pair = Pair()
    pair.do(Reset)
    pair.agent.ask(Act, action=1)
    first = pair.agent.reconnect("c" * 16)
    if heard:
        pair.env.receive(first)  # its answer is lost
    pair.agent.reconnect("d" * 16)
    answers = [answer for body in pair.agent.resumes() if isinstance(answer := pair.env.receive(body), Answer)]
    assert pair.env.agent == "d" * 16
    assert all(isinstance(pair.agent.receive(answer.body), Resume) for answer in answers)
    assert pair.agent.resumes() == []
    assert isinstance(pair.agent.receive(pair.execute(pair.agent.repeat())), Percept)
    pair.agent.reconnect("e" * 16)
    assert len(pair.agent.resumes()) == 1


def test_an_env_side_may_come_back_twice_while_its_agent_says_nothing():
    pair = Pair()
    pair.do(Reset)
    words = [pair.env.reconnect("e" * 16), pair.env.reconnect("f" * 16)]
    for word in words:
        assert isinstance(pair.agent.receive(word), Resume)
    assert pair.agent.worker == "f" * 16
    assert pair.agent.receive(words[0]) is None, "a name that was left behind does not come back"
    assert isinstance(pair.agent.receive(pair.execute(pair.agent.ask(Act, action=1))), Percept)


@pytest.mark.parametrize("breaks", [12, 200])
def test_an_env_side_may_come_back_any_number_of_times_while_its_agent_says_nothing(breaks):
    pair = Pair()
    for turn in range(3):
        pair.do(Reset)
        for number in range(breaks):
            assert isinstance(pair.agent.receive(pair.env.reconnect(f"{turn * breaks + number:016x}")), Resume)
    assert isinstance(pair.agent.receive(pair.execute(pair.agent.ask(Act, action=1))), Percept)


@pytest.mark.parametrize("breaks", [12, 200])
def test_an_agent_may_come_back_any_number_of_times_while_its_env_side_is_away(breaks):
    pair = Pair()
    pair.do(Reset)
    pair.agent.ask(Act, action=1)
    for number in range(breaks):
        pair.agent.reconnect(f"{number:016x}")
    for body in pair.agent.resumes():
        answer = pair.env.receive(body)
        if isinstance(answer, Answer):
            pair.agent.receive(answer.body)
    assert pair.agent.unheard is None
    assert isinstance(pair.agent.receive(pair.execute(pair.agent.repeat())), Percept)
    assert len(pair.executed) == 2


def test_a_resume_of_the_env_side_that_came_twice_is_no_proof_that_ours_was_heard():
    pair = Pair()
    pair.do(Reset)
    pair.agent.ask(Act, action=1)  # lost, as all that the agent says next
    pair.agent.reconnect("d" * 16)
    word = pair.env.reconnect("e" * 16)
    for _ in range(2):
        assert isinstance(pair.agent.receive(word), Resume)
    assert pair.execute(pair.agent.repeat()) is None, "the env side knows the agent by another name"
    assert wait(pair) == 1
    assert pair.agent.remind() == [pair.agent.probe()]


def wait(pair: Pair) -> int:
    """What a shell does while it waits, on a line that loses nothing any more; the number of the reply."""
    to_env = pair.agent.remind()
    while to_env:
        event = pair.env.receive(to_env.pop(0))
        if isinstance(event, Answer):
            said = event.body
        elif isinstance(event, Probe):
            said = pair.env.working(0.0)
        elif event is None:
            continue
        else:
            pair.executed.append(event)
            said = pair.env.reply(REPLY[type(event)], **FIELDS[REPLY[type(event)]])
        heard = pair.agent.receive(said)
        if isinstance(heard, Resume):
            to_env += pair.agent.resumes()
        if isinstance(heard, (Resume, Working)) and pair.agent.unheard is None and pair.agent.pending is not None:
            to_env.append(pair.agent.repeat())
        elif isinstance(heard, tuple(REPLY.values())):
            return heard.step_id
    raise AssertionError("the agent waits for ever")


def test_a_resume_of_a_stranger_takes_nothing_over():
    pair = Pair()
    assert pair.env.receive(encode(Resume(EPISODE, 0, "d" * 16, "c" * 16))) is None
    assert pair.agent.receive(encode(Resume(EPISODE, 0, "d" * 16, "c" * 16))) is None
    assert (pair.env.agent, pair.agent.worker) == (AGENT, WORKER)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(["env", "agent", "drop", "copy", "resume", "move", "repeat"]), max_size=30))
def test_whatever_was_lost_or_came_twice_the_agent_gets_its_reply_when_nothing_is_lost_any_more(schedule):
    pair, names = Pair(), iter(range(100))
    pair.do(Reset)
    to_env = [(pair.agent.worker, pair.agent.ask(Act, action=1))]
    """With the worker that each is addressed to; None: whoever it is now."""
    to_agent: list[bytes] = []
    for choice in schedule:
        if choice == "env" and to_env:
            worker, body = to_env.pop(0)
            said = pair.execute(body) if worker in (None, pair.env.incarnation) else None
            to_agent += [] if said is None else [said]
        elif choice == "agent" and to_agent:
            if isinstance(pair.agent.receive(to_agent.pop(0)), Resume):
                to_env += [(pair.agent.worker, resume) for resume in pair.agent.resumes()]
        elif choice == "drop" and to_env and to_env[-1][0] is not None:
            to_env.pop()
        elif choice == "copy" and to_agent:
            to_agent.append(to_agent[0])
        elif choice == "resume":  # with a connection its queue is gone
            pair.agent.reconnect(f"{next(names):016x}")
            to_agent, to_env = [], to_env + [(None, resume) for resume in pair.agent.resumes()]
        elif choice == "move":
            to_env = []
            to_agent.append(pair.env.reconnect(f"{next(names):016x}"))
        elif choice == "repeat" and pair.agent.pending is not None:
            to_env.append((pair.agent.worker, pair.agent.repeat()))
    for body in to_agent:
        pair.agent.receive(body)
    for worker, body in to_env:
        said = pair.execute(body) if worker in (None, pair.env.incarnation) else None
        if said is not None:
            pair.agent.receive(said)
    assert pair.agent.pending is None or wait(pair) == 1
    assert [request.step_id for request in pair.executed] == [0, 1]


def test_an_idle_agent_whose_connection_breaks_for_ever_says_its_newest_names_and_no_more():
    pair = Pair()
    pair.do(Reset)
    for number in range(3 * MOST_FORMER):
        resume = pair.agent.reconnect(f"{number:016x}")
        if number <= 2 * MOST_FORMER:
            assert isinstance(pair.env.receive(resume), Answer)  # which is lost, as nobody listens
    assert len(pair.agent.resumes()) == MOST_FORMER
    for body in pair.agent.resumes():
        pair.env.receive(body)
    assert pair.env.agent == pair.agent.incarnation
