"""Laws of the pedalboard adapter: layout, length, time, and what an external plugin may do."""

import numpy as np
import pedalboard
import pytest

from stemfx.audio import Audio
from stemfx.dsp import board
from stemfx.errors import StageError

RATE = 44_100
LENGTHS = [1, 2, 3, 100, board.CALL_SAMPLES - 1, board.CALL_SAMPLES, board.CALL_SAMPLES + 1, 20_000]


def noise(n_samples, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return Audio(0.1 * rng.standard_normal((channels, n_samples)), RATE)


def run(plugin, audio, block=65_536):
    out = board.through(plugin, audio.blocks(block), RATE, audio.channels, audio.n_samples)
    return Audio.from_blocks(out, RATE, audio.channels).samples


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_every_length_keeps_its_layout(n_samples, channels):
    audio = noise(n_samples, channels)
    np.testing.assert_array_equal(run(pedalboard.Gain(0.0), audio), audio.samples)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_latency_is_taken_out(n_samples, channels):
    # A limiter that looks 100 ms ahead and has nothing to do is a pure delay of 4410 samples.
    late = pedalboard.BrickwallLimiter(ceiling_db=0.0, lookahead_ms=100.0)
    audio = noise(n_samples, channels)
    np.testing.assert_array_equal(run(late, audio), audio.samples)


def test_the_block_size_changes_no_bit():
    audio = noise(30_000)
    expected = run(pedalboard.Reverb(), audio)
    for block in (1, 1000, board.CALL_SAMPLES):
        np.testing.assert_array_equal(run(pedalboard.Reverb(), audio, block), expected)


@pytest.mark.parametrize("effect", [pedalboard.Reverb, pedalboard.Chorus, pedalboard.Delay])
def test_state_runs_on_from_call_to_call(effect):
    audio = noise(40_000)  # five calls; pedalboard itself takes it in one
    np.testing.assert_array_equal(run(effect(), audio), effect()(audio.samples, RATE))


def test_a_plugin_starts_afresh():
    plugin, audio = pedalboard.Reverb(), noise(10_000)
    np.testing.assert_array_equal(run(plugin, audio), run(plugin, audio))


def test_an_empty_signal_stays_empty():
    assert run(pedalboard.Reverb(), noise(0)).shape == (2, 0)


def test_a_plugin_that_swallows_sound_is_refused():
    class Swallower:
        def reset(self):
            pass

        def __call__(self, samples, _rate, **_options):
            return samples[:, :0]

    with pytest.raises(StageError, match="kept back 100 samples"):
        run(Swallower(), noise(100))


# ------------------------------------------------------------------------ wet beside dry


@pytest.mark.parametrize("mix", [0.0, 0.25, 1.0])
def test_blend_is_the_weighted_sum(mix):
    dry, wet = noise(20_000, seed=1), noise(20_000, seed=2)
    shares = board.linear(mix)
    out = Audio.from_blocks(board.blend(dry, wet.blocks(777), shares, board.ChangeMeter()), RATE)
    expected = (1 - mix) * dry.samples + mix * wet.samples
    np.testing.assert_allclose(out.samples, expected, atol=1e-7)


@pytest.mark.parametrize("mix", [0.0, 0.085, 0.155, 0.5, 0.9, 1.0])
def test_constant_power_keeps_the_level_of_two_unrelated_sounds(mix):
    shares = board.constant_power(mix)
    assert shares.dry**2 + shares.wet**2 == pytest.approx(1.0)
    change = board.ChangeMeter()
    wet = noise(200_000, seed=2)
    for _ in board.blend(noise(200_000, seed=1), wet.blocks(), shares, change):
        pass
    # Statistics of 400 000 samples: 0.05 dB.
    assert change.measurements["level_change_db"] == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("shares", [board.linear, board.constant_power])
def test_no_mix_is_the_dry_signal_and_a_full_mix_the_wet_one_exactly(shares):
    assert shares(0.0) == board.Shares(1.0, 0.0)
    assert shares(1.0) == board.Shares(0.0, 1.0)


@pytest.mark.parametrize("residual_db", [-40.0, -60.0, -80.0, -110.0])
@pytest.mark.parametrize("gain_db", [0.0, -3.0])
def test_a_small_residual_is_read_right(residual_db, gain_db):
    change, audio, gain = board.ChangeMeter(), noise(200_000), 10 ** (gain_db / 20)
    other = noise(200_000, seed=3).samples.astype(np.float64)
    x = audio.samples.astype(np.float64)
    other -= x * np.sum(x * other) / np.sum(x * x)  # nothing of the dry in it
    other *= 10 ** (residual_db / 20) * np.sqrt(np.sum(x * x) / np.sum(other**2))
    change.add(x, gain * (x + other))
    assert change.measurements["level_change_db"] == pytest.approx(gain_db, abs=0.01)
    assert change.measurements["residual_db"] == pytest.approx(residual_db, abs=0.05)


def test_a_pure_gain_changes_the_level_and_leaves_no_residual():
    change, audio = board.ChangeMeter(), noise(5_000)
    change.add(audio.samples, -0.5 * audio.samples)
    assert change.measurements["level_change_db"] == pytest.approx(-6.02, abs=0.01)
    assert change.measurements["residual_db"] < -140  # double precision


def test_an_unrelated_sound_of_the_same_power_leaves_half_as_residual():
    change = board.ChangeMeter()
    x, noise_too = noise(200_000, seed=1).samples, noise(200_000, seed=2).samples
    change.add(x, x + noise_too)
    # Statistics of 400 000 samples: 0.1 dB.
    assert change.measurements["level_change_db"] == pytest.approx(3.01, abs=0.1)
    assert change.measurements["residual_db"] == pytest.approx(-3.01, abs=0.1)


def test_silence_has_no_change_to_report():
    change = board.ChangeMeter()
    change.add(np.zeros((2, 10), np.float32), np.zeros((2, 10), np.float32))
    assert change.measurements == {}


# ------------------------------------------------------------------------ external plugins


class FakePlugin:
    """What pedalboard shows of an external plugin, for one channel layout."""

    name = "Fake"
    version = "1.0"
    reported_latency_samples = 0
    is_effect = True

    def __init__(self, channels=2):
        self.channels = channels
        self.parameters = {"gain_db": 0.0, "drive_percent": 0.0}
        self.gain_db = self.drive_percent = 0.0

    def reset(self):
        pass

    def __call__(self, samples, _rate, **_options):
        if len(samples) != self.channels:
            msg = f"Plugin 'Fake' does not support {len(samples)}-channel output."
            raise ValueError(msg)
        return np.float32(10 ** (self.gain_db / 20)) * samples


@pytest.mark.parametrize("wants", [1, 2])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_plugin_of_either_layout_takes_mono_and_stereo(wants, channels):
    audio = noise(20_000, channels)
    out = board.through_external(lambda: FakePlugin(wants), audio)
    np.testing.assert_array_equal(Audio.from_blocks(out, RATE, channels).samples, audio.samples)


def test_a_plugin_of_neither_layout_is_refused():
    with pytest.raises(StageError, match="neither mono nor stereo"):
        list(board.through_external(lambda: FakePlugin(6), noise(100)))


def test_a_known_parameter_is_set_and_an_unknown_one_gets_a_hint():
    plugin = FakePlugin()
    board.set_parameters(plugin, {"gain_db": -6.0})
    assert plugin.gain_db == -6.0
    with pytest.raises(StageError, match="no parameter 'gain_dB'; did you mean 'gain_db'"):
        board.set_parameters(plugin, {"gain_dB": 1.0})
    with pytest.raises(StageError, match="it has: gain_db, drive_percent"):
        board.set_parameters(plugin, {"zzz": 1.0})


def test_a_value_that_a_plugin_does_not_take_is_named():
    class Strict:
        def __init__(self):
            vars(self)["parameters"] = {"gain_db": 0.0}

        def __setattr__(self, name, value):
            vars(self)[name] = float(value)

    with pytest.raises(StageError, match="'gain_db' cannot be 'loud': could not convert"):
        board.set_parameters(Strict(), {"gain_db": "loud"})


def test_a_file_that_is_no_plugin_is_refused_with_its_path(tmp_path):
    fake = tmp_path / "Nice Reverb.vst3"
    fake.write_text("not a plugin")
    with pytest.raises(StageError, match=r"Nice Reverb\.vst3 cannot be loaded"):
        board.load_external(fake)


def test_an_instrument_is_refused(monkeypatch, tmp_path):
    synth = FakePlugin()
    synth.is_effect = False
    monkeypatch.setattr(pedalboard, "load_plugin", lambda *_args, **_options: synth)
    with pytest.raises(StageError, match="is an instrument; only effects"):
        board.load_external(tmp_path / "Synth.vst3")
