"""How a stepper tells what it drops and refuses."""

from __future__ import annotations

import logging

from env_worker.ignored import TELL_S, Ignored


def test_a_flood_is_told_in_one_line_now_and_then(caplog):
    ignored = Ignored()
    with caplog.at_level(logging.INFO, logger="gymbroker"):
        ignored.tell(0.0)
        assert not caplog.messages
        for turn in range(2000):
            ignored["no message"] += 1
            ignored.update({"malformed": turn % 2})
            ignored.tell(TELL_S * turn / 1000)
        ignored.tell(TELL_S * 2)
        ignored.tell(TELL_S * 9)
    first, last = caplog.messages
    assert first == "dropped or refused: 1001 x no message, 500 x malformed"
    assert last == "dropped or refused: 999 x no message, 500 x malformed"
    assert ignored == {"no message": 2000, "malformed": 1000}
