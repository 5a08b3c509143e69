"""Equal loudness and the blind test, against stemfx's own meter and scipy's test."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from scipy.stats import binomtest
from sound_page import RATE, write_page

from stemfx.dsp.loudness import LoudnessMeter

BLOCK = RATE // 10


def meter(samples) -> LoudnessMeter:
    made = LoudnessMeter(RATE, 2)
    made.add(samples)
    return made


def coded(samples) -> str:
    """Return the point's `loudness`: mean squares of 100 ms, in 1/256 dB above -140, 0 silence."""
    cells = meter(samples).cells()
    powers = cells[: len(cells) // 10 * 10].reshape(-1, 10).mean(axis=1)
    with np.errstate(divide="ignore"):
        codes = np.round((10 * np.log10(powers) + 140) * 256)
    return base64.b64encode(np.clip(codes, 0, 65_535).astype("<u2").tobytes()).decode()


def music(seconds: float, seed: int):
    """Noise whose level wanders by 30 dB, so that both gates have work; a silent second in it."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    level_db = -20 - 15 * (1 + np.sin(2 * np.pi * t / rng.uniform(3, 7) + rng.uniform(0, 6)))
    samples = rng.standard_normal((2, t.size)) * 10 ** (level_db / 20)
    samples[:, 3 * RATE : 4 * RATE] = 0
    return samples.astype(np.float32)


@pytest.fixture(scope="module")
def signals():
    steady = 0.1 * np.random.default_rng(9).standard_normal((2, 8 * RATE)).astype(np.float32)
    return [music(12, 1), music(12, 2), steady, np.zeros((2, RATE), np.float32)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("loudness")


@pytest.fixture
def page(open_page, folder, signals):
    points = [{"id": f"p{k}", "loudness": coded(samples)} for k, samples in enumerate(signals)]
    script = """
      const points = JSON.parse(document.getElementById("points").textContent);
      const plain = (values) => Array.from(values, (x) => Number.isFinite(x) ? x : null);
    """
    return open_page(write_page(folder, {"points": points}, script))


RANGES = [(0, None), (0, 4.0), (2.5, 6.1), (7.0, 7.4), (3.3, 11.9)]


def test_loudness_of_the_whole_and_of_ranges_is_what_the_meter_says_of_the_cut(
    page, signals
) -> None:
    for k, samples in enumerate(signals[:3]):
        for start_s, end_s in RANGES:
            cut = samples[:, round(start_s * RATE) : None if end_s is None else round(end_s * RATE)]
            got = page.evaluate(
                "([k, a, b]) => stemfx.loudness(points[k], a, b ?? Infinity)", [k, start_s, end_s]
            )
            assert got == pytest.approx(meter(cut).lufs(), abs=0.05)


def test_silence_and_less_than_400_ms_have_no_loudness(page) -> None:
    said = "() => [stemfx.loudness(points[3]), stemfx.loudness(points[2], 1, 1.3)].map(String)"
    assert page.evaluate(said) == ["-Infinity", "-Infinity"]


def test_running_loudness_is_what_the_meter_says_at_the_end_of_every_block(page, signals) -> None:
    reference = meter(signals[0])
    for name, windows, n in (
        ("momentary", reference.momentary(), 4),
        ("shortTerm", reference.short_term(), 30),
    ):
        got = page.evaluate(f"() => plain(stemfx.{name}(points[0]))")
        assert len(got) == 120
        want = windows[::10]  # the windows that end with block n - 1, n, ...
        for level, lufs in zip(got[n - 1 :], want, strict=True):
            if lufs > -100:  # below lie the tails of filters
                assert level == pytest.approx(lufs, abs=0.05)
        # Silence came before the start: the first block alone is 1 / n of a window.
        first = meter(signals[0][:, :BLOCK]).cells().mean()
        assert got[0] == pytest.approx(-0.691 + 10 * np.log10(first / n), abs=0.05)


@pytest.mark.parametrize("bounds", [None, {"start_s": 2.5, "end_s": 6.1}])
def test_matched_gains_bring_the_louder_down_to_the_other(page, signals, bounds) -> None:
    a, b = page.evaluate("(r) => stemfx.matchedGains(points[0], points[2], r)", bounds)
    assert page.evaluate("(r) => stemfx.matchedGains(points[2], points[0], r)", bounds) == [b, a]
    assert max(a, b) == 0
    part = slice(None) if bounds is None else slice(round(2.5 * RATE), round(6.1 * RATE))
    levels = [meter(10 ** (gain / 20) * signals[k][:, part]).lufs() for k, gain in ((0, a), (2, b))]
    assert levels[0] == pytest.approx(levels[1], abs=0.05)


def test_a_range_too_short_for_loudness_is_matched_by_power_and_silence_not_at_all(
    page, signals
) -> None:
    a, b = page.evaluate(
        "() => stemfx.matchedGains(points[0], points[2], {start_s: 1, end_s: 1.2})"
    )
    powers = [meter(signals[k]).cells()[100:120].mean() for k in (0, 2)]
    assert a - b == pytest.approx(10 * np.log10(powers[1] / powers[0]), abs=0.05)
    assert page.evaluate("() => stemfx.matchedGains(points[0], points[3], null)") == [0, 0]


def test_the_p_value_is_that_of_the_exact_binomial_test(page) -> None:
    script = """(pairs) => pairs.map(([n, nRight]) => {
      const test = new stemfx.BlindTest(() => "A");
      for (let i = 0; i < n; i += 1) { test.next(); test.answer(i < nRight ? "A" : "B"); }
      return [test.n, test.n_right, test.pValue];
    })"""
    pairs = [(n, r) for n in (1, 2, 5, 10, 16, 31) for r in range(n + 1)]
    pairs += [(2000, 1000), (2000, 1100), (2000, 0)]
    for (n, n_right), got in zip(pairs, page.evaluate(script, pairs), strict=True):
        want = binomtest(n_right, n, 0.5, alternative="greater").pvalue
        assert got[:2] == [n, n_right]
        assert got[2] == pytest.approx(want, rel=1e-9)


def test_an_x_is_drawn_once_answered_once_and_not_to_be_foreseen(page) -> None:
    result = page.evaluate("""() => {
      const said = [], test = new stemfx.BlindTest();
      said.push(test.answer("A"), test.n, test.pValue);
      let nA = 0, nSame = 0, last = null;
      for (let i = 0; i < 4000; i += 1) {
        test.next();
        const x = test.x;
        for (const again of "123") { test.next(); if (test.x !== x) return "redrawn " + again; }
        nA += x === "A"; nSame += x === last; last = x;
        if (test.answer(x) !== true || test.answer(x) !== null || test.x !== null) return "twice";
      }
      said.push(test.n, test.n_right);
      test.reset();
      said.push(test.n, test.n_right, test.pValue);
      return {said, nA, nSame};
    }""")
    assert result["said"] == [None, 0, 1, 4000, 4000, 0, 0, 1]
    for count in (result["nA"], result["nSame"]):
        assert binomtest(count, 4000).pvalue > 1e-7
