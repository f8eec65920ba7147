"""One example of every message, for golden bytes and round trips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from protocol.messages import (
    OUTSIDE,
    Accepted,
    Act,
    Call,
    Close,
    Closed,
    Deflated,
    Error,
    Frame,
    Make,
    Message,
    Percept,
    Probe,
    Render,
    Reset,
    Result,
    Resume,
    Status,
    Working,
)
from protocol.roster import Report, Roster

EPISODE = "0123456789abcdef0123456789abcdef"
AGENT = "aaaaaaaaaaaaaaaa"
WORKER = "bbbbbbbbbbbbbbbb"

PAIR = Roster(["ann", "bob"])
ANN_IS_OUT = Report(
    agents=["bob"], infos={"ann": {}, "bob": {"gold": 2}}, rewards={"ann": 0.0, "bob": 0.5},
    terminations={"ann": True, "bob": False}, truncations={"ann": False, "bob": False},
)  # fmt: skip

EXAMPLES: dict[str, Message] = {
    "make": Make(
        EPISODE, OUTSIDE, AGENT, "FrozenLake-v1", versions=[1], kwargs={"map_name": "8x8"}, render_mode="rgb_array"
    ),
    "make_lanes": Make(EPISODE, OUTSIDE, AGENT, "CartPole-v1", [1], 2, {}, 64, "next_step"),
    "make_seat": Make(EPISODE, OUTSIDE, AGENT, "tictactoe:env", [1], world="table-1", seat="player_1"),
    "make_deflate": Make(EPISODE, OUTSIDE, AGENT, "CartPole-v1", [1], compression="deflate"),
    "accepted": Accepted(EPISODE, OUTSIDE, WORKER, 60.0),
    "status": Status(EPISODE, OUTSIDE, WORKER, {"version": 1, "worker": "host/1", "calls": []}),
    "reset": Reset(EPISODE, 0, AGENT, 42, {"low": -0.05}),
    "reset_lanes": Reset(EPISODE, 0, AGENT, [1, None], None, b"\x01\x00"),
    "act": Act(EPISODE, 1, AGENT, 1),
    "percept": Percept(
        EPISODE, 1, WORKER, 1.0, False, False, {}, np.array([0.5, -0.5, 0.25, 0.0], dtype="<f4").tobytes()
    ),
    "percept_info": Percept(
        EPISODE, 300, WORKER, -0.0, True, False,
        {"mask": np.array([0, 1], np.int8), "prob": np.float32(0.5), "nested": {"at": (1, 2)}}, [b"\x01", 7],
    ),
    "percept_lanes": Percept(EPISODE, 1, WORKER, np.ones(2, "<f8").tobytes(), b"\0\1", b"\0\0", {}, b"\0" * 32),
    "deflated": Deflated(  # the one that is called "closed" here
        EPISODE, 4, WORKER, 61, bytes.fromhex(
            "78019bcab82c3927bf3835e5a68281a191b189a999b985656252724a6a1a3a9f6543121a000068ed1448"
        )
    ),
    "act_parallel": Act(EPISODE, 1, AGENT, [None, 2]),
    "percept_parallel": Percept(
        EPISODE, 1, WORKER, **PAIR.write(replace(ANN_IS_OUT, observations={"ann": b"\1", "bob": b"\2"}))
    ),
    "percept_parallel_keys": Percept(
        EPISODE, 1, WORKER, **PAIR.write(replace(ANN_IS_OUT, observations={"bob": b"\2", "common": np.zeros(2)}))
    ),
    "percept_aec": Percept(
        EPISODE, 1, WORKER, observation=b"\2",
        **PAIR.write(replace(ANN_IS_OUT, cumulative_rewards={"ann": 1.0, "bob": 0.5}, agent_selection="bob")),
    ),
    "render": Render(EPISODE, 2, AGENT),
    "frame": Frame(EPISODE, 2, WORKER, np.zeros((1, 2, 3), np.uint8)),
    "call": Call(EPISODE, 3, AGENT, "action_masks", [], {}),
    "result": Result(EPISODE, 3, WORKER, np.array([True, False])),
    "probe": Probe(EPISODE, 3, AGENT),
    "working": Working(EPISODE, 3, WORKER, 12.5),
    "resume": Resume(EPISODE, 3, AGENT, "cccccccccccccccc"),
    "close": Close(EPISODE, 4, AGENT, "done"),
    "closed": Closed(EPISODE, 4, WORKER),
    "error_seat_taken": Error(EPISODE, OUTSIDE, WORKER, "seat_taken", "seat 'player_1' is taken", "agent", True, True),
    "error": Error(EPISODE, 5, WORKER, "bad_action", "expected 0..1, got 7", "agent", False, False),
}  # fmt: skip
