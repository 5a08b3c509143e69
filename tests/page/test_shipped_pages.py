"""The pages of shipped recipes, in a real browser: they play, solo, compare, and copy a fix.

What is heard is taken from the page's own audio graph and measured in Python.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from report_page import until
from sound_page import lag, samples_of

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.cli.demo import write_demo_song
from stemfx.dsp.loudness import measure
from stemfx.dsp.resample import Resampled

DESK = {"width": 1280, "height": 900}
RATE = 48_000
CODEC_ERROR_DB = -12.0
"""Of the sum of coded tracks against the coded mix; one sample late, drums alone would be above."""

RENDER = """async ([heard, start_s, length_s]) => {
  const points = new Map(Object.entries(heard));
  const buffer = await stemfx.page.engine().render(points, start_s, length_s);
  const parts = [0, 1].map((c) => buffer.getChannelData(Math.min(c, buffer.numberOfChannels - 1)));
  const all = new Float32Array(2 * buffer.length);
  parts.forEach((part, c) => all.set(part, c * buffer.length));
  const bytes = new Uint8Array(all.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) {
    text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  }
  return btoa(text);
}"""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One cache for all runs of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEMFX_CACHE", str(tmp_path_factory.mktemp("pages-cache")))
        yield


@pytest.fixture(scope="module")
def remix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remix")
    song = write_demo_song(folder)
    call = ["run", "remix", "--source", f"song={song}", "--preview", "2:8", "--out", str(folder)]
    assert execute([*call, "--offline", "--json"]) == 0
    return folder / "remix-preview.html"


@pytest.fixture(scope="module")
def mashup(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    folder = tmp_path_factory.mktemp("mashup")
    call = ["run", "mashup", "--out", str(folder), "--offline", "--json"]
    for name in ("a", "b", "c"):
        take, rate = sf.read(corpus / "generations" / f"{name.upper()}.flac", frames=8 * 44_100)
        sf.write(folder / f"{name}.wav", take, rate)
        call += ["--source", f"{name}={folder / name}.wav"]
    assert execute(call) == 0
    return folder / "mashup.html"


def data_of(page: Any) -> dict[str, Any]:
    return json.loads(page.locator("#stemfx-data").text_content())


def heard_by(page: Any) -> dict[str, Any]:
    return page.evaluate("Object.fromEntries(stemfx.page.listening.heard())")


def sound(page: Any, heard: Mapping[str, Any], start_s: float, length_s: float) -> np.ndarray:
    """Return what comes out of the page's graph, `(2, n)`."""
    return samples_of(page.evaluate(RENDER, [heard, start_s, length_s]))


def lufs(samples: np.ndarray) -> float:
    found = measure(Audio(np.asarray(samples, np.float32), RATE)).lufs
    assert found is not None
    return found


def listen_through(page: Any, n_lanes: int) -> dict[str, Any]:
    """Play a page, compare A with B, solo every track; return its data."""
    data = data_of(page)
    assert page.locator(".lane").count() == n_lanes

    page.keyboard.press("Space")
    until(page, "stemfx.page.position > 0.3")
    page.keyboard.press("Space")

    # A and B are heard equally loud, whatever they are.
    heard = []
    for _ in range(2):
        page.keyboard.press("x")
        heard.append(heard_by(page))
    assert len(heard[0]) == len(heard[1]) == 1
    assert heard[0].keys() != heard[1].keys()
    one, other = (lufs(sound(page, one, 0.0, data["duration_s"])) for one in heard)
    assert one == pytest.approx(other, abs=0.1)
    page.get_by_role("button", name="Back to the lanes").click()

    # All tracks through their faders are the mix: were one of them late, they would not be.
    page.get_by_role("radio", name="tracks").check()
    tracks = heard_by(page)
    (mix,) = (lane["before"] for lane in data["lanes"] if lane["kind"] == "mix")
    together = sound(page, tracks, 1.0, 4.0)
    alone = sound(page, {mix: {"gain_db": 0, "pan": 0}}, 1.0, 4.0)
    assert [lag(*pair) for pair in zip(together, alone, strict=True)] == [0, 0]
    left = np.sum(np.square(together - alone)) / np.sum(np.square(alone))
    assert 10 * np.log10(left) < CODEC_ERROR_DB

    for lane in data["lanes"]:
        if lane["kind"] == "track":
            page.get_by_role("button", name=f"Solo {lane['label']}").click()
            assert set(heard_by(page)) == {lane["after"]}
            page.get_by_role("button", name="Clear solo").click()
    return data


def test_the_page_of_the_remix_plays_in_time_with_its_stems(open_page, remix: Path) -> None:
    page = open_page(remix, viewport=DESK)
    data = listen_through(page, n_lanes=7)
    for lane in data["lanes"]:
        if lane["kind"] != "track":
            continue
        stem = remix.parent / "remix-stems" / f"{lane['label']}-preview.wav"
        samples, rate = sf.read(stem, dtype="float32", always_2d=True)
        truth = np.concatenate(list(Resampled(Audio(samples.T, rate), RATE).blocks()), axis=1)
        fader = {"gain_db": lane["gain_db"], "pan": lane["pan"]}
        heard = sound(page, {lane["after"]: fader}, 1.0, 4.0)
        # Twice the slope: libopus takes DC away, by which a bass at 60 Hz comes 3 degrees early.
        sharp = (np.diff(one, n=2) for one in (heard[0], truth[0, RATE : 5 * RATE]))
        assert abs(lag(*sharp)) <= 1, lane["label"]
        level_db = 10 * np.log10(np.mean(heard**2) / np.mean(truth[:, RATE : 5 * RATE] ** 2))
        assert level_db == pytest.approx(0, abs=0.3), lane["label"]  # the codec's own


def test_the_page_of_the_mashup_plays_and_gives_its_fix(open_page, mashup: Path) -> None:
    page = open_page(mashup, viewport=DESK, permissions=["clipboard-read", "clipboard-write"])
    data = listen_through(page, n_lanes=3 + 4 + 2)
    assert {grid["source"] for grid in data["grids"] if grid["is_aligned"]} == {"a", "b", "c"}
    fixes = [finding["fix"] for finding in data["findings"] if finding["fix"]]
    page.get_by_role("button", name="Copy fix").first.click()
    page.get_by_text("Copied", exact=True).first.wait_for()
    assert page.evaluate("navigator.clipboard.readText()") in fixes


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_picture_of_the_mashup_is_drawn_on_a_phone(
    open_page, mashup: Path, scheme: str
) -> None:
    phone = {"width": 360, "height": 780}
    page = open_page(mashup, viewport=phone, color_scheme=scheme, has_touch=True)
    titles = page.evaluate("stemfx.pictures.filter((p) => p.wants(stemfx.page.data)).length")
    assert titles >= 7
    for section in page.locator("#pictures > details").all():
        section.scroll_into_view_if_needed()
        page.wait_for_timeout(60)
    assert page.locator("#pictures > details").count() == titles
    assert page.locator("#pictures canvas").count() >= titles
    assert page.evaluate("document.documentElement.scrollWidth") == 360
