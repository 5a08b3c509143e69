"""The served page in a browser: knobs are turned, the new result comes, and nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from engine import run_text

from stemfx.audio import Audio
from stemfx.cache import Cache
from stemfx.io import Encoding, write
from stemfx.page import rendered, story_of
from stemfx.page.making import Rendering
from stemfx.ui import Desk, PageServer, empty_page, page_of, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

try:
    from playwright.sync_api import Error
except ImportError:  # the fixtures skip these tests
    Error = Exception

RECIPE = """
params:
  level_db: {default: 0, min: -12, max: 12, unit: dB, help: "how loud <b>"}
  quiet: false
  mood: {default: calm}
sources: {song: {stems: {vocals: song.wav, drums: song.wav}}}
tracks: {vocals: {gain_db: "${level_db}"}, drums: {gain_db: -6}}
output: {master: out.wav}
"""
Opener = Callable[..., "Page"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Rendering]:
    folder = tmp_path_factory.mktemp("run")
    noise = 0.1 * np.random.default_rng(1).standard_normal((2, 4 * 44_100)).astype(np.float32)
    write(folder / "song.wav", Audio(noise, 44_100), Encoding("wav", 16))
    cache = Cache(folder / "cache")
    outcome = run_text(folder, RECIPE, cache=cache)
    nodes = outcome.plan.listening.nodes
    return outcome.plan.recipe, rendered(story_of(outcome, None), cache, nodes, is_served=True)


class Kitchen:
    """Stands where the renderer stands: a turned knob becomes a new version of the page."""

    def __init__(self, recipe: Any, rendering: Rendering) -> None:
        self.recipe, self.rendering = recipe, rendering
        self.desk = Desk(empty_page("r.yaml"), self._command)
        self.served = 0
        self.may_serve = threading.Event()
        self.may_serve.set()
        self.is_closing = False
        self._thread = threading.Thread(target=self._work, daemon=True)

    @staticmethod
    def _command(settings: Any) -> str:
        return " ".join(["stemfx run r.yaml", *(f"--set {n}={t}" for n, t in settings.items())])

    def serve(self) -> None:
        settings = self.desk.settings(self.recipe)
        values = {"level_db": float(settings.get("level_db", 0))}
        values["quiet"] = settings.get("quiet") == "true"
        values["mood"] = settings.get("mood", "calm")
        params = [p | {"value": values[p["name"]]} for p in self.rendering.data["params"]]
        self.may_serve.wait()
        version = self.desk.next_version
        changed = replace(self.rendering, data={**self.rendering.data, "params": params})
        self.desk.publish(page_of(changed, version))

    def _work(self) -> None:
        while not self.is_closing:
            if self.desk.turned.wait(0.05):
                self.desk.begin()
                self.desk.progress("mix", 0.5)
                self.serve()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.is_closing = True
        self.may_serve.set()
        self._thread.join()


@pytest.fixture
def kitchen(made: tuple[Any, Rendering]) -> Iterator[tuple[Kitchen, PageServer]]:
    kitchen = Kitchen(*made)
    server = PageServer(kitchen.desk)
    with serving(server):
        kitchen.start()
        yield kitchen, server
        kitchen.close()


def version(page: Page) -> int:
    return page.evaluate("stemfx.live?.shown ?? -1")


def until(page: Page, expression: str) -> None:
    """Wait for what a page says; Playwright's own way of it is `eval`, which the page forbids."""
    deadline = time.monotonic() + 10
    while True:
        try:
            if page.evaluate(expression):
                return
        except Error:  # it is just loading anew
            pass
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(20)


def until_version(page: Page, number: int) -> None:
    until(page, f"globalThis.stemfx?.live?.shown === {number}")


def slide(page: Page, *values: float) -> None:
    """Move a slider, as a hand does without a rest between values."""
    page.locator("#knob-level_db-slider").evaluate(
        """(slider, values) => {
          for (const value of values) {
            slider.value = value;
            slider.dispatchEvent(new Event("input"));
          }
        }""",
        list(values),
    )


def test_the_result_comes_by_itself_and_a_knob_makes_the_next(
    kitchen: tuple[Kitchen, PageServer], open_page: Opener
) -> None:
    cook, server = kitchen
    page = open_page(server.url)
    page.locator("#live[data-phase=rendering]").wait_for()
    cook.serve()
    until_version(page, 1)
    assert page.locator(".knob .help").text_content() == "how loud <b>"
    slide(page, 3, 4)  # one render of both: a slider is heard when it rests
    until_version(page, 2)
    assert page.locator("#knob-level_db").input_value() == "4"
    assert page.locator("#live-command").text_content() == "stemfx run r.yaml --set level_db=4"
    page.get_by_role("button", name="Reset level_db to 0").click()
    until_version(page, 3)
    assert page.locator("#knob-level_db").input_value() == "0"
    page.get_by_label("quiet", exact=True).check()
    until_version(page, 4)
    assert page.get_by_label("quiet", exact=True).is_checked()


def test_position_mixer_loop_and_scroll_outlast_a_new_result(
    kitchen: tuple[Kitchen, PageServer], open_page: Opener
) -> None:
    cook, server = kitchen
    cook.serve()
    page = open_page(server.url)
    until_version(page, 1)
    page.evaluate(
        """() => {
          const { page } = stemfx;
          page.listening.listenTo("tracks");
          page.listening.change("track/drums", { mute: true });
          page.listening.change("track/vocals", { gain_db: -4 });
          page.loop({ start_s: 1, end_s: 2.5 });
          page.seek(1.25);
          scrollTo(0, 300);
        }"""
    )
    slide(page, 2)
    until_version(page, 2)
    kept = page.evaluate(
        """() => {
          const { page } = stemfx;
          const lane = (id) => page.listening.lane(id);
          return [page.position, page.range, page.listening.listen, lane("track/drums").mute,
                  lane("track/vocals").gain_db, lane("track/drums").gain_db, scrollY];
        }"""
    )
    assert kept == [1.25, {"start_s": 1, "end_s": 2.5}, "tracks", True, -4, -6, 300]


def test_a_page_that_plays_goes_on_playing(
    kitchen: tuple[Kitchen, PageServer], open_page: Opener
) -> None:
    cook, server = kitchen
    cook.serve()
    page = open_page(server.url)
    until_version(page, 1)
    page.keyboard.press("Space")
    until(page, "stemfx.page.isPlaying && stemfx.page.position > 0.2")
    slide(page, -2)
    before_s = page.evaluate("stemfx.page.position")
    until_version(page, 2)
    until(page, f"stemfx.page.isPlaying && stemfx.page.position > {before_s}")


def test_what_is_held_stays_under_the_hand_until_it_is_let_go(
    kitchen: tuple[Kitchen, PageServer], open_page: Opener
) -> None:
    cook, server = kitchen
    cook.serve()
    page = open_page(server.url)
    until_version(page, 1)
    box = page.locator("#knob-level_db-slider").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    until(page, "stemfx.live.state.version === 2")
    page.wait_for_timeout(300)
    assert version(page) == 1
    page.mouse.up()
    until_version(page, 2)
    assert float(page.locator("#knob-level_db").input_value()) > 5


def test_faults_are_said_beside_what_they_are_of(
    kitchen: tuple[Kitchen, PageServer], open_page: Opener
) -> None:
    cook, server = kitchen
    cook.serve()
    page = open_page(server.url)
    until_version(page, 1)
    page.locator("#knob-level_db").fill("99")
    page.keyboard.press("Enter")
    told = page.locator(".knob .fault").first
    told.get_by_text("level_db: 99 dB is outside [-12, 12] dB").wait_for()
    page.watch.complaints.clear()  # browsers log every 422
    cook.desk.fault("r.yaml:3:1: <img src=x onerror=alert(1)>\nand more")
    page.get_by_text("Not rendered").wait_for()
    shown = page.locator("#live > .fault")
    assert shown.text_content() == "r.yaml:3:1: <img src=x onerror=alert(1)>\nand more"
    assert page.locator("img").count() == 0
    assert version(page) == 1


def test_it_fits_a_phone(kitchen: tuple[Kitchen, PageServer], open_page: Opener) -> None:
    cook, server = kitchen
    cook.serve()
    page = open_page(server.url, viewport={"width": 360, "height": 740})
    until_version(page, 1)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360
