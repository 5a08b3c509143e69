"""What the page draws: its numbers agree with theory on signals whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import made_points as made
import numpy as np
import pytest

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
    point |= {"loudness": made.coded_levels(levels), "peaks": made.text_of(peaks)}
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


def test_change_is_the_cut_where_it_was_made_and_nothing_elsewhere(maths):
    told = maths.evaluate("""async () => {
      const map = stemfx.change(await spectrogram("song"), await spectrogram("vocals after cut"));
      const spectral = stemfx.spectralChange(await spectrogram("song"), await spectrogram("vocals after cut"));
      return {values: Array.from(map.values, String), spectral};
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
    ratio = made.BANDS_HZ[1] / made.BANDS_HZ[0]
    assert np.allclose(edges, made.BANDS_HZ[0] * ratio ** (np.arange(97) - 0.5))


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
