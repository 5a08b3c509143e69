"""What the page draws: its numbers agree with theory on signals whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import made_points as made
import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.pictures import PictureGrid, picture_of
from stemfx.dsp.pictures.codes import base64_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def maths(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Return a page that has the data and the functions of the pictures, and draws nothing."""
    tab = browser.new_page()
    path = made.write_page(made.made_data(), tmp_path_factory.mktemp("maths") / "page.html")
    tab.goto(path.as_uri())
    return tab


SPECTROGRAM = """async (id) => {
  const s = await spectrogram(id);
  return {...s, level_db: Array.from(s.level_db, String)};
}"""


def floats(texts: list[str]) -> np.ndarray[Any, Any]:
    """Return numbers that went through text, as JSON has no infinity."""
    return np.array([float(t) for t in texts])


def test_decoding_gives_back_what_was_coded(maths):
    rng = np.random.default_rng(1)
    levels = np.append(rng.uniform(-120, 6, 79), -np.inf)
    peaks = rng.integers(-127, 128, 200).astype(np.int8)
    point = made.point("x", made.tones_db())
    point |= {"loudness": made.coded_levels(levels), "peaks": base64_of(peaks)}
    told = maths.evaluate(
        """(point) => ({loudness: Array.from(stemfx.decode.loudness(point), String),
          low: [...stemfx.decode.peaks(point).low], high: [...stemfx.decode.peaks(point).high],
          correlation: [...stemfx.decode.correlation(point)]})""",
        point,
    )
    assert np.allclose(floats(told["loudness"])[:-1], levels[:-1], atol=0.5 / 256 + 1e-5)
    assert floats(told["loudness"])[-1] == -np.inf
    assert np.allclose(told["low"], peaks[::2] / 127, atol=1e-6)
    assert np.allclose(told["high"], peaks[1::2] / 127, atol=1e-6)
    assert told["correlation"] == [1.0] * 8

    spectrogram = maths.evaluate(SPECTROGRAM, "vocals after cut")
    assert spectrogram["n_bands"] == len(made.BANDS_HZ)
    decoded = floats(spectrogram["level_db"]).reshape(len(made.BANDS_HZ), made.N_COLUMNS)
    expected = made.cut_tones_db()
    assert np.array_equal(np.isfinite(decoded), np.isfinite(expected))
    heard = np.isfinite(expected)
    assert np.abs(decoded[heard] - expected[heard]).max() <= made.STEP_DB / 2


def test_what_is_measured_of_a_tone_is_what_the_page_reads(maths):
    seconds, rate = 4, 48000
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(seconds * rate) / rate)
    audio = Audio(np.stack([tone, tone]).astype(np.float32), rate)
    told = maths.evaluate(
        """async (point) => {
          const s = await stemfx.decode.spectrogram(point, data.picture);
          const levels = stemfx.bandLevels(s);
          return {power: levels.reduce((sum, db) => sum + 10 ** (db / 10), 0),
            loudest: levels.indexOf(stemfx.most(levels)), columns: s.n_columns,
            peaks: [...stemfx.decode.blockPeaks(point)],
            high: stemfx.most(stemfx.decode.peaks(point).high),
            correlation: [...stemfx.decode.correlation(point)]};
        }""",
        picture_of(audio, PictureGrid.of(made.DURATION_S)),
    )
    assert told["columns"] == seconds / made.COLUMN_S
    # A sine of amplitude 0.5 has a mean square of 1/8; columns at the ends hold half a window of it
    assert 10 * np.log10(told["power"] * 8) == pytest.approx(0.0, abs=0.3)
    assert told["loudest"] == made.TONE
    assert np.allclose(told["peaks"], 20 * np.log10(0.5), atol=0.01)
    assert told["high"] == pytest.approx(0.5, abs=0.5 / 127 + 1e-6)
    assert told["correlation"] == [1.0] * seconds


def test_change_is_the_cut_where_it_was_made_and_nothing_elsewhere(maths):
    told = maths.evaluate("""async () => {
      const pair = [await spectrogram("song"), await spectrogram("vocals after cut")];
      const values = Array.from(stemfx.change(...pair).values, String);
      return {values, spectral: stemfx.spectralChange(...pair)};
    }""")
    change = floats(told["values"]).reshape(len(made.BANDS_HZ), made.N_COLUMNS)
    expected = np.full(change.shape, np.nan)
    expected[[made.BASS, made.TONE]] = 0.0
    expected[made.TONE, 20:40] = -6.0
    assert np.array_equal(change, expected, equal_nan=True)
    # A quarter of the time at a quarter of the power: 10 lg(3/4 + 10^-0.6 / 4) dB
    assert told["spectral"]["cut"]["band"] == made.TONE
    theory_db = 10 * np.log10(0.75 + 0.25 * 10**-0.6)
    assert told["spectral"]["cut"]["change_db"] == pytest.approx(theory_db, abs=1e-3)


def test_a_stem_of_half_the_amplitude_has_a_mask_of_one_half(maths):
    values = maths.evaluate("""async () => {
      const map = stemfx.maskOf(await spectrogram("vocals"), await spectrogram("song"));
      return Array.from(map.values, String);
    }""")
    mask = floats(values).reshape(len(made.BANDS_HZ), made.N_COLUMNS)
    assert np.allclose(mask[made.TONE], 0.5, atol=0.5 * (10 ** (0.25 / 20) - 1))  # half a step
    assert np.all(mask[made.BASS] == 0.0)
    others = np.delete(mask, [made.BASS, made.TONE], axis=0)
    assert np.all(np.isnan(others))


def test_level_change_parts_static_gain_from_what_moves(maths):
    told = maths.evaluate("""() => {
      const of = (id) => stemfx.decode.loudness(point(id));
      const change = stemfx.levelChange(of("vocals"), of("vocals after compress"));
      return {...change, moving_db: Array.from(change.moving_db, String)};
    }""")
    assert told["static_db"] == pytest.approx(2.0, abs=0.005)
    moving = floats(told["moving_db"])
    expected = np.zeros(60)
    expected[20:24] = -9.0
    assert np.allclose(moving[:60], expected, atol=0.01)
    assert np.all(np.isnan(moving[60:]))  # silence says nothing
    assert told["deepest_db"] == pytest.approx(-9.0, abs=0.01)
    assert told["share_down"] == pytest.approx(4 / 60)


def test_attenuation_leaves_out_the_gain_that_is_everywhere(maths):
    values = maths.evaluate("""() => {
      const of = (level_db) => ({n_bands: 1, n_columns: 4, level_db: Float32Array.from(level_db)});
      const map = stemfx.attenuation(of([-20, -20, -20, -120]), of([-17, -27, -Infinity, -120]), 3);
      return Array.from(map.values, String);
    }""")
    assert np.allclose(floats(values), [0.0, 10.0, 80.0, np.nan], equal_nan=True)


def test_band_edges_meet_halfway_between_centres(maths):
    edges = np.array(maths.evaluate("stemfx.bandEdges(data.picture.bands_hz)"))
    assert np.allclose(edges, np.geomspace(30, 20_000, 97), rtol=5e-4)  # told to 0.01 Hz


def test_tempo_and_distance_of_beats_are_those_of_the_grid(maths):
    told = maths.evaluate("""() => ({a: stemfx.tempoOf(data.grids[0].beats_s),
      b: stemfx.tempoOf(data.grids[1].beats_s),
      apart: stemfx.beatsApart(data.grids[0].beats_s, data.grids[2].beats_s)})""")
    assert told["a"]["bpm"] == pytest.approx(120.0)
    assert told["b"]["bpm"] == pytest.approx(125.0)
    assert told["apart"] == pytest.approx(0.004)


@pytest.mark.parametrize(
    "path", sorted((made.PAGE / "pictures").glob("*.js")), ids=lambda p: p.name
)
def test_no_picture_writes_html_and_each_file_is_short(path):
    text = path.read_text(encoding="utf-8")
    assert "innerHTML" not in text
    assert "eval(" not in text
    assert len(text.splitlines()) < 250


# ---- what is drawn -------------------------------------------------------------------------


@pytest.fixture
def drawing(open_page, tmp_path):
    """Return a function that opens the page of the made data and draws one picture."""

    def draw(name: str, data: dict[str, Any] | None = None, **options: Any) -> Page:
        path = made.write_page(data or made.made_data(), tmp_path / "page.html")
        tab = open_page(path, **{"viewport": {"width": 900, "height": 1400}} | options)
        tab.evaluate(f"show({name!r})")
        return tab

    return draw


def labels(tab: Page) -> str:
    """Return what the pictures on the page tell a screen reader, as soon as one is there."""
    tab.wait_for_selector("[role=img]")
    return " | ".join(tab.eval_on_selector_all("[role=img]", "all => all.map((e) => e.ariaLabel)"))


# The colour at a time and frequency of the map that is told by `start` of its label.
COLOUR = """([start, time_s, hz]) => {
  const canvas = document.querySelector(`canvas[aria-label^="${start}"]`);
  const scale = canvas.width / canvas.clientWidth;
  const edges = stemfx.bandEdges(data.picture.bands_hz);
  const share = Math.log(hz / edges[0]) / Math.log(edges[96] / edges[0]);
  const [left, right, height] = [44, stemfx.heatRight, canvas.clientHeight - 24];
  const x = left + (canvas.clientWidth - left - right) * time_s / data.duration_s;
  const y = 4 + height * (1 - share);
  return [...canvas.getContext("2d").getImageData(x * scale, y * scale, 1, 1).data].slice(0, 3);
}"""


def test_the_map_of_change_is_blue_where_the_step_cut_and_pale_where_it_did_not(drawing):
    tab = drawing("spectrograms", device_scale_factor=2)
    tab.wait_for_selector("canvas[aria-label^='Change']")
    tone_hz = made.BANDS_HZ[made.TONE]
    red, _, blue = tab.evaluate(COLOUR, ["Change", 3.0, tone_hz])
    assert blue - red > 60
    for time_s in (1.0, 5.0):
        pale = tab.evaluate(COLOUR, ["Change", time_s, tone_hz])
        assert max(pale) - min(pale) < 4
        assert min(pale) > 245
    assert tab.evaluate(COLOUR, ["Spectrogram of Before", 3.0, 5000.0]) == [0, 0, 4]
    assert sum(tab.evaluate(COLOUR, ["Spectrogram of Before", 3.0, tone_hz])) > 500
    # The cut is 10 lg(3/4 + 10^-0.6 / 4) = -0.9 dB over the whole time
    assert "least around 980 Hz (\u22120.9 dB)" in labels(tab)
    sharp = "[...document.querySelectorAll('canvas')].map((c) => c.width / c.clientWidth)"
    assert tab.evaluate(sharp) == pytest.approx([2.0] * 3, abs=0.01)


def test_a_dark_page_redraws_maps_on_its_own_ground(drawing):
    tab = drawing("spectrograms")
    tab.wait_for_selector("canvas[aria-label^='Change']")
    assert min(tab.evaluate(COLOUR, ["Change", 1.0, 1000.0])) > 200
    tab.evaluate("document.documentElement.dataset.theme = 'dark'; page.tell('theme', 'dark')")
    tab.evaluate("stemfx.inTurn(() => null)")
    assert max(tab.evaluate(COLOUR, ["Change", 1.0, 1000.0])) < 60


def test_any_two_points_can_be_compared_and_are_handed_to_the_ear(drawing):
    tab = drawing("spectrograms")
    tab.get_by_role("combobox", name="After").select_option("vocals")
    tab.get_by_role("combobox", name="Before").select_option("master")
    tab.wait_for_selector("text=/From master to vocals/")
    assert tab.get_by_role("combobox", name="Step").input_value() == ""
    tab.get_by_role("button", name="Compare by ear").click()
    assert tab.evaluate("page.picked") == ["master", "vocals"]


def test_a_click_seeks_and_the_line_follows_the_play_position(drawing):
    tab = drawing("masks")
    canvas = tab.wait_for_selector("canvas")
    box = canvas.bounding_box()
    width = box["width"] - 44 - 76
    tab.mouse.click(box["x"] + 44 + width / 4, box["y"] + 50)
    assert tab.evaluate("page.position") == pytest.approx(2.0, abs=0.02)
    tab.evaluate("page.seek(6)")
    line = tab.query_selector(".pic-cursor").bounding_box()
    assert line["x"] == pytest.approx(box["x"] + 44 + width * 0.75, abs=1.0)

    tab.evaluate("show('loudness')")
    over = tab.wait_for_selector(".u-over").bounding_box()
    tab.mouse.click(over["x"] + over["width"] / 2, over["y"] + 30)
    assert tab.evaluate("page.position") == pytest.approx(4.0, abs=0.03)
    line = tab.query_selector(".u-over .pic-cursor").bounding_box()
    assert line["x"] == pytest.approx(over["x"] + over["width"] / 2, abs=1.0)


def test_a_click_on_a_hit_plays_from_just_before_it(drawing):
    tab = drawing("hits")
    box = tab.wait_for_selector("canvas").bounding_box()
    left = 130
    x = box["x"] + left + (box["width"] - left - 8) * 1.5 / made.DURATION_S
    tab.mouse.move(x + 3, box["y"] + 4 + 14)
    assert "kick at 0:01.50, velocity 0.60, replaced" in tab.inner_text(".pic-told")
    tab.mouse.click(x + 3, box["y"] + 4 + 14)
    assert tab.evaluate("page.position") == pytest.approx(1.45)
    assert tab.evaluate("page.isPlaying")


def test_hits_are_heard_one_after_the_other_without_a_pointer(drawing):
    tab = drawing("hits")
    following = tab.get_by_role("button", name="Next hit")
    for at_s in (0.45, 0.95, 1.45, 1.45):  # there are three
        following.press("Enter")
        assert tab.evaluate("page.position") == pytest.approx(at_s)
        assert tab.evaluate("page.isPlaying")
    assert tab.inner_text("#said") == "That was the last hit."
    tab.get_by_role("combobox", name="Hear").select_option("kick")
    tab.get_by_role("button", name="Previous hit").press("Enter")
    assert tab.evaluate("page.position") == pytest.approx(0.45)  # not the snare between
    assert tab.inner_text("#said") == "kick at 0:00.50, velocity 1.00, replaced"


@pytest.mark.parametrize("name", ["spectrograms", "reduction", "masks"])
def test_a_damaged_spectrogram_is_one_sentence_where_it_would_be_drawn(drawing, name):
    data = made.made_data()
    for point in data["points"]:
        point["spectrogram"]["data"] = "AAAA"
    tab = drawing(name, data)
    tab.wait_for_selector(".note")
    (told,) = tab.locator(".note").all_inner_texts()
    assert told.startswith("This picture could not be drawn: the spectrogram of ")
    assert told.endswith(" is damaged; make the page again.")


def test_a_map_s_words_end_before_the_edge_however_wide_they_are(drawing):
    tab = drawing("spectrograms", viewport={"width": 360, "height": 900})
    tab.evaluate("""() => {
      globalThis.ends = [];
      const real = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y, most = Infinity) {
        const width = Math.min(most, 2 * this.measureText(text).width); // of a wide font
        if (this.textAlign === "left") ends.push(this.canvas.clientWidth - x - width);
        real.call(this, text, x, y, most);
      };
      show("spectrograms");
    }""")
    tab.wait_for_selector("canvas[aria-label^='Change']")
    ends = tab.evaluate("ends")
    assert len(ends) >= 9
    assert min(ends) >= 0


def test_pictures_tell_their_main_numbers_in_words(drawing):
    tab = drawing("reduction")
    told = labels(tab)
    assert "constant gain of +2.0 dB" in told
    assert "loudness \u22129.0 dB" in told
    assert "for 7 % of the time" in told  # 4 of 60 blocks

    tab.evaluate("show('loudness')")
    assert "master: \u221220.7 LUFS; target \u221214.0 LUFS" in labels(tab).replace(
        ", master", "master"
    )
    assert "6.7 LU below" in tab.inner_text("table")

    tab.evaluate("show('stereo')")
    assert "song: 1.00 typically, 1.00 at least" in labels(tab)
    assert "120 Hz\u201320 kHz" in tab.inner_text("table")

    tab.evaluate("show('grids')")
    assert "b, as it was: 125.0 BPM, steady" in labels(tab)
    assert "4.2 % faster than a" in tab.inner_text("table")
    assert "typically 4 ms from the beats of a" in tab.inner_text("table")

    tab.evaluate("show('receipt')")
    told = tab.inner_text("section")
    assert "but for 0.01 % of its energy (null \u221240.0 dB)" in told
    assert "Weakest: \u221220.0 dB at 120 Hz\u201320 kHz in minute 2" in told

    tab.evaluate("show('masks')")
    tab.wait_for_selector("canvas")
    assert "13 % of the energy" in labels(tab)  # a quarter of one of two equal tones


def test_silence_has_no_correlation(maths):
    told = maths.evaluate("""() => {
      const values = stemfx.heardCorrelation(point("vocals"), data.picture);
      return Array.from(values, String);
    }""")
    assert told == ["1"] * 6 + ["NaN"] * 2


def test_what_was_moved_in_time_is_drawn_in_its_own_time_without_the_play_position(drawing):
    data = made.made_data()
    for point in data["points"]:
        point["has_own_time"] = True
    tab = drawing("masks", data | {"duration_s": 2 * made.DURATION_S})
    box = tab.wait_for_selector("canvas").bounding_box()
    assert "before it was aligned" in tab.inner_text("section")
    tone_hz = made.BANDS_HZ[made.TONE]
    tab.evaluate(f"data.duration_s = {made.DURATION_S}")  # what COLOUR takes for the whole width
    last = tab.evaluate(COLOUR, ["Mask", made.DURATION_S - 0.1, tone_hz])
    assert last[0] > 150  # half of the mixture, up to the end
    tab.evaluate("page.seek(3)")
    assert not tab.query_selector(".pic-cursor").is_visible()
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + 50)
    assert tab.evaluate("page.position") == 3


def test_a_ceiling_without_a_loudness_to_reach_is_drawn_alone(drawing):
    tab = drawing("loudness", made.made_data() | {"target": {"lufs": None, "ceiling_dbtp": -1.0}})
    assert "target" not in labels(tab)
    assert "Target" not in tab.inner_text("table")


def test_a_stranger_s_words_stay_text(drawing):
    tab = drawing("hits")
    assert tab.query_selector("table i") is None
    assert "<i>snare" in tab.inner_text("table")


def test_nothing_is_inflated_before_it_is_wanted_and_only_once(drawing):
    tab = drawing("loudness")
    tab.evaluate("""() => {
      globalThis.inflated = 0;
      const real = DecompressionStream;
      globalThis.DecompressionStream = class {
        constructor(way) { inflated++; return new real(way); }
      };
    }""")
    for name in ("loudness", "stereo", "hits", "grids", "receipt"):
        tab.evaluate(f"show({name!r})")
    assert tab.evaluate("inflated") == 0
    tab.evaluate("document.querySelector('main').style.paddingTop = '5000px'")
    tab.evaluate("show('masks')")
    tab.wait_for_timeout(100)
    assert tab.evaluate("inflated") == 0  # far out of view
    tab.evaluate("document.querySelector('main').style.paddingTop = '0'")
    tab.wait_for_selector("canvas")
    assert tab.evaluate("inflated") == 2  # the stem and its mixture
    for _ in range(2):
        tab.evaluate("show('spectrograms')")
        tab.wait_for_selector("canvas[aria-label^='Change']")
    assert tab.evaluate("inflated") == 3  # the point after the step; its input was the mixture


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_picture_fits_a_phone_and_has_words_for_a_screen_reader(drawing, scheme):
    tab = drawing("loudness", viewport={"width": 360, "height": 800}, color_scheme=scheme)
    names = tab.evaluate("stemfx.pictures.filter((p) => p.wants(data)).map((p) => p.id)")
    assert len(names) == 8
    for name in names:
        tab.evaluate(f"show({name!r})")
        tab.wait_for_selector("table, canvas, [role=img]")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360
        silent = (
            "[...document.querySelectorAll('canvas')].filter((c) => !c.closest('[aria-label]'))"
        )
        assert tab.evaluate(f"{silent}.length") == 0


def test_pictures_that_have_nothing_to_show_are_not_wanted(maths):
    wanted = maths.evaluate("""() => {
      const none = {points: [], steps: [], separation: {}, hits: {}, grids: [], receipts: []};
      const bare = {...data, ...none};
      return stemfx.pictures.filter((p) => p.wants(bare)).map((p) => p.id);
    }""")
    assert wanted == []
