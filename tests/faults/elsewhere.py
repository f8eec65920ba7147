"""Rows of the matrix that are not run by this rig: what shows them instead, or why it cannot be."""

from __future__ import annotations

ELSEWHERE: dict[str, str] = {
    "F21 small MTU": "needs a route of its own, and so root or a network namespace; TCP hides it from both sides",
    "F25 queue of replies full": "an agent has one request under way: its queue holds one reply, and probes (F7)",
    "F30 two steps reordered": "one request is under way at a time: there are no two. F30: an old one comes late",
    "F32 clock jumps": "all waits are on `time.monotonic()`; there is no libfaketime here",
    "F35 expired certificate": "`tests/broker/test_tls.py`: what TLS refuses is an error with its reason, and no retry",
    "F38 old and new client": "`tests/e2e/test_many_hands.py`: refused at open with both versions named",
    "F39 soak": "`make soak`",
    "F40 fork": "`tests/broker/test_connections.py`: an error of ours, or a connection of the child's own",
    "F42 full disk": "needs a file system of its own, and so root; F23 is what the broker makes of it",
    "partition of a cluster": "one node; quorum queues are not used",
    "loss and reordering of IP packets": "no `netem` in this kernel; TCP hides it from both sides",
    "power loss": "`kill -9` of the broker loses nothing that is in the page cache",
}
