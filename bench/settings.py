"""Group ``settings``: what a setting of RabbitMQ, of TCP or of our queues brings, one by one beside the shipped ones.

Each broker setting has a RabbitMQ of its own, and all but the one that is measured are stopped meanwhile.
"""

from __future__ import annotations

from bench import frames
from bench.broker import Tuning
from bench.lockstep import echo, ours
from bench.rows import Group, Row
from bench.stage import tuned

STEPS = {"steps": 1500}
BATCHES = {"steps": 150}

BROKERS: dict[str, tuple[str, Tuning, tuple[str, ...]]] = {
    "shipped": ("the settings of compose", Tuning(copy="one"), ("raw", "ours", "frames")),
    "again": ("the same in another broker: what chance makes of it", Tuning(copy="two"), ("raw", "ours", "frames")),
    "sbwt-none": ("schedulers sleep at once: RabbitMQ's own default", Tuning("+sbwt none"), ("raw", "ours")),
    "sbwt-very-short": ("schedulers spin less", Tuning("+sbwt very_short"), ("raw", "ours")),
    "sbwt-medium": ("schedulers spin more", Tuning("+sbwt medium"), ("raw", "ours")),
    "sbwt-long": ("schedulers spin much more", Tuning("+sbwt long"), ("raw", "ours")),
    "dirty-spin": ("dirty schedulers spin too", Tuning("+sbwtdcpu short +sbwtdio short"), ("raw",)),
    "poll-thread": ("+IOs false: schedulers never poll sockets themselves", Tuning("+IOs false"), ("raw", "ours")),
    "one-scheduler": ("+S 1:1: the broker has one core", Tuning("+S 1:1"), ("raw", "ours")),
    "management": ("the management plugin, as the image of compose has it",
                   Tuning(plugins=("rabbitmq_management",)), ("raw", "ours")),
    "no-heartbeat": ("heartbeat = 0", Tuning(config=(("heartbeat", "0"),)), ("ours",)),
    "server-nagle": ("TCP_NODELAY off at the broker", Tuning(config=(("tcp_listen_options.nodelay", "false"),)),
                     ("raw",)),
    "tcp-buffers": ("socket buffers of 192 KiB at the broker",
                    Tuning(config=(("tcp_listen_options.sndbuf", "196608"), ("tcp_listen_options.recbuf", "196608"))),
                    ("raw", "frames")),
    "frame-max-4k": ("frame_max = 4096, the least", Tuning(config=(("frame_max", "4096"),)), ("frames",)),
    "frame-max-1m": ("frame_max = 1 MiB", Tuning(config=(("frame_max", "1048576"),)), ("frames",)),
}  # fmt: skip
"""By name: what it is, the broker, and what is measured with it."""

WAYS = {
    "nagle": "TCP_NODELAY off at both clients",
    "no-ack": "acts count as settled when they are delivered",
    "not-mandatory": "nobody hears of what cannot be routed",
    "unbounded": "queues without x-max-length",
    "durable": "durable queues instead of transient ones",
    "queue-v2": "classic queues of version 2",
}
"""What the two ends of ``raw`` can do otherwise, with the shipped broker."""


KINDS = {"raw": (echo("raw_echo"), STEPS), "ours": (ours(), STEPS), "frames": (frames.ours, BATCHES)}
"""The limit and ours in lockstep with one CartPole, and ours with the group ``frames``'s lanes."""


def _rows(kind: str) -> list[Row]:
    play, order = KINDS[kind]
    reference = f"{kind} shipped"
    found = [
        Row(f"{kind} {name}", about, tuned(tuning, play), order, reference)
        for name, (about, tuning, kinds) in BROKERS.items()
        if kind in kinds
    ]
    if kind == "raw":
        shipped = BROKERS["shipped"][1]
        found += [
            Row(f"raw {way}", about, tuned(shipped, echo("raw_echo", ways=[way])), order, reference)
            for way, about in WAYS.items()
        ]
    return found


GROUP = Group(
    name="settings",
    title="Settings, one by one beside the shipped ones: p50 of a step (frames: of a step of 16 lanes)",
    figure="p50_us",
    unit="us",
    reference="shipped",
    rows=tuple(row for kind in KINDS for row in _rows(kind)),
    turn_s=(1.2, 0.7),
    most_rounds=5,
)
