"""Rows of the matrix that are not run by this rig: what shows them instead, or why it cannot be."""

from __future__ import annotations

ELSEWHERE: dict[str, str] = {
    "F30 two steps reordered": "one request is under way at a time: there are no two. F30: an old one comes late",
    "F38 old and new client": "`tests/e2e/test_many_hands.py`: refused at open with both versions named",
    "F39 soak": "`make soak`",
    "F40 fork": "`tests/broker/test_connections.py`: an error of ours, or a connection of the child's own",
    "partition of a cluster": "one node; quorum queues are not used",
    "power loss": "`kill -9` of the broker loses nothing that is in the page cache",
}
