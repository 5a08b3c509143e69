import tracemalloc

import numpy as np
import pytest
from kit_making import strike

from stemfx.errors import AudioFileError
from stemfx.kit_files import read_kit
from stemfx.kit_files.decode import power
from stemfx.kit_files.parts import MAX_SAMPLE_S


def level_db(audio):
    return 10 * np.log10(power(audio))


@pytest.fixture
def layered(put, folder):
    for word, level in (("soft", 0.4), ("med", 0.1), ("hard", 0.8)):
        put(f"snare_{word}_a.wav", hz=200, level=level)
        put(f"snare_{word}_b.wav", hz=200, level=level * 0.9, seed=1)
    return read_kit(folder)


def test_at_full_velocity_the_hardest_layer_is_as_it_is_in_its_file(put, folder):
    hit = strike(60)
    put("kick.wav", hit)
    heard = read_kit(folder).sample("kick", 1.0, 44_100).samples
    np.testing.assert_array_equal(heard, hit.astype(np.float32)[:, : heard.shape[1]])


def test_the_level_follows_the_velocity_through_all_layers(layered):
    # Whatever the layers were recorded at (here the middle one is the softest): v is 20 log10 v.
    loudest = np.mean([power(layered.sample("snare", 1.0, 44_100, take=i)) for i in (0, 1)])
    for velocity in np.linspace(0.02, 1.0, 50):
        takes = [power(layered.sample("snare", velocity, 44_100, take=i)) for i in (0, 1)]
        # Float32 samples: 1e-6 and less.
        assert np.mean(takes) == pytest.approx(velocity**2 * loudest, rel=1e-4)


def test_takes_keep_their_differences(layered):
    a, b = (layered.sample("snare", 0.5, 44_100, take=i) for i in (0, 1))
    assert level_db(a) - level_db(b) == pytest.approx(20 * np.log10(1 / 0.9), abs=0.2)


def test_takes_are_counted_and_another_one_is_refused(layered):
    assert layered.n_takes("snare", 0.5) == 2
    with pytest.raises(IndexError):
        layered.sample("snare", 0.5, 44_100, take=2)


def test_an_impossible_velocity_is_refused(layered):
    for velocity in (0.0, 1.01, float("nan")):
        with pytest.raises(ValueError, match=r"velocity must be in \(0, 1\]"):
            layered.sample("snare", velocity, 44_100)


@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_silence_before_the_attack_is_cut_off_but_for_a_moment(put, folder, sample_rate):
    put("kick.wav", np.concatenate([np.zeros((1, 9_000)), strike(60)], axis=1))
    hit = read_kit(folder).sample("kick", 1.0, sample_rate)
    loud = np.abs(hit.samples[0])
    # 1.5 ms stay; the tone of 60 Hz passes 10 % of its peak 0.3 ms later, the click at once.
    attack_ms = 1000 * np.argmax(loud > 0.1 * loud.max()) / sample_rate
    assert 1.0 < attack_ms < 2.5


def test_the_same_hit_at_another_rate_is_as_long_and_as_loud(put, folder):
    put("kick.wav", hz=60)
    hits = [read_kit(folder).sample("kick", 1.0, rate) for rate in (22_050, 44_100, 96_000)]
    assert np.ptp([hit.duration_s for hit in hits]) < 2 / 22_050
    assert np.ptp([level_db(hit) for hit in hits]) < 0.2  # the click above 11 kHz is lost at 22 kHz


def test_the_identity_changes_with_the_bytes_and_not_with_the_place(put, folder, tmp_path):
    put("kick.wav", hz=60)
    put("snare.wav", hz=200)
    first = read_kit(folder).identity()
    assert read_kit(folder).identity() == first
    moved = folder.rename(tmp_path / "moved")
    assert read_kit(moved).identity() == first
    put("snare.wav", hz=201, folder=moved)
    assert read_kit(moved).identity() != first


def test_silence_as_a_sample_is_a_short_silence(put, folder):
    put("kick.wav", np.zeros((1, 4_410)))
    for velocity in (0.3, 1.0):
        hit = read_kit(folder).sample("kick", velocity, 44_100)
        assert not hit.samples.any()


def test_hats_choke_each_other(put, folder):
    for name in ("hat_open", "hat_closed", "kick"):
        put(f"{name}.wav")
    kit = read_kit(folder)
    assert kit.choke_group("hat_open") == kit.choke_group("hat_closed") == "hats"
    assert kit.choke_group("kick") is None


def test_a_hit_does_not_depend_on_the_hits_before_it(put, folder, monkeypatch):
    monkeypatch.setattr("stemfx.kit_files.file_kit.CACHE_BYTES", 50_000)  # one sample and a bit
    for word in ("soft", "hard"):
        put(f"snare_{word}.wav", hz=200)
    kit = read_kit(folder)
    first = kit.sample("snare", 0.3, 48_000).samples
    for velocity in (0.9, 0.1, 1.0, 0.3):
        kit.sample("snare", velocity, 44_100)
    np.testing.assert_array_equal(kit.sample("snare", 0.3, 48_000).samples, first)
    assert len(kit._decoded) == 1


def test_a_sample_that_is_not_numbers_is_named(put, folder):
    samples = strike(60)
    samples[0, 100] = np.nan
    put("kick.wav", samples)
    with pytest.raises(AudioFileError, match=r"kick\.wav: it holds samples that are not numbers"):
        read_kit(folder).sample("kick", 1.0, 44_100)


def test_a_sample_is_not_tuned_down_to_more_than_the_longest_hit(put, folder):
    put("kick.wav", np.sin(np.arange(80_000))[np.newaxis], sample_rate=8_000)
    (folder / "kit.sfz").write_text("<region> key=36 sample=kick.wav transpose=-48")  # 16 times
    assert read_kit(folder).sample("kick", 1.0, 8_000).duration_s <= MAX_SAMPLE_S


def test_numbered_samples_are_heard_one_after_the_other(put, folder):
    for i in range(20):
        put(f"kick-{i:02}.wav", strike(60, seed=i, seconds=10.0))  # 1.8 MB as float32
    tracemalloc.start()
    try:
        read_kit(folder)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
