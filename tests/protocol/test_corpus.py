"""The corpus of bad inputs, into all of the protocol that reads what strangers send."""

from __future__ import annotations

import pytest

from agent_worker import evaluation_messages
from protocol.agent_dialogue import AgentDialogue
from protocol.codec import decode, encode
from protocol.coders import coder
from protocol.description import Description
from protocol.env_dialogue import Answer, EnvDialogue
from protocol.errors import DecodeError, EncodeError, ErrorCode, RemoteProtocolError
from protocol.limits import DEFAULT_LIMITS, Limits
from protocol.messages import OUTSIDE, Act, Error, Make, Percept, Reset, Status
from protocol.presence import Presence
from protocol.rules import State
from protocol.wire import pack, unpack
from tests.protocol.corpus import ARRAYS, BODIES, ENVELOPES, MSGPACK, ODDITIES, STRANGERS, VALUES
from tests.protocol.examples import AGENT, EPISODE, WORKER
from tests.support.zoo import SPECS, same

CODES = {code.value for code in ErrorCode}
PERCEPT = {"reward": 0.0, "terminated": False, "truncated": False, "info": {}, "observation": b""}


def running_env() -> EnvDialogue:
    """The env's end of a run that has answered step 1."""
    dialogue = EnvDialogue(Make(EPISODE, OUTSIDE, AGENT, "E", [1]), WORKER)
    dialogue.reply(Status, content={})
    for request in (Reset(EPISODE, 0, AGENT), Act(EPISODE, 1, AGENT, 1)):
        dialogue.receive(encode(request))
        dialogue.reply(Percept, **PERCEPT)
    return dialogue


def waiting_agent() -> AgentDialogue:
    """The agent's end of a run that waits for step 2."""
    dialogue = AgentDialogue(EPISODE, AGENT)
    dialogue.make("E")
    dialogue.receive(encode(Status(EPISODE, OUTSIDE, WORKER, {})))
    for step_id, (kind, fields) in enumerate(((Reset, {}), (Act, {"action": 1}))):
        dialogue.ask(kind, **fields)
        dialogue.receive(encode(Percept(EPISODE, step_id, WORKER, **PERCEPT)))
    dialogue.ask(Act, action=1)
    return dialogue


def goes_on(dialogue: EnvDialogue | AgentDialogue) -> bool:
    """Whether the next right word is taken as if nothing had happened."""
    if isinstance(dialogue, EnvDialogue):
        event = dialogue.receive(encode(Act(EPISODE, 2, AGENT, 1)))
        return isinstance(event, Act) and dialogue.state is State.RUNNING
    return isinstance(dialogue.receive(encode(Percept(EPISODE, 2, WORKER, **PERCEPT))), Percept)


class TestBodies:
    @pytest.mark.parametrize("name", {**MSGPACK, **ARRAYS})
    def test_the_decoder_refuses_what_is_no_plain_data(self, name):
        with pytest.raises(DecodeError):
            unpack(BODIES[name][0])

    @pytest.mark.parametrize("name", ENVELOPES)
    def test_the_decoder_takes_plain_data_that_are_no_message(self, name):
        unpack(ENVELOPES[name][0])

    @pytest.mark.parametrize("name", BODIES)
    def test_the_codec_refuses_them_and_names_what_is_wrong(self, name):
        body, says = BODIES[name]
        with pytest.raises(DecodeError, match=says):
            decode(body)

    @pytest.mark.parametrize("name", BODIES)
    def test_the_env_s_end_answers_by_name_counts_and_goes_on(self, name):
        dialogue = running_env()
        answer = dialogue.receive(BODIES[name][0])
        assert isinstance(answer, Answer)
        error = decode(answer.body)
        assert isinstance(error, Error)
        assert error.code in (ErrorCode.MALFORMED.value, ErrorCode.UNSUPPORTED_VERSION.value)
        assert (error.step_id, error.fault, error.ends) == (OUTSIDE, "agent", False)
        assert dialogue.ignored == {error.code: 1}
        assert goes_on(dialogue)

    @pytest.mark.parametrize("name", BODIES)
    def test_the_agent_s_end_raises_counts_and_goes_on(self, name):
        dialogue = waiting_agent()
        with pytest.raises(DecodeError):
            dialogue.receive(BODIES[name][0])
        assert dialogue.ignored == {"malformed": 1}
        assert goes_on(dialogue)

    @pytest.mark.parametrize("name", BODIES)
    def test_what_agents_and_workers_say_beside_the_protocol_is_refused(self, name):
        for read in (Presence.decode, evaluation_messages.decode):
            with pytest.raises(DecodeError):
                read(BODIES[name][0])


@pytest.mark.parametrize("name", ODDITIES)
def test_what_looks_wrong_and_is_right_arrives_as_it_is(name):
    body, value = ODDITIES[name]
    assert same(unpack(body), value)
    assert same(unpack(pack(value)), value)


class TestStrangers:
    @pytest.mark.parametrize("name", STRANGERS)
    def test_the_env_s_end_counts_them_executes_nothing_and_goes_on(self, name):
        body, reason, _ = STRANGERS[name]
        dialogue = running_env()
        answer = dialogue.receive(body)
        assert dialogue.ignored == {reason: 1}
        if reason in CODES:
            assert decode(answer.body).code == reason
        else:
            assert answer is None
        assert goes_on(dialogue)

    @pytest.mark.parametrize("name", [name for name, undue in STRANGERS.items() if undue.agent])
    def test_the_agent_s_end_counts_them_and_goes_on(self, name):
        body, _, reason = STRANGERS[name]
        dialogue = waiting_agent()
        if reason == "illegal":
            with pytest.raises(RemoteProtocolError):
                dialogue.receive(body)
        else:
            assert dialogue.receive(body) is None
        assert dialogue.ignored == {reason: 1}
        assert goes_on(dialogue)

    def test_replies_to_nobody_are_counted(self):
        dialogue = waiting_agent()
        reply = encode(Percept(EPISODE, 2, WORKER, **PERCEPT))
        assert isinstance(dialogue.receive(reply), Percept)
        assert [dialogue.receive(reply) for _ in range(3)] == [None] * 3
        assert dialogue.ignored == {"no request pending": 3}

    def test_a_second_close_of_an_episode_that_has_ended_is_illegal(self):
        dialogue = running_env()
        from protocol.messages import Close, Closed

        dialogue.receive(encode(Close(EPISODE, 2, AGENT)))
        dialogue.reply(Closed)
        answer = dialogue.receive(encode(Close(EPISODE, 3, AGENT)))
        assert isinstance(answer, Answer)
        assert decode(answer.body).code == ErrorCode.ILLEGAL.value


def test_a_repeat_that_could_not_be_sent_back_is_a_conflict():
    """Numbers of four bytes are read as floats of eight: what came is too large to be written again."""
    blob = bytes(DEFAULT_LIMITS.array_bytes - 70_000)
    act = encode(Act(EPISODE, 2, AGENT, [blob, []]))
    floats = b"\xdc\x2e\xe0" + b"\xca\0\0\0\1" * 12_000
    assert act.endswith(b"\x90")
    body = act[:-1] + floats
    with pytest.raises(EncodeError):
        encode(decode(body))
    dialogue = running_env()
    assert isinstance(dialogue.receive(body), Act)
    dialogue.reply(Percept, **PERCEPT)
    answer = dialogue.receive(body)
    assert isinstance(answer, Answer)
    assert decode(answer.body).performative in ("percept", "error")


class TestValues:
    @pytest.mark.parametrize("name", VALUES)
    def test_coders_refuse_them_by_name(self, name):
        spec, wire, says = VALUES[name]
        with pytest.raises(DecodeError, match=says):
            coder(spec, bounds=True).decode(wire)

    @pytest.mark.parametrize("name", VALUES)
    def test_they_travel_for_the_decoder_knows_no_space(self, name):
        wire = VALUES[name].wire
        assert same(unpack(pack(wire)), wire)


class TestStatus:
    GOOD = Description(1, "host/1", "E", SPECS["dict"], SPECS["discrete"], metadata={"render_modes": []}).to_content()

    @pytest.mark.parametrize("name", ["step_timeout_s", "idle_timeout_s"])
    @pytest.mark.parametrize("value", [2**8000, -1.0, float("nan"), float("inf"), "1", None, True])
    def test_times_that_are_none_are_refused(self, name, value):
        with pytest.raises(DecodeError, match=name):
            Description.from_content({**self.GOOD, name: value})

    @pytest.mark.parametrize("name", ["worker", "env_id"])
    def test_names_that_would_command_a_terminal_are_refused(self, name):
        with pytest.raises(DecodeError, match=f"{name}.*control characters"):
            Description.from_content({**self.GOOD, name: "a\x1b[2J"})

    def test_calls_are_listed_but_for_those_that_would_command_a_terminal(self):
        assert Description.from_content({**self.GOOD, "calls": ["a", "a\x1b[2J", 1, "get:b"]}).calls == ("a", "get:b")

    @pytest.mark.parametrize("name", [name for name in GOOD if name not in ("num_envs",)])
    @pytest.mark.parametrize("value", [b"", [b""], 2.5j, {1: b""}])
    def test_other_kinds_are_refused(self, name, value):
        if type(value) is type(self.GOOD[name]) and name in ("metadata", "spec", "calls"):
            return
        with pytest.raises(DecodeError):
            Description.from_content({**self.GOOD, name: value})


def test_a_limit_of_the_transport_is_that_of_the_protocol():
    from broker.port import MESSAGE_MAX

    assert Limits().body_bytes == MESSAGE_MAX
