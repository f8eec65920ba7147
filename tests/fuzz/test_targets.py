"""What the fuzzer sends, without the fuzzer: its seeds, and the inputs that once were findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.choices import Choices
from fuzz.target import Finding, Target, size_of
from fuzz.targets import TARGETS

FOUND = Path(__file__).parent / "found"

QUICK = 40
"""Seeds of a target that are tried here."""


def found_for(target: Target) -> list[bytes]:
    return [file.read_bytes() for file in sorted(FOUND.glob(f"{target.name.replace(' ', '-')}-*"))]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.filterwarnings("ignore")  # of numpy, about numbers that are none
def test_its_seeds_and_what_was_found_are_findings_no_more(target):
    seeds = target.seeds()
    for data in [*seeds[:: 1 + len(seeds) // QUICK], *found_for(target)]:
        target.run(data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.filterwarnings("ignore")
def test_any_bytes_describe_something_to_try(target):
    for data in (b"", b"\0", b"\xff" * 50, bytes(range(256))):
        target.run(data)


def test_every_file_of_a_finding_belongs_to_a_target():
    known = {data for target in TARGETS for data in found_for(target)}
    assert {file.read_bytes() for file in FOUND.glob("*-*")} == known


def test_what_is_let_in_and_untrue_is_a_finding():
    def check(found):
        raise Finding("untrue")

    with pytest.raises(Finding, match="untrue"):
        Target("t", "", (), 1, bytes, list, check=check).run(b"")


def test_an_exception_that_is_not_named_is_a_finding():
    def receive(body):
        raise [ValueError, KeyError][body[0]]("bad")

    target = Target("t", "", (), 1, receive, list, named=(ValueError,))
    target.run(b"\0")
    with pytest.raises(KeyError):
        target.run(b"\1")


def test_what_an_input_may_take_goes_by_the_bytes_of_the_stranger():
    assert size_of([(3, b"12"), (4, b"345")]) == 5
    assert Target("t", "", (), 1, bytes, list, spare=7).limit(b"123") == 4 * 3 + 7


def test_choices_are_taken_front_to_back_and_are_0_behind_the_end():
    choices = Choices(b"\1\2\3\2ab\xff\0\1cd")
    assert (choices.byte(), choices.word(), choices.piece(), choices.piece()) == (1, 0x203, b"ab", b"c")
    assert choices
    assert (choices.rest(), choices.byte(), choices.one("xy"), bool(choices)) == (b"d", 0, "x", False)
