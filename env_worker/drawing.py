"""Frames of envs where one process holds many, for many agents: none may spoil those of another.

MuJoCo: the renderers of Gymnasium and of gym 0.26 choose an OpenGL context when they make it, and then never again:
whoever draws next draws into the newest one, and an agent would see what another agent's env left there. And a context
is a thread's for as long as it is current, but over ``memory://`` an env is stepped by whichever thread waits for it.
So each env draws with the context of its own.

pygame: envs that draw with it end it when they are closed, for the whole process.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RENDERERS = {
    "gymnasium.envs.mujoco.mujoco_rendering": ("OffScreenViewer", ("render",)),
    "gym.envs.mujoco.mujoco_rendering": ("RenderContextOffscreen", ("render", "read_pixels")),
}
"""Classes that have an ``opengl_context``, and their methods that draw."""


def keep_apart() -> None:
    """Do so for the renderers that have been imported by now: call it when an env has been made. Twice is no harm."""
    for module, (name, methods) in _RENDERERS.items():
        renderer = getattr(sys.modules.get(module), name, None)
        for method in methods if renderer is not None else ():
            draw = getattr(renderer, method)
            if not hasattr(draw, "__wrapped__"):
                setattr(renderer, method, _with_its_context(draw))


def _with_its_context(draw: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(draw)
    def wrapped(renderer: Any, *arguments: Any, **kwargs: Any) -> Any:
        context = renderer.opengl_context
        context.make_current()
        try:
            return draw(renderer, *arguments, **kwargs)
        finally:
            _release(context)

    return wrapped


def _release(context: Any) -> None:
    """Let another thread make it current. Of OSMesa any thread can, at any time."""
    library = sys.modules[type(context).__module__]
    if hasattr(library, "EGL"):
        library.EGL.eglReleaseThread()
    elif hasattr(library, "glfw"):
        library.glfw.make_context_current(None)


@contextlib.contextmanager
def keep_pygame() -> Iterator[None]:
    """While an env is closed: pygame goes on for the other envs of the process."""
    pygame: Any = sys.modules.get("pygame")
    if pygame is None:
        yield
        return
    end = pygame.quit
    pygame.quit = lambda: None
    try:
        yield
    finally:
        pygame.quit = end
