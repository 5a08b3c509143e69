"""The page's player as it plays: every sample of its output is kept and compared.

Timers come once a second at most on these pages, as in a hidden tab.
"""

from __future__ import annotations

import browsing
import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt
from sound_page import RATE, Heard, copied, lag, noise, samples_of, sound_page

SECONDS = 6.0
N_POINTS = 20
FLOAT = 1e-6


@pytest.fixture(scope="module")
def signals():
    t = np.arange(round(SECONDS * RATE)) / RATE
    song, silent = noise(SECONDS, 3), np.zeros(round(SECONDS * RATE))
    tone = np.tile(0.5 * np.sin(2 * np.pi * 440 * t), (2, 1))
    return {
        "left": np.stack([song, silent]),
        "right": np.stack([silent, song]),
        "tone": tone,
        "soft": 0.5 * tone,
    }


@pytest.fixture(scope="module")
def bench(tmp_path_factory, signals):
    copies = {f"copy{k}": "left" for k in range(N_POINTS)}
    points = {name: name for name in signals} | copies
    return sound_page(tmp_path_factory.mktemp("live"), signals, points=points)


@pytest.fixture
def perform(open_page, bench):
    """Return a function that runs a script and returns what was heard meanwhile, and its result.

    The script has `engine`, `mark(name)`, which keeps the frame of the audio clock and the
    position that the engine claims for it, `sleep(ms)` and `heardAgain(ms)`, which waits until
    all that is asked for has been heard for so long.
    """

    def run(script: str):
        page = open_page(bench)
        result = page.evaluate(
            """async (script) => {
              const engine = window.engine = start();
              await engine.context.resume();
              const marks = {};
              const mark = (name) => {
                const t = engine.context.currentTime;
                marks[name] = [Math.round(t * 48000), Math.round(engine.positionAt(t) * 48000)];
              };
              const heardAgain = (ms) => heardFor(engine, ms);
              const stop = await listen(engine);
              await sleep(50);
              await eval(`(async () => { ${script} })()`);
              await sleep(150);
              return {...stop(), marks, events};
            }""",
            script,
        )
        page.evaluate("() => engine.close()")
        return Heard(samples_of(result["samples"]), result["frame"]), result

    return run


def test_points_started_together_sound_together_after_whatever_is_done(perform, signals) -> None:
    heard, result = perform("""
      engine.seek(0.4);
      engine.hear(heard({left: {}, right: {}}));
      engine.play();
      await heardAgain(150); mark("started");
      engine.seek(2.95);
      await heardAgain(150); mark("sought");
      engine.loop = {start_s: 3.1, end_s: 3.5};
      await sleep(900); mark("in a loop");
      engine.hear(heard({left: {}}));
      await sleep(200);
      engine.hear(heard({left: {}, right: {}}));
      await heardAgain(150); mark("joined in a loop");
      engine.loop = null;
      await heardAgain(150); mark("unlooped");
      engine.pause();
    """)
    n = round(0.1 * RATE)
    want = copied(signals["left"]) + copied(signals["right"])
    for name, (frame, sample) in result["marks"].items():
        got = heard.at(frame - n, n)
        in_pass = np.arange(sample - n, sample)
        if name.endswith("loop"):  # what lies before its start was heard at its end, which fades
            in_pass[in_pass < 3.1 * RATE] += round(0.4 * RATE)
            got, in_pass = got[:, in_pass < 3.495 * RATE], in_pass[in_pass < 3.495 * RATE]
        assert np.abs(got - want[:, in_pass]).max() < FLOAT, name
    marks = result["marks"]
    assert round(3.1 * RATE) <= marks["in a loop"][1] < round(3.5 * RATE)
    # Left and right are two points of the same song: nowhere is one later than the other.
    lags = []
    for start in range(0, heard.samples.shape[1] - n, n):
        left, right = heard.samples[:, start : start + n]
        if min(np.std(left), np.std(right)) > 0.05:
            lags.append(lag(left, right))
    assert len(lags) > 15
    assert set(lags) == {0}


def splatter(heard: Heard) -> float:
    """Return the highest level above 6 kHz; 1 is a step of 0.25: a switch without a crossfade."""
    high = butter(4, 6_000, "high", fs=RATE, output="sos")
    step = np.where(np.arange(4_800) < 2_400, 0, 0.25)
    peaks = [np.abs(sosfiltfilt(high, signal)).max() for signal in (heard.samples, step)]
    return peaks[0] / peaks[1]


def test_nothing_clicks(perform) -> None:
    heard, _ = perform("""
      engine.seek(0.7137);
      engine.hear(heard({tone: {}}));
      engine.prepare(["soft"]);
      engine.play();
      await heardAgain(100);
      for (const id of ["soft", "tone", "soft", "tone"]) {
        engine.hear(heard({[id]: {}}));
        await sleep(id === "soft" ? 100 : 5);  // the second switch comes amid the first
      }
      engine.seek(2.9011);
      await heardAgain(0);
      engine.loop = {start_s: 2.95013, end_s: 3.20031};
      await sleep(500);
      engine.volume_db = -6;
      await sleep(50);
      engine.hear(heard({tone: {gain_db: 3, pan: -0.5}}));
      await sleep(50);
      engine.pause();
    """)
    assert np.abs(heard.samples).max() > 0.45
    assert splatter(heard) < 0.02


def test_a_segment_that_comes_late_comes_in_softly_and_in_step_and_the_next_in_time(
    perform, signals
) -> None:
    # Nothing but the timer, once a second, brings the later segments on.
    heard, result = perform("""
      slow_ms["tone/1"] = 900;
      engine.hear(heard({tone: {}}));
      engine.seek(0.8);  // nearer to the join it would wait for it
      engine.play();
      await until(() => engine.position > 3.3); mark("whole");
    """)
    frame, sample = result["marks"]["whole"]
    n = round(1.6 * RATE)
    want = copied(signals["tone"])[:, sample - n : sample]
    assert np.abs(heard.at(frame - n, n) - want).max() < FLOAT
    assert splatter(heard) < 0.02
    missing = heard.at(frame - sample + round(1.02 * RATE), round(0.03 * RATE))
    assert not missing.any()  # it did come late


def test_twenty_points_start_in_step_though_the_page_is_slow(perform, signals) -> None:
    # The first starts take the page 100 ms: more than the engine plans for.
    gain_db = -20 * np.log10(N_POINTS)
    heard, result = perform(f"""
      const begin = AudioBufferSourceNode.prototype.start;
      let nSlow = {N_POINTS};
      AudioBufferSourceNode.prototype.start = function (...times) {{
        begin.apply(this, times);
        if (nSlow-- > 0) for (const t = performance.now(); performance.now() < t + 5; ) {{}}
      }};
      const all = data.points.filter((p) => p.id.startsWith("copy"));
      engine.hear(new Map(all.map(({{id}}) => [id, {{gain_db: {gain_db}, pan: 0}}])));
      engine.play();
      await until(() => engine.position > 0.5); mark("playing");
    """)
    frame, sample = result["marks"]["playing"]
    n = round(0.4 * RATE)
    want = copied(signals["left"])[:, sample - n : sample]
    assert np.abs(heard.at(frame - n, n) - want).max() < 10 * FLOAT


def test_what_is_heard_goes_on_until_what_shall_be_heard_is_decoded(perform) -> None:
    heard, result = perform("""
      engine.hear(heard({left: {}}));
      engine.play();
      await heardAgain(100);
      delay_ms = 300;
      mark("asked");
      engine.hear(heard({right: {}}));
      await sleep(250); mark("waiting");
      await heardAgain(0); mark("switched");
    """)
    marks = {name: frame for name, (frame, _) in result["marks"].items()}
    loud = np.std(heard.at(marks["asked"], marks["switched"] - marks["asked"]).sum(axis=0))
    before = heard.at(marks["asked"], marks["waiting"] - marks["asked"])
    after = heard.at(marks["switched"], 4_800)
    assert np.std(before[0]) > 0.8 * loud
    assert np.abs(before[1]).max() < 0.01
    assert np.std(after[1]) > 0.8 * loud
    assert np.abs(after[0]).max() < 0.01
    assert [w["isWaiting"] for w in result["events"]["waiting"]][-2:] == [True, False]


def test_the_end_stops_and_play_starts_anew(perform) -> None:
    _, result = perform("""
      engine.hear(heard({left: {}}));
      engine.seek(5.8);
      engine.play();
      await until(() => !engine.isPlaying);
      const seen = [engine.isPlaying, engine.position];
      engine.play();
      await heardAgain(0);
      seen.push(engine.isPlaying, engine.position < 3);
      engine.seek(99);
      seen.push(engine.isPlaying, engine.position);
      engine.loop = {start_s: 2, end_s: 3};
      engine.play();
      seen.push(engine.position);
      engine.toggle();
      engine.loop = {start_s: 2, end_s: 2.01};
      seen.push(engine.isPlaying, engine.loop);
      events.seen = seen;
    """)
    assert result["events"]["seen"] == [False, 6, True, True, False, 6, 2, False, None]
    assert [s["isPlaying"] for s in result["events"]["state"]] == [True, False] * 3


def test_the_position_is_what_leaves_the_loudspeaker(perform) -> None:
    _, result = perform("""
      engine.hear(heard({left: {}}));
      engine.play();
      await until(() => engine.position > 0.3);
      const now_s = engine.context.currentTime;
      events.late = [engine.positionAt(now_s) - engine.position, engine.context.outputLatency];
      await sleep(100);
    """)
    late_s, latency_s = result["events"]["late"]
    assert latency_s > 0
    assert abs(late_s - latency_s) < 0.011  # one callback of the audio clock
    positions = result["events"]["position"]
    assert len(positions) > 10
    assert np.all(np.diff(positions[1:]) >= 0)


def test_few_buffers_live_however_long_one_listens(open_page, bench) -> None:
    page = open_page(bench)
    session = page.context.new_cdp_session(page)

    def count() -> int:
        prototype = session.send("Runtime.evaluate", {"expression": "AudioBuffer.prototype"})
        asked = {"prototypeObjectId": prototype["result"]["objectId"]}
        found = session.send("Runtime.queryObjects", asked)["objects"]["objectId"]
        length = {"functionDeclaration": "function () { return this.length; }", "objectId": found}
        n: int = session.send("Runtime.callFunctionOn", length)["result"]["value"]
        session.send("Runtime.releaseObject", {"objectId": found})  # it would keep them alive
        return n

    page.evaluate("""async () => {
      window.engine = start();
      engine.hear(new Map(data.points.slice(4).map(({id}) => [id, {gain_db: -26, pan: 0}])));
      engine.play();
      for (const s of [0, 4.5, 1, 5, 0.5, 3]) { engine.seek(s); await sleep(100); }
      engine.seek(0);
      await heardFor(engine, 0);
    }""")
    # Five seconds ahead are six segments of 1 s; what was sought before is gone.
    assert N_POINTS <= count() <= N_POINTS * 6
    page.evaluate("""async () => {
      engine.hear(heard({left: {}}));
      await heardFor(engine, 0);
      engine.seek(0);
      await heardFor(engine, 1000);
    }""")
    assert count() <= 7
    page.evaluate("() => engine.close()")


def test_a_page_that_may_not_sound_yet_waits_for_a_gesture(driver, executable, bench) -> None:
    own = """<script>window.engine = start();
      engine.hear(heard({left: {}})); engine.play();</script>"""
    strict = bench.with_name("strict.html")
    strict.write_text(bench.read_text(encoding="utf-8") + own, encoding="utf-8")
    browser = browsing.launched(driver, executable, gesture_needed=True)
    page = browser.new_page()
    page.goto(strict.as_uri())
    page.wait_for_timeout(200)
    state = "() => [engine.context.state, engine.isPlaying, engine.position]"
    waiting = "() => events.waiting.at(-1)"
    assert page.evaluate(state) == ["suspended", True, 0]
    assert page.evaluate(waiting) == {"isWaiting": True, "needsGesture": True}
    page.mouse.click(10, 10)
    page.evaluate("() => until(() => engine.position > 0.1)")
    assert page.evaluate(state)[:2] == ["running", True]
    assert page.evaluate(waiting)["isWaiting"] is False
    browser.close()
