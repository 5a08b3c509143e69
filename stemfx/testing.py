"""The conformance suite: hold any stage, built-in or yours, to the laws of `stemfx.stage`.

In a plugin's tests:

    from stemfx.testing import apply, check_stage

    def test_tilt_keeps_the_laws():
        check_stage(tilt, gain_db=3.0)

    def test_tilt_reports_its_gain():
        out, context = apply(tilt, song, gain_db=3.0)
        assert context.measurements["gain_db"] == 3.0

Pass parameters that make the stage *work*, so that the laws are put to the test. A law that
does not apply to a stage (as its flags say) is skipped with its reason. Broken laws raise
`AssertionError` with the stage, the law and the number that was measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Audio, Block, Signal
from stemfx.errors import StageError
from stemfx.hits import Hit
from stemfx.kit import Kit
from stemfx.kits.synth import SynthKit
from stemfx.music_reading import MusicReading
from stemfx.stage import HitParams, ReferenceKind, Song, Stage, StageContext, StageParams

NULL_DB = -120.0
"""What counts as nothing: twenty bits down, far under any 16-bit file, above float32 rounding."""

RAGGED = (1, 7, 1000, 65_536, 333, 16)
"""Block lengths that `RaggedSignal` deals out: shorter, longer and odd to any inner framing."""


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads like assert
    if not condition:
        raise AssertionError(message)


# ---------------------------------------------------------------------------- running a stage


def apply(
    stage: Stage,
    audio: Signal,
    *,
    sidechains: Mapping[str, Signal] | None = None,
    seed: int = 0,
    files: Mapping[str, Path] | None = None,
    sounds: Mapping[str, Signal] | None = None,
    kits: Mapping[str, Kit] | None = None,
    readings: Mapping[str, MusicReading] | None = None,
    drum_hits: Sequence[Hit] = (),
    song: Song | str | None = None,
    is_generated: bool = False,
    **params: Any,
) -> tuple[Audio, StageContext]:
    """Run one stage on `audio`, as the engine would, and check what it yields.

    Args:
        stage: the stage.
        audio: its input.
        sidechains: signals by the name of their track.
        seed: for stages that draw random numbers.
        files: paths by the name of the parameter that refers to a file.
        sounds: signals, at the rate of `audio`, by the name of the parameter.
        kits: drum kits by the name of the parameter.
        readings: what songs play to, by the name of the parameter.
        drum_hits: for stages that are told drum hits.
        song: what a stage that hears its song is given; its analysis is made here. Or a name: that
            is the parameter called `song`.
        is_generated: whether the song came out of an AI generator.
        params: as a recipe would give them; they are validated.

    Returns:
        the output (a check's is its input) and the context with measurements and findings.

    Raises:
        AssertionError: a block is not `(channels, n_samples)` float32, C-contiguous and finite.
        pydantic.ValidationError: a parameter is unknown, of a wrong type or out of its range.
        StageError: the stage refused.
    """
    if isinstance(song, str):
        params, song = params | {"song": song}, None
    settings = stage.params.model_validate(params)
    context = StageContext(
        seed=seed,
        sidechains=sidechains or {},
        files=files or {},
        sounds=sounds or {},
        kits=kits or {},
        readings=readings or {},
        hits=tuple(drum_hits),
        song=None if song is None else analysed(stage, settings, song),
        is_generated=is_generated,
    )
    blocks = []
    for block in stage.process(audio, settings, context):
        _check_block(stage, block)
        blocks.append(block)
    if stage.is_check:
        _require(not blocks, f"{stage.name} is a check and must not yield")
        return Audio(audio.read(), audio.sample_rate), context
    return Audio.from_blocks(blocks, audio.sample_rate, audio.channels), context


def analysed(stage: Stage, settings: StageParams, song: Song) -> Song:
    """Return the song with what the stage's analysis finds in it, by way of JSON, as a run has it.

    Raises:
        TypeError: the analysis returned something that JSON cannot hold.
    """
    if stage.analysis is None:
        return song
    asked = settings.model_dump(mode="json")
    subset = {name: asked[name] for name in stage.analysis.settings}
    found = stage.analysis.find(replace(song, own="", analysis={}), subset)
    return replace(song, analysis=json.loads(json.dumps(found, allow_nan=False)))


def _check_block(stage: Stage, block: Any) -> None:
    where = f"{stage.name} yielded"
    _require(isinstance(block, np.ndarray), f"{where} a {type(block).__name__}, not an array")
    _require(block.dtype == np.float32, f"{where} {block.dtype}; a block is float32")
    _require(block.ndim == 2, f"{where} shape {block.shape}; a block is (channels, n_samples)")
    _require(block.shape[1] > 0, f"{where} a block without samples")
    _require(block.flags.c_contiguous, f"{where} a block that is not C-contiguous")
    _require(bool(np.isfinite(block).all()), f"{where} NaN or infinity")


def null_db(expected: Signal, actual: Signal) -> float:
    """Return the level of actual - expected relative to expected, in dB (-inf: equal bits)."""
    left, right = (s.read().astype(np.float64) for s in (expected, actual))
    _require(left.shape == right.shape, f"shapes differ: {left.shape} and {right.shape}")
    error, reference = float(np.sum((right - left) ** 2)), float(np.sum(left**2))
    if error == 0:
        return -math.inf
    return 10.0 * math.log10(error / reference) if reference else math.inf


# ---------------------------------------------------------------------------- signals


def example_audio(duration_s: float = 1.0, sample_rate: int = 44_100, seed: int = 0) -> Audio:
    """Make a stereo signal with something for every stage to act on, peak -6 dBFS.

    A bass note left of the middle, a chord, hits with noisy tails, all of it swelling and
    decaying by 23 dB: left and right are alike and yet different, loud and yet quiet.
    """
    rng = np.random.default_rng(seed)
    n_samples = round(duration_s * sample_rate)
    t = np.arange(n_samples) / sample_rate
    hit = np.exp(-12.0 * (t % 0.33))
    noise = rng.standard_normal((2, n_samples)) * hit
    tones = [np.sin(2 * np.pi * hz * t + seed) for hz in (55.0, 220.0, 277.2, 3000.0)]
    left = tones[0] + 0.5 * tones[1] + 0.2 * tones[3] * hit + 0.3 * noise[0]
    right = 0.6 * tones[0] + 0.5 * tones[2] + 0.3 * noise[0] + 0.2 * noise[1]
    samples = np.stack((left, right)) * (0.07 + np.exp(-8.0 * (t % 0.5)))
    return Audio((0.5 / np.abs(samples).max() * samples).astype(np.float32), sample_rate)


def example_song(own: Signal) -> Song:
    """Make a song of which `own` is one stem; two others of its length are there beside it."""
    mine = own.read()
    stems = {"vocals": Audio(mine, own.sample_rate)}
    for seed, name in enumerate(("drums", "other"), start=11):
        made = example_audio(own.n_samples / own.sample_rate, own.sample_rate, seed).samples
        stems[name] = Audio(np.ascontiguousarray(made[: own.channels]), own.sample_rate)
    mixture = np.stack([stem.samples for stem in stems.values()]).sum(axis=0)
    return Song(stems, "vocals", Audio(mixture, own.sample_rate))


def example_reference(own: Signal) -> Audio:
    """Make a song to compare with: brighter, narrower and louder than `example_audio`, 2 s."""
    made = example_audio(2.0, own.sample_rate, 9).samples
    treble = np.diff(made, axis=1, prepend=np.float32(0))
    bright = 1.5 * made + 2.0 * treble
    return Audio((bright + 0.3 * bright[::-1]).astype(np.float32), own.sample_rate)


def example_hit(sample_rate: int) -> Audio:
    """Return a sound to play: a snare of the built-in kit, mono."""
    return SynthKit().sample("snare", 0.9, sample_rate)


def example_hits(signal: Signal) -> tuple[Hit, ...]:
    """Return a kick and a snare in turn, four a second, as long as the signal lasts."""
    duration_s = signal.n_samples / signal.sample_rate
    times = np.arange(0.05, duration_s, 0.25)
    return tuple(
        Hit(float(time_s), "kick" if i % 2 == 0 else "snare", 0.5 + 0.1 * (i % 5))
        for i, time_s in enumerate(times)
    )


def example_reading(signal: Signal) -> MusicReading:
    """Return what a song as long as the signal plays to: 120 beats a minute, in A minor."""
    duration_s = signal.n_samples / signal.sample_rate
    beats_s = tuple(float(t) for t in np.arange(0.0, duration_s, 0.5))
    return MusicReading(
        bpm=120.0,
        bpm_confidence=1.0,
        beats_s=beats_s,
        downbeats_s=beats_s[::4],
        key="A minor",
        key_confidence=1.0,
        key_runner_up="C major",
        tuning_cents=0.0,
        duration_s=duration_s,
    )


def tone(
    freq_hz: float,
    *,
    peak_dbfs: float = -6.0,
    duration_s: float = 1.0,
    sample_rate: int = 44_100,
    channels: int = 2,
) -> Audio:
    """Make a sine, the same on every channel."""
    t = np.arange(round(duration_s * sample_rate)) / sample_rate
    sine = 10.0 ** (peak_dbfs / 20.0) * np.sin(2.0 * np.pi * freq_hz * t)
    return Audio(np.tile(sine.astype(np.float32), (channels, 1)), sample_rate)


def rms_dbfs(signal: Signal, start_s: float = 0.0, stop_s: float | None = None) -> float:
    """Return the root mean square over all channels of a stretch, in dB re full scale.

    A steady sine reads 3.01 dB below its peak.
    """
    rate = signal.sample_rate
    stretch = signal.read(round(start_s * rate), None if stop_s is None else round(stop_s * rate))
    power = float(np.mean(np.square(stretch, dtype=np.float64)))
    return 10.0 * math.log10(power) if power else -math.inf


@dataclass(frozen=True)
class RaggedSignal:
    """A signal whose blocks have odd and changing lengths wherever a stage does not ask for one."""

    audio: Audio

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self.audio.sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.audio.channels

    @property
    def n_samples(self) -> int:
        """Length in samples per channel."""
        return self.audio.n_samples

    def blocks(self, n_samples: int | None = None) -> Iterator[Block]:
        """Yield blocks of `n_samples`, or of the lengths in `RAGGED` when left open."""
        if n_samples is not None:
            yield from self.audio.blocks(n_samples)
            return
        start = 0
        for length in cycle(RAGGED):
            if start >= self.n_samples:
                return
            yield self.read(start, start + length)
            start += length

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop`."""
        return self.audio.read(start, stop)


# ---------------------------------------------------------------------------- the laws


@dataclass(frozen=True)
class Case:
    """A stage with parameters that make it work.

    Args:
        stage: the stage.
        params: as in a recipe. Those without a default must be here. What they name is made up:
            tracks, sounds and songs; of kits, `SynthKit` is taken for each.
        files: paths by the name of the parameter that refers to a file.
        no_neutral: why no setting of this stage leaves the signal alone, if none does.
    """

    stage: Stage
    params: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    no_neutral: str = ""

    def run(
        self, audio: Signal, *, seed: int = 0, params: Mapping[str, Any] | None = None
    ) -> Audio:
        """Return the stage's output for `audio`, with these parameters or others."""
        return self.apply(audio, seed=seed, params=params)[0]

    def apply(
        self, audio: Signal, *, seed: int = 0, params: Mapping[str, Any] | None = None
    ) -> tuple[Audio, StageContext]:
        """Return what `stemfx.testing.apply` does, with these parameters or others."""
        chosen = self.params if params is None else params
        key = example_audio(max(0.05, audio.n_samples / audio.sample_rate), audio.sample_rate, 7)
        own = example_song(audio) if self.stage.hears_song else chosen.get("song")
        named = (chosen.get(name) or () for name in self.stage.references("track"))
        tracks = [track for one in named for track in ([one] if isinstance(one, str) else one)]
        return apply(
            self.stage,
            audio,
            sidechains=dict.fromkeys(tracks, key),
            seed=seed,
            files=self.files,
            sounds={name: example_hit(audio.sample_rate) for name in self._named("sound", chosen)}
            | {name: example_reference(audio) for name in self._named("song", chosen)},
            kits=dict.fromkeys(self._named("kit", chosen), SynthKit()),
            readings=dict.fromkeys(self._named("source", chosen), example_reading(audio)),
            drum_hits=example_hits(audio) if issubclass(self.stage.params, HitParams) else (),
            song=own,
            **{name: value for name, value in chosen.items() if name != "song"},
        )

    def _named(self, kind: ReferenceKind, chosen: Mapping[str, Any]) -> list[str]:
        """Return the parameters of a kind that name something."""
        fields = self.stage.params.model_fields
        return [n for n in self.stage.references(kind) if chosen.get(n, fields[n].default)]

    @property
    def neutral_params(self) -> dict[str, Any]:
        """The neutral value of each knob that declares one; what is required; else the defaults.

        Sounds and songs are named as in `params`: one of two may be required.
        """
        neutral = {}
        references = {*self.stage.references("sound"), *self.stage.references("song")}
        for name, info in self.stage.params.model_fields.items():
            extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
            if "neutral" in extra:
                neutral[name] = extra["neutral"]
            elif info.is_required() or (name in references and name in self.params):
                neutral[name] = self.params[name]
        return neutral


Law = Callable[[Case], str | None]
"""Raises AssertionError when broken; returns the reason when it does not apply."""


def _expected_channels(case: Case, channels: int) -> int:
    return max(2, channels) if case.stage.makes_stereo else channels


def _require_null(case: Case, expected: Audio, actual: Audio, broken: str) -> None:
    measured = null_db(expected, actual)
    _require(
        measured <= NULL_DB,
        f"{case.stage.name}: {broken} (off by {measured:.1f} dB, allowed {NULL_DB:g} dB)",
    )


def is_documented(case: Case) -> str | None:
    """Say what a stage does in a line, and what every parameter does in another."""
    name = case.stage.name
    _require(name.isidentifier() and name == name.lower(), f"{name!r} is not snake_case")
    _require(bool(case.stage.summary), f"{name} has no docstring")
    for param, info in case.stage.params.model_fields.items():
        _require(bool(info.description), f"{name}.{param} has no help")
    return None


def leaves_its_input_alone(case: Case) -> str | None:
    """Never change the samples that came in."""
    samples = np.array(example_audio().samples)
    before = samples.copy()
    case.run(Audio(samples, 44_100))
    _require(np.array_equal(before, samples), f"{case.stage.name} changed its input")
    return None


def keeps_the_shape(case: Case) -> str | None:
    """Give as many samples and channels as came in."""
    if case.stage.changes_length:
        return "changes the length, as declared"
    audio = example_audio()
    out = case.run(audio)
    expected = (_expected_channels(case, audio.channels), audio.n_samples)
    _require(
        out.samples.shape == expected,
        f"{case.stage.name} gave {out.samples.shape} for {audio.samples.shape}, not {expected}",
    )
    return None


def takes_mono(case: Case) -> str | None:
    """Work on one channel, and give one back unless it makes stereo."""
    stereo = example_audio()
    out = case.run(Audio(stereo.samples[:1], stereo.sample_rate))
    expected = _expected_channels(case, 1)
    _require(
        out.channels == expected,
        f"{case.stage.name} gave {out.channels} channel(s) for mono; expected {expected}",
    )
    return None


def keeps_silence(case: Case) -> str | None:
    """Make no sound out of silence."""
    out = case.run(Audio(np.zeros((2, 44_100), np.float32), 44_100))
    peak = float(np.abs(out.samples).max(initial=0.0))
    _require(peak <= 1e-6, f"{case.stage.name} made sound out of silence: peak {peak:.2g}")
    return None


def is_neutral_when_neutral(case: Case) -> str | None:
    """Give the input back, below -120 dBFS, at the neutral setting."""
    if case.no_neutral:
        return f"no neutral setting: {case.no_neutral}"
    audio = example_audio()
    out = case.run(audio, params=case.neutral_params)
    if case.stage.makes_stereo and out.channels > audio.channels:
        audio = Audio(np.repeat(audio.samples, out.channels, axis=0), audio.sample_rate)
    _require_null(
        case,
        audio,
        out,
        f"{case.neutral_params or 'its defaults'} should be neutral and change the signal; "
        "declare knob(neutral=...), or pass no_neutral='why there is none'",
    )
    return None


def repeats_itself(case: Case) -> str | None:
    """Give the same bits for the same input, parameters and seed."""
    audio = example_audio()
    first, second = (case.run(audio, seed=5) for _ in range(2))
    _require(
        np.array_equal(first.samples, second.samples),
        f"{case.stage.name} gave different bits for the same seed",
    )
    return None


def is_linear_as_declared(case: Case) -> str | None:
    """Scale the output when the input is scaled, if the stage says it is linear."""
    if not case.stage.is_linear:
        return "is not linear, as declared"
    audio, factor = example_audio(), np.float32(-0.3)
    scaled_in = case.run(Audio(factor * audio.samples, audio.sample_rate))
    scaled_out = Audio(factor * case.run(audio).samples, audio.sample_rate)
    _require_null(case, scaled_out, scaled_in, "is declared linear and does not scale")
    return None


def is_symmetric_as_declared(case: Case) -> str | None:
    """Swap the output's sides when the input's are swapped, unless the stage says otherwise."""
    if not case.stage.is_symmetric:
        return "is not symmetric, as declared"
    audio = example_audio()
    swapped_in = case.run(Audio(audio.samples[::-1], audio.sample_rate))
    swapped_out = Audio(case.run(audio).samples[::-1], audio.sample_rate)
    _require_null(case, swapped_out, swapped_in, "is declared symmetric and favours a side")
    return None


def ignores_the_block_size(case: Case) -> str | None:
    """Give the same output however the input is cut into blocks."""
    audio = example_audio(2.0)
    _require(audio.n_samples > BLOCK_SAMPLES, "the example must span more than one block")
    whole, ragged = case.run(audio), case.run(RaggedSignal(audio))
    _require_null(case, whole, ragged, "sounds different with other block sizes")
    return None


def reports_plain_measurements(case: Case) -> str | None:
    """Report numbers and words that JSON can hold, on silence too: no infinity, no numpy scalar."""
    for audio in (example_audio(), Audio(np.zeros((2, 44_100), np.float32), 44_100)):
        _, context = case.apply(audio)
        try:
            json.dumps(context.measurements, allow_nan=False)
        except (TypeError, ValueError) as error:
            msg = f"{case.stage.name} reported {context.measurements}: {error}"
            raise AssertionError(msg) from error
    return None


def takes_any_sample_rate(case: Case) -> str | None:
    """Work from 8 to 192 kHz, or refuse with a StageError."""
    for sample_rate in (8000, 48_000, 192_000):
        audio = example_audio(0.25, sample_rate)
        try:
            out = case.run(audio)
        except StageError:
            continue
        _require(
            case.stage.changes_length or out.n_samples == audio.n_samples,
            f"{case.stage.name}: {audio.n_samples} gave {out.n_samples}, at {sample_rate} Hz",
        )
    return None


def survives_short_input(case: Case) -> str | None:
    """Work on a few samples, or refuse with a StageError."""
    for n_samples in (1, 2, 10, 100):
        audio = Audio(example_audio().samples[:, :n_samples], 44_100)
        try:
            out = case.run(audio)
        except StageError:
            continue
        _require(
            case.stage.changes_length or out.n_samples == n_samples,
            f"{case.stage.name} gave {out.n_samples} sample(s) for {n_samples}",
        )
    return None


LAWS: tuple[Law, ...] = (
    is_documented,
    leaves_its_input_alone,
    keeps_the_shape,
    takes_mono,
    keeps_silence,
    is_neutral_when_neutral,
    repeats_itself,
    is_linear_as_declared,
    is_symmetric_as_declared,
    ignores_the_block_size,
    reports_plain_measurements,
    takes_any_sample_rate,
    survives_short_input,
)
"""Every law, for `pytest.mark.parametrize`."""


def check_stage(
    stage: Stage,
    *,
    files: Mapping[str, Path] | None = None,
    no_neutral: str = "",
    **params: Any,
) -> dict[str, str]:
    """Hold `stage` to every law, with `params` that make it work.

    Args:
        stage: the stage.
        files: paths by the name of the parameter that refers to a file.
        no_neutral: why no setting leaves the signal alone, if none does.
        params: as in a recipe; the required ones at least.

    Returns:
        each law's name with "held", or the reason why it does not apply.

    Raises:
        AssertionError: a law is broken.
    """
    case = Case(stage, params, files or {}, no_neutral)
    return {law.__name__: law(case) or "held" for law in LAWS}
