"""docs/compared.md holds what it says: each row names a test that exists, or says why we decline."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "compared.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| its feature", "| feature"))
]


def test_every_system_and_every_feature_of_the_merged_table_has_a_row():
    assert len([row for row in ROWS if len(row) == 3]) > 50
    assert len([row for row in ROWS if len(row) == 12]) > 50
    assert {len(row) for row in ROWS} == {3, 12}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:50])
def test_each_row_names_a_test_that_exists_or_says_why_we_decline(row):
    assert all(row), row
    shown, ours = row[-1], row[-2]
    if shown == "declined":
        assert re.match(r"declined( for now)?: .{15,}", ours), ours
        return
    path, _, name = shown.strip("`").partition("::")
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, functions)}, shown
