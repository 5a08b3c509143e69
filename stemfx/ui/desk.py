"""What the renderer and the page share: the state of the work, the results, the knobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from stemfx.recipe import Recipe
from stemfx.recipe.knobs import setting_fault
from stemfx.recipe.model import Knob
from stemfx.ui.pages import ServedPage

Phase = Literal["rendering", "rendered", "fault"]

N_KEPT = 2
"""ServedPages: a page that plays the one before may still ask for its sound."""

MAX_MESSAGE = 4000
"""Characters of a fault that the page shows; the terminal shows all of it."""


@dataclass(frozen=True)
class State:
    """Where the work stands; `version` counts the renderings, 0 before the first.

    `step` and `share` (0 to 1; None: nobody knows) are of the work under way, `message` is a fault
    in words, `command` what to type for the same result, and `settings` the knobs that the page has
    turned.
    """

    phase: Phase = "rendering"
    version: int = 0
    step: str = ""
    share: float | None = None
    message: str = ""
    command: str = ""
    settings: Mapping[str, str] | None = None


class KnobFaultError(Exception):
    """A knob cannot be turned so; the text is one sentence."""


class Desk:
    """Shared by the thread that renders and those that serve.

    Args:
        first: what the page is before anything is rendered.
        command: returns what to type, given the settings of the page.
    """

    def __init__(self, first: ServedPage, command: Callable[[Mapping[str, str]], str]) -> None:
        self._lock = threading.Condition()
        self._state = State(command=command({}), settings={})
        self._serial = 0
        self._pages: dict[int, ServedPage] = {0: first}
        self._command = command
        self._knobs: Mapping[str, Knob] = {}
        self._settings: dict[str, str] = {}
        self.turned = threading.Event()
        """Set when a knob was turned and nobody has begun to render that yet."""

    # --- for the page ------------------------------------------------------------------------

    @property
    def newest(self) -> ServedPage:
        """What the page is now."""
        with self._lock:
            return self._pages[max(self._pages)]

    def page(self, version: int) -> ServedPage | None:
        """Return the page of a rendering, if it is still kept."""
        with self._lock:
            return self._pages.get(version)

    def wait(self, serial: int, timeout_s: float) -> tuple[int, State]:
        """Return the state and its serial number, at once or when it is not `serial` any more."""
        with self._lock:
            self._lock.wait_for(lambda: self._serial != serial, timeout_s)
            return self._serial, self._state

    def turn(self, values: Mapping[str, object]) -> State:
        """Turn knobs, all or none; None leaves one as the recipe and the command line have it.

        Raises:
            KnobFaultError: the recipe has no such knob, or it cannot have that value.
        """
        with self._lock:
            settings = dict(self._settings)
            for name, value in values.items():
                settings.pop(name, None)
                if value is not None:
                    settings[name] = text = _text(value)
                    if fault := setting_fault(self._knobs, name, text):
                        raise KnobFaultError(f"{name}: {fault}" if name in self._knobs else fault)
            if settings != self._settings:
                self._settings = settings
                self.turned.set()
                self._tell(command=self._command(settings), settings=settings)
            return self._state

    # --- for the renderer --------------------------------------------------------------------

    def settings(self, recipe: Recipe) -> Mapping[str, str]:
        """Return how the page has turned the knobs that a recipe has; the others are forgotten."""
        with self._lock:
            self.turned.clear()
            self._knobs = recipe.knobs
            kept = {n: t for n, t in self._settings.items() if not setting_fault(self._knobs, n, t)}
            if kept != self._settings:
                self._settings = kept
                self._tell(command=self._command(kept), settings=kept)
            return kept

    def begin(self) -> None:
        """Say that a rendering begins."""
        self.turned.clear()
        self._tell(phase="rendering", step="", share=None, message="")

    def progress(self, step: str, share: float | None = None) -> None:
        """Say how far the rendering is."""
        self._tell(step=step, share=share)

    @property
    def next_version(self) -> int:
        """The version of the rendering that is under way."""
        return self._state.version + 1

    def publish(self, page: ServedPage) -> None:
        """Give the page what was rendered."""
        with self._lock:
            version = self.next_version
            self._pages[version] = page
            for old in sorted(self._pages)[:-N_KEPT]:
                del self._pages[old]
            self._tell(phase="rendered", version=version, step="", share=None)

    def fault(self, message: str) -> None:
        """Say why there is nothing new."""
        if len(message) > MAX_MESSAGE:
            message = message[:MAX_MESSAGE] + " ..."
        self._tell(phase="fault", message=message)

    def _tell(self, **changes: Any) -> None:
        with self._lock:
            self._state = replace(self._state, **changes)
            self._serial += 1
            self._lock.notify_all()


def state_json(state: State) -> dict[str, Any]:
    """Return a state as the page reads it."""
    return asdict(state)


def _text(value: object) -> str:
    """Return a value as `--set` takes it.

    Raises:
        KnobFaultError: it is none that a knob can have.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, int | str):
        return str(value)
    raise KnobFaultError("a knob takes a number, true or false, or a text")
