"""Renderers that share a process draw with the context of their own, and leave none behind."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from env_worker import drawing


class Library(ModuleType):
    """As ``mujoco.egl``: it has contexts, and one of them may be current."""

    def __init__(self, name):
        super().__init__(name)
        self.current = None
        self.EGL = SimpleNamespace(eglReleaseThread=self.release)
        self.Context = type("Context", (), {"__module__": name, "make_current": self.choose})

    def release(self):
        self.current = None

    @staticmethod
    def choose(context):
        sys.modules[type(context).__module__].current = context


@pytest.fixture
def library(monkeypatch):
    made = Library("fake_egl")
    monkeypatch.setitem(sys.modules, "fake_egl", made)
    return made


@pytest.fixture
def renderer(library, monkeypatch):
    """A class as Gymnasium's ``OffScreenViewer``, where Gymnasium has it."""

    class OffScreenViewer:
        def __init__(self):
            self.opengl_context = library.Context()
            self.opengl_context.make_current()  # as Gymnasium's does, then and never again

        def render(self, mode, fail=False):
            if fail:
                raise RuntimeError("no frame")
            return mode, library.current

    module = SimpleNamespace(OffScreenViewer=OffScreenViewer)
    monkeypatch.setitem(sys.modules, "gymnasium.envs.mujoco.mujoco_rendering", module)
    return OffScreenViewer


def test_each_draws_with_its_own_context_and_none_is_left_current(renderer, library):
    drawing.keep_apart()
    drawing.keep_apart()
    one, other = renderer(), renderer()
    assert one.render("rgb_array") == ("rgb_array", one.opengl_context)
    assert other.render(mode="rgb_array") == ("rgb_array", other.opengl_context)
    assert library.current is None


def test_none_is_left_current_by_a_frame_that_failed(renderer, library):
    drawing.keep_apart()
    with pytest.raises(RuntimeError, match="no frame"):
        renderer().render("rgb_array", fail=True)
    assert library.current is None


def test_a_process_without_these_renderers_has_nothing_to_keep_apart(monkeypatch):
    monkeypatch.delitem(sys.modules, "gymnasium.envs.mujoco.mujoco_rendering", raising=False)
    drawing.keep_apart()
    assert "gymnasium.envs.mujoco.mujoco_rendering" not in sys.modules


def test_an_env_that_is_closed_does_not_end_pygame_for_the_others(monkeypatch):
    said = []
    monkeypatch.setitem(sys.modules, "pygame", SimpleNamespace(quit=lambda: said.append("quit")))
    with pytest.raises(RuntimeError, match="while it closes"), drawing.keep_pygame():
        sys.modules["pygame"].quit()
        raise RuntimeError("while it closes")
    assert said == []
    sys.modules["pygame"].quit()
    assert said == ["quit"]
    monkeypatch.delitem(sys.modules, "pygame")
    with drawing.keep_pygame():
        assert "pygame" not in sys.modules
