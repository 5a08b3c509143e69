"""The laws of `stemfx.stage`, and how to run one stage.

Pass parameters that make the stage *work*, so that the laws are put to the test. A law that
does not apply to a stage (as its flags say) is skipped with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Audio, Signal
from stemfx.errors import StageError
from stemfx.hits import Hit
from stemfx.kit import Kit
from stemfx.kits.synth import SynthKit
from stemfx.music_reading import MusicReading
from stemfx.stage import HitParams, ReferenceKind, Song, Stage, StageContext, StageParams
from stemfx.testing.signals import (
    RaggedSignal,
    example_audio,
    example_hit,
    example_hits,
    example_reading,
    example_reference,
    example_song,
    null_db,
    require,
)

NULL_DB = -120.0
"""What counts as nothing: twenty bits down, far under any 16-bit file, above float32 rounding."""


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
        require(not blocks, f"{stage.name} is a check and must not yield")
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
    require(isinstance(block, np.ndarray), f"{where} a {type(block).__name__}, not an array")
    require(block.dtype == np.float32, f"{where} {block.dtype}; a block is float32")
    require(block.ndim == 2, f"{where} shape {block.shape}; a block is (channels, n_samples)")
    require(block.shape[1] > 0, f"{where} a block without samples")
    require(block.flags.c_contiguous, f"{where} a block that is not C-contiguous")
    require(bool(np.isfinite(block).all()), f"{where} NaN or infinity")


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
    require(
        measured <= NULL_DB,
        f"{case.stage.name}: {broken} (off by {measured:.1f} dB, allowed {NULL_DB:g} dB)",
    )


def is_documented(case: Case) -> str | None:
    """Say what a stage does in a line, and what every parameter does in another."""
    name = case.stage.name
    require(name.isidentifier() and name == name.lower(), f"{name!r} is not snake_case")
    require(bool(case.stage.summary), f"{name} has no docstring")
    for param, info in case.stage.params.model_fields.items():
        require(bool(info.description), f"{name}.{param} has no help")
    return None


def leaves_its_input_alone(case: Case) -> str | None:
    """Never change the samples that came in."""
    samples = np.array(example_audio().samples)
    before = samples.copy()
    case.run(Audio(samples, 44_100))
    require(np.array_equal(before, samples), f"{case.stage.name} changed its input")
    return None


def keeps_the_shape(case: Case) -> str | None:
    """Give as many samples and channels as came in."""
    if case.stage.changes_length:
        return "changes the length, as declared"
    audio = example_audio()
    out = case.run(audio)
    expected = (_expected_channels(case, audio.channels), audio.n_samples)
    require(
        out.samples.shape == expected,
        f"{case.stage.name} gave {out.samples.shape} for {audio.samples.shape}, not {expected}",
    )
    return None


def takes_mono(case: Case) -> str | None:
    """Work on one channel, and give one back unless it makes stereo."""
    stereo = example_audio()
    out = case.run(Audio(stereo.samples[:1], stereo.sample_rate))
    expected = _expected_channels(case, 1)
    require(
        out.channels == expected,
        f"{case.stage.name} gave {out.channels} channel(s) for mono; expected {expected}",
    )
    return None


def keeps_silence(case: Case) -> str | None:
    """Make no sound out of silence."""
    out = case.run(Audio(np.zeros((2, 44_100), np.float32), 44_100))
    peak = float(np.abs(out.samples).max(initial=0.0))
    require(peak <= 1e-6, f"{case.stage.name} made sound out of silence: peak {peak:.2g}")
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
    require(
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
    require(audio.n_samples > BLOCK_SAMPLES, "the example must span more than one block")
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
        require(
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
        require(
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
