"""The page's player, rendered: what its graph gives, to the sample."""

from __future__ import annotations

import numpy as np
import pytest
from sound_page import RATE, copied, lag, noise, render, sound_page

from stemfx.dsp.channels import pan_gains

EDGE = round(0.005 * RATE)  # the fade before a pass begins, and before a loop wraps
SECONDS = 4.0
FLOAT = 1e-6  # of a few float32 gains


@pytest.fixture(scope="module")
def signals():
    t = np.arange(round(SECONDS * RATE)) / RATE
    song = np.stack([noise(SECONDS, 1), noise(SECONDS, 2)])
    tone = np.tile(0.5 * np.sin(2 * np.pi * 440 * t), (2, 1))
    return {"song": song, "tone": tone, "short": song[:, : round(1.3 * RATE)]}


@pytest.fixture(scope="module")
def copies(signals):
    return {name: copied(samples) for name, samples in signals.items()}


@pytest.fixture(scope="module")
def bench(tmp_path_factory, signals):
    return sound_page(tmp_path_factory.mktemp("sound"), signals)


@pytest.fixture
def page(open_page, bench):
    tab = open_page(bench)
    tab.evaluate("() => void (window.engine = start())")
    return tab


def test_a_point_comes_out_where_it_was_put_in(page, signals, copies) -> None:
    for start_s, length_s in ((0.0, 1.0), (0.997, 0.5), (2.3456, 1.2)):
        got = render(page, {"song": {}}, start_s, length_s)
        part = slice(round(start_s * RATE), round(start_s * RATE) + got.shape[1])
        assert np.abs(got - copies["song"][:, part]).max() < FLOAT
        pairs = zip(got, signals["song"][:, part], strict=True)
        assert [lag(heard, original) for heard, original in pairs] == [0, 0]


def test_a_tone_runs_through_the_joins_as_if_there_were_none(page, signals) -> None:
    got = render(page, {"tone": {}}, 0.0, SECONDS)[0]
    error = np.abs(got - signals["tone"][0])
    from_join = np.abs((np.arange(len(error)) + RATE // 2) % RATE - RATE // 2)
    inside = slice(RATE // 10, -RATE // 10)
    near = from_join[inside] < 0.02 * RATE
    # What is left is the codec's own error: a join must not be told from it.
    assert error[inside][near].max() <= 1.25 * error[inside][~near].max()
    assert error[inside].max() < 0.02 * 0.5


def test_a_segment_is_silent_after_its_fade_for_browsers_play_a_sample_too_many(page) -> None:
    tail, n = page.evaluate("""async () => {
      const context = new OfflineAudioContext(2, 1, 48000);
      const segments = new stemfx.Segments(data, load, context, {changed() {}, failed() {}});
      segments.want([["song", 1]]);
      await segments.settled();
      const {origin, to} = segments.span("song", 1);
      const tail = segments.get("song", 1).getChannelData(0).subarray(to - origin);
      return [Math.max(...tail.map(Math.abs)), tail.length];
    }""")
    assert n == round(0.1 * RATE) - EDGE
    assert tail == 0


def test_points_add_up_through_the_recipe_s_faders(page, copies) -> None:
    faders = {"song": (-3.0, 0.5), "tone": (2.0, -1.0), "short": (-6.0, 0.0)}
    want = np.zeros((2, RATE))
    for name, (gain_db, pan) in faders.items():
        want += 10 ** (gain_db / 20) * pan_gains(pan) * copies[name][:, :RATE]
    heard = {name: {"gain_db": gain, "pan": pan} for name, (gain, pan) in faders.items()}
    assert np.abs(render(page, heard, 0.0, 1.0) - want).max() < 4 * FLOAT


def test_the_volume_turns_everything_down(page, copies) -> None:
    page.evaluate("() => void (engine.volume_db = -20)")
    got = render(page, {"song": {}}, 0.5, 0.5)
    assert np.abs(got - 0.1 * copies["song"][:, RATE // 2 : RATE]).max() < FLOAT


def test_a_point_shorter_than_the_song_ends_and_the_rest_plays_on(page, copies) -> None:
    got = render(page, {"short": {}, "tone": {}}, 1.0, 1.0)
    n = copies["short"].shape[1] - RATE
    want = copies["tone"][:, RATE : 2 * RATE].copy()
    want[:, :n] += copies["short"][:, RATE:]
    assert np.abs(got - want).max() < 2 * FLOAT


@pytest.mark.parametrize(
    ("start_s", "loop_s"), [(0.7, (0.9, 1.4)), (0.5, (0.31, 1.002)), (1.5, (1.003, 1.6))]
)
def test_a_loop_wraps_to_the_sample_and_its_first_sample_is_whole(
    page, copies, start_s, loop_s
) -> None:
    # The end of a pass falls over 5 ms, while what comes before the loop's start rises: at the
    # wrap itself the start is there in full, so an attack on it keeps its edge.
    start, end = (round(s * RATE) for s in loop_s)
    page.evaluate("([a, b]) => void (engine.loop = {start_s: a, end_s: b})", loop_s)
    got = render(page, {"song": {}}, start_s, 2.0)
    song = copies["song"]
    at, wraps = np.arange(2 * RATE) + round(start_s * RATE), []
    while at[-1] >= end:
        wraps.append(int(np.argmax(at >= end)))
        at = np.where(at >= end, at - end + start, at)
    want = song[:, at]
    for wrap in wraps:
        fall = 1 - np.arange(EDGE) / EDGE
        before, after = np.arange(end - EDGE, end), np.arange(start - EDGE, start)
        want[:, wrap - EDGE : wrap] = song[:, before] * fall + song[:, after] * (1 - fall)
    assert len(wraps) >= 2
    assert np.abs(got - want).max() < FLOAT


def test_a_broken_segment_is_one_sentence_and_all_else_plays_on(
    open_page, tmp_path, signals
) -> None:
    broken = {("song", 1): b"not Opus at all", ("tone", 2): None}
    page = open_page(sound_page(tmp_path, signals, broken=broken))
    page.evaluate("() => void (window.engine = start())")
    got = render(page, {"song": {}, "tone": {}}, 0.0, SECONDS)
    want = copied(signals["song"], without=(1,)) + copied(signals["tone"], without=(2,))
    assert np.abs(got - want).max() < 2 * FLOAT
    page.evaluate("() => engine.render(heard({song: {}, tone: {}}), 0, 4)")  # told again
    first, second = sorted(page.evaluate("() => events.error.map((e) => e.message)"))[::2]
    assert first.startswith('The audio of "song after all" from 0:01 to 0:02 cannot be decoded (')
    assert first.endswith("): it is silent there, all else plays on.")
    assert second.startswith('The audio of "tone after all" from 0:02 to 0:03 cannot be loaded')


def test_a_browser_without_ogg_opus_is_told_once_of_others_that_have_it(open_page, bench) -> None:
    page = open_page(bench)
    page.evaluate("""() => {
      HTMLMediaElement.prototype.canPlayType = () => "";
      BaseAudioContext.prototype.decodeAudioData = () => Promise.reject(new Error("no"));
      window.engine = start();
    }""")
    assert not render(page, {"song": {}, "tone": {}}, 0.0, 3.0).any()
    (error,) = page.evaluate("() => events.error")
    assert error["message"].startswith("This browser cannot decode Ogg Opus")
    assert "Firefox" in error["message"]


def test_an_unknown_point_and_another_rate_are_refused(page) -> None:
    refused = "(run) => { try { eval(run); } catch (error) { return error.message; } }"
    assert (
        page.evaluate(refused, "engine.hear(heard({nowhere: {}}))") == "there is no point nowhere"
    )
    said = page.evaluate(refused, "start(new AudioContext({sampleRate: 44100}))")
    assert said == "the audio clock runs at 44100 Hz, the song at 48000 Hz"
