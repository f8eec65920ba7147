"""What a percept says of many agents: what is written is what is read, and nothing odd is taken for it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from protocol.codec import decode, encode
from protocol.errors import DecodeError, EncodeError
from protocol.messages import Percept
from protocol.roster import Report, Roster

AGENTS = ["north", "south", "east"]
ROSTER = Roster(AGENTS)

keys = some.lists(some.sampled_from([*AGENTS, "__all__", 7]), unique=True)


def by_agent(values):
    """Dicts by some agents, and by keys that are none, in any order."""
    return keys.flatmap(lambda chosen: some.fixed_dictionaries(dict.fromkeys(chosen, values)))


floats, flags = by_agent(some.floats(allow_nan=False)), by_agent(some.booleans())
reports = some.builds(
    Report,
    agents=some.lists(some.sampled_from(AGENTS), unique=True),
    infos=by_agent(some.integers(0, 9).map(lambda number: {"number": number})),
    rewards=floats,
    terminations=flags,
    truncations=flags,
)


def told(report, **more):
    """The percept, as it comes out of the wire."""
    fields = {"observation": None, **ROSTER.write(report), **more}
    return decode(encode(Percept("0" * 32, 0, "0" * 16, **fields)))


def ordered(report):
    """The report with the order of its keys, which equality of dicts passes over."""
    parts = [getattr(report, name) for name in Report.__slots__]
    return [list(part.items()) if isinstance(part, dict) else part for part in parts]


@given(reports, by_agent(some.one_of(some.none(), some.binary(max_size=4))))
def test_what_is_said_of_agents_that_act_at_once_is_read_as_it_was_written(report, observations):
    report.observations = observations
    assert ordered(ROSTER.read(told(report), turns=False)) == ordered(report)


@given(reports, floats, some.sampled_from([*AGENTS, None]))
def test_what_is_said_of_agents_that_take_turns_is_read_as_it_was_written(report, cumulative, selection):
    report.cumulative_rewards, report.agent_selection = cumulative, selection
    assert ordered(ROSTER.read(told(report), turns=True)) == ordered(report)


def plain(**more):
    """What most envs say: the same keys everywhere."""
    return Report(
        agents=AGENTS, infos={agent: {} for agent in AGENTS}, rewards=dict.fromkeys(AGENTS, 0.5),
        terminations=dict.fromkeys(AGENTS, False), truncations=dict.fromkeys(AGENTS, True), **more,
    )  # fmt: skip


def test_where_all_parts_have_the_same_keys_they_travel_once():
    fields = ROSTER.write(plain(observations=dict.fromkeys(AGENTS, b"o")))
    assert fields == {
        "reward": b"\0\0\0\0\0\0\xe0\x3f" * 3,
        "terminated": b"\0\0\0",
        "truncated": b"\1\1\1",
        "info": {"agents": AGENTS, "infos": {agent: {} for agent in AGENTS}},
        "observation": [b"o", b"o", b"o"],
    }


def test_numbers_that_are_no_number_keep_their_place():
    report = replace(plain(observations={}), rewards={"east": math.inf, "north": math.nan})
    found = ROSTER.read(told(report), turns=False).rewards
    assert (list(found), found["east"]) == (["east", "north"], math.inf)
    assert math.isnan(found["north"])


def test_an_agent_that_is_not_possible_is_not_written():
    with pytest.raises(EncodeError, match="agents: expected possible agents only, got 'west' too"):
        ROSTER.write(replace(plain(observations={}), agents=["north", "west"]))


GOOD = ROSTER.write(plain(observations=dict.fromkeys(AGENTS, b"o")))
INFO = GOOD["info"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"reward": 0.0},
        {"reward": b"\0" * 16},
        {"terminated": False},
        {"terminated": b"\0\0"},
        {"truncated": b"\0\0\2"},
        {"observation": None},
        {"observation": [b"o"]},
        {"info": {}},
        {"info": {**INFO, "agents": {}}},
        {"info": {**INFO, "agents": ["west"]}},
        {"info": {**INFO, "agents": [["north"]]}},
        {"info": {**INFO, "infos": []}},
        {"info": {**INFO, "infos": {"west": {}}}},
        {"info": {**INFO, "keys": []}},
        {"info": {**INFO, "keys": {"rewards": "north"}}},
        {"info": {**INFO, "keys": {"rewards": ["west"]}}},
        {"info": {**INFO, "keys": {"rewards": [["north"]]}}},
        {"info": {**INFO, "others": []}},
        {"info": {**INFO, "others": {"rewards": []}}},
    ],
)
def test_anything_else_is_refused(wrong):
    percept = Percept("0" * 32, 0, "0" * 16, **{**GOOD, **wrong})
    with pytest.raises(DecodeError):
        ROSTER.read(percept, turns=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"agent_selection": "west"},
        {"agent_selection": ["north"]},
        {"cumulative_rewards": None},
        {"cumulative_rewards": b"\0" * 23},
        {"cumulative_rewards": [0.0] * 3},
    ],
)
def test_anything_else_of_a_turn_is_refused(wrong):
    fields = ROSTER.write(plain(cumulative_rewards=dict.fromkeys(AGENTS, 0.0), agent_selection="south"))
    fields["info"].update(wrong)
    with pytest.raises(DecodeError):
        ROSTER.read(Percept("0" * 32, 0, "0" * 16, observation=None, **fields), turns=True)
