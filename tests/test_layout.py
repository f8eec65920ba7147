"""The house rules that a machine can see: what is where, and that no file outgrows a reader's patience."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("protocol", "broker", "env_worker", "agent_worker", "gymbroker")
SOURCES = sorted(
    path for folder in (*PACKAGES, "bench", "examples", "tools", "tests") for path in (ROOT / folder).rglob("*.py")
)
VAGUE = {"utils", "util", "helpers", "helper", "misc", "common"}


def lines_of(path: Path) -> int:
    return path.read_text().count("\n")


@pytest.mark.parametrize("name", PACKAGES)
def test_tests_exercise_the_project_and_not_a_package_of_the_same_name_in_the_tests(name):
    file = importlib.import_module(name).__file__
    assert file is not None, f"{name} is a namespace package: it needs an __init__.py"
    assert ROOT / "tests" not in Path(file).resolve().parents


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_tells_type_checkers_that_it_is_typed(name):
    assert (ROOT / name / "py.typed").exists()


def test_every_folder_with_modules_in_it_is_a_package():
    # Without it, pytest would take tests/broker/test_x.py for a top-level module, beside the package of that name.
    folders = {path.parent for path in SOURCES} - {ROOT / "examples", ROOT / "tools"}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_module_has_a_name_that_says_nothing():
    assert [str(path) for path in SOURCES if VAGUE & {path.stem, path.parent.name}] == []


def test_no_file_is_longer_than_300_lines_or_500_in_the_tests():
    limits = {path: 500 if ROOT / "tests" in path.parents else 300 for path in SOURCES}
    assert limits, f"no sources found under {ROOT}"
    assert {str(path): lines_of(path) for path, limit in limits.items() if lines_of(path) > limit} == {}


def test_tests_that_share_a_named_broker_run_in_one_process(monkeypatch, pytestconfig):
    monkeypatch.setenv("GYMBROKER_TEST_URL", "amqp://somewhere/")
    assert pytestconfig.hook.pytest_xdist_auto_num_workers(config=pytestconfig) == 0
    monkeypatch.delenv("GYMBROKER_TEST_URL")
    assert pytestconfig.hook.pytest_xdist_auto_num_workers(config=pytestconfig) > 1
