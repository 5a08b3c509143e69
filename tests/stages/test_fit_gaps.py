"""`fit_gaps`: it stays where there is room and goes down where it is in the way."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp import gap_fit
from stemfx.stages.fit_gaps import fit_gaps
from stemfx.testing import apply, check_stage, rms_dbfs, tone

RATE = 44_100


def noise(low_hz, high_hz, level_dbfs=-20.0, duration_s=3.0, seed=0):
    """A band of noise, mono, at an RMS level."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(round(duration_s * RATE)))
    hz = np.fft.rfftfreq(round(duration_s * RATE), 1 / RATE)
    samples = np.fft.irfft(spectrum * ((hz >= low_hz) & (hz < high_hz)))
    samples *= 10 ** (level_dbfs / 20) / np.sqrt(np.mean(samples**2))
    return Audio(samples[None].astype(np.float32), RATE)


def mixed(*signals):
    return Audio(np.sum([s.samples for s in signals], axis=0), RATE)


def band_db(audio, low_hz, high_hz):
    samples = audio.samples[0].astype(np.float64)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return 10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum())


def fitted(layer, tracks, **params):
    return apply(fit_gaps, layer, sidechains=tracks, under=list(tracks), **params)


PAD = mixed(noise(200, 600, seed=1), noise(1200, 3500, seed=2), noise(6000, 12_000, seed=3))


def test_a_voice_keeps_its_clarity_and_the_gaps_stay_filled():
    # The voice is about 10 dB below the pad in 1.2 to 3.5 kHz and silent elsewhere: with a headroom
    # of 3 dB the pad has to lose about 7 dB there.
    voice = noise(1000, 4000, -30.0, seed=4)
    out, context = fitted(PAD, {"vocals": voice}, headroom_db=3.0)
    lost = {
        band: band_db(PAD, *band) - band_db(out, *band)
        for band in ((250, 550), (1600, 2600), (7000, 11_000))
    }
    pad_db, voice_db = band_db(PAD, 1600, 2600), band_db(voice, 1600, 2600)
    assert lost[1600, 2600] == pytest.approx(pad_db - voice_db - 3.0, abs=0.7)
    assert lost[250, 550] == pytest.approx(0.0, abs=0.1)
    assert lost[7000, 11_000] == pytest.approx(0.0, abs=0.1)
    m = context.measurements
    # 10 dB above the voice it masks all of it; with 3 dB left nearly none (noise comes and goes).
    assert m["foundation_masked_before_percent"] > 60
    assert m["foundation_masked_after_percent"] < 20
    assert m["masked_after_percent"] < m["masked_before_percent"]


def test_no_band_loses_more_than_allowed():
    voice = noise(1000, 4000, -45.0, seed=4)
    out, context = fitted(PAD, {"vocals": voice}, max_cut_db=4.0)
    assert band_db(PAD, 1600, 2600) - band_db(out, 1600, 2600) == pytest.approx(4.0, abs=0.3)
    assert context.measurements["max_cut_db"] == 4.0


def test_what_is_not_heard_anyway_goes_down():
    # Masked are 6 dB below the music; what is more than 10 dB below that goes down by the rest.
    # In 6 to 12 kHz there is no music: nothing goes.
    loud = noise(150, 800, 5.0, seed=5)
    out, _ = fitted(PAD, {"strings": loud})
    below_db = band_db(loud, 270, 500) - band_db(PAD, 270, 500)
    lost_db = band_db(PAD, 270, 500) - band_db(out, 270, 500)
    assert lost_db == pytest.approx(below_db - 6 - 10, abs=0.7)
    assert band_db(PAD, 7000, 11_000) == pytest.approx(band_db(out, 7000, 11_000), abs=0.1)


def test_the_fader_is_part_of_the_level():
    voice = noise(1000, 4000, -30.0, seed=4)
    out, context = fitted(PAD, {"vocals": voice}, fader_db=-12.0)
    assert np.array_equal(out.samples, PAD.samples)
    assert context.measurements["cut_bands"] == 0


def test_a_track_that_never_plays_with_it_cuts_nothing():
    half = PAD.n_samples // 2
    early, late = PAD.samples.copy(), noise(1000, 4000, -30.0, seed=4).samples.copy()
    early[:, half - RATE // 4 :] = 0
    late[:, : half + RATE // 4] = 0
    out, _ = fitted(Audio(early, RATE), {"vocals": Audio(late, RATE)})
    assert np.array_equal(out.samples, early)


def test_no_phase_turns():
    # A cut by g in the middle of a band leaves a tone there in place: x becomes g x.
    pad = tone(2000.0, peak_dbfs=-20, duration_s=3.0, channels=1)
    out, _ = fitted(pad, {"vocals": noise(1000, 4000, -34.0, seed=4)})
    middle = slice(RATE, 2 * RATE)
    before, after = pad.samples[0, middle], out.samples[0, middle]
    gain = float(before @ after / (before @ before))
    assert gain < 0.8
    assert np.abs(after - gain * before).max() < 1e-3 * np.abs(before).max()


def test_the_foundation_is_known_by_name_or_heard():
    voice = gap_fit.band_powers(noise(200, 400), 3 * RATE)
    named = gap_fit.foundation("lead vocals", voice, RATE)
    heard = gap_fit.foundation("strings", voice, RATE)
    assert named.any()
    assert heard.any()
    assert not (named & heard).any()


def test_it_keeps_the_laws_and_says_so_where_it_still_masks():
    check_stage(fit_gaps, under=["vocals", "drums"], headroom_db=-12.0)
    _, context = fitted(noise(100, 8000, -6.0), {"vocals": noise(100, 8000, -36.0, seed=9)})
    assert [finding.code for finding in context.findings] == ["layer_masks_music"]


def test_the_level_of_an_untouched_layer_is_its_own():
    quiet = noise(1000, 4000, -60.0, seed=4)
    out, _ = fitted(quiet, {"vocals": noise(1000, 4000, -55.0, seed=6)})
    assert rms_dbfs(out) == rms_dbfs(quiet)
