"""Every block of Python on docs/training.md runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.commands import ROOT, environment

SECTIONS = (ROOT / "docs/training.md").read_text().split("\n## ")[1:]
BLOCKS = {
    section.partition("\n")[0]: block
    for section in SECTIONS
    for block in re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
}


def test_every_section_has_its_block():
    assert len(BLOCKS) == len(SECTIONS) == 7


@pytest.mark.timeout(600)
@pytest.mark.parametrize("code", BLOCKS.values(), ids=BLOCKS)
def test_a_block_of_the_training_page_runs_as_it_stands(code, tmp_path):
    outside = {**environment(), "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=outside, capture_output=True, text=True, timeout=580, check=False
    )
    assert done.returncode == 0, done.stderr
