"""Every fix that is given stands in a recipe as it is: faults are made, and their fixes put in."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import SimpleNamespace as Fake
from typing import Any

import fixing
import numpy as np
import pytest
from made_readings import made_reading

import stemfx
from stemfx import fixes, operations_align, operations_files
from stemfx.alignment import limits, placement, reasons
from stemfx.alignment.layout import lay_out
from stemfx.alignment.song import songs_of
from stemfx.alignment.timeline import Wishes
from stemfx.audio import Audio
from stemfx.delivery import deliver
from stemfx.drums.layering import Laid
from stemfx.findings import finding_json, untold
from stemfx.graph import Comp
from stemfx.health import FileFacts, examine, foreign_bleed, low_end_meeting, stem_findings
from stemfx.health.check_kinds import KINDS
from stemfx.health.checks import Check, judge
from stemfx.health.stem_set import Leftover, examine_set
from stemfx.health.stem_solver import Move
from stemfx.health.voices_overlap import voices_overlap
from stemfx.io import Encoding
from stemfx.music.match import Matching
from stemfx.music.remarks import remarks
from stemfx.separator import Effort
from stemfx.separators.chunked import Chunked
from stemfx.stage import Finding, Notes, Song
from stemfx.stages import BUILTIN
from stemfx.testing import apply

RATE = 44_100
STAGES = {stage.name: stage for stage in BUILTIN}
_bleed_analysis, bleed_guard, debleed, layer = (
    import_module(f"stemfx.stages.{name}")
    for name in ("_bleed_analysis", "bleed_guard", "debleed", "layer")
)
Wave = np.ndarray


@dataclass(frozen=True)
class Made:
    """A finding, and the stage that found it, if one did."""

    finding: Finding
    stage: dict[str, Any] | None = None


def made(findings: Iterable[Finding]) -> list[Made]:
    return [Made(finding) for finding in findings]


def noise(seed: int = 0, seconds: float = 1.0, channels: int = 2) -> Wave:
    rng = np.random.default_rng(seed)
    return 0.1 * rng.standard_normal((channels, round(seconds * RATE)))


def tone(hz: float, seconds: float = 1.0, peak: float = 0.5, phase: float = 0.0) -> Wave:
    t = np.arange(round(seconds * RATE)) / RATE
    return np.tile(peak * np.sin(2 * np.pi * hz * t + phase), (2, 1))


def audio(samples: Wave) -> Audio:
    return Audio(np.ascontiguousarray(samples, np.float32), RATE)


def sides(left: Wave, right: Wave) -> Wave:
    return np.stack((left[0], right[0]))


def found_by(name: str, samples: Wave, given: dict[str, Any] | None = None, **params: Any) -> Any:
    """Return what a stage finds; `given` is what it hears besides."""
    _, context = apply(STAGES[name], audio(samples), **(given or {}), **params)
    return [Made(finding, {name: params}) for finding in context.findings]


# --- the faults --------------------------------------------------------------------------


def of_levels() -> Iterator[list[Made]]:
    yield found_by("level_check", np.clip(4 * tone(97), -0.9, 0.9))
    yield found_by("level_check", 0.1 * noise(seconds=3) + 0.02)
    yield found_by("level_check", tone(441, peak=1.7))
    yield found_by("level_check", tone(RATE / 4, peak=1.3, phase=np.pi / 4))
    yield found_by("level_check", noise(), min_lufs=-3.0, max_lufs=0.0)
    yield found_by("level_check", noise(), min_lufs=-14.0)
    yield found_by("level_check", noise(), max_lufs=-30.0)
    yield found_by("level_check", sides(noise(), 0.1 * noise()))
    yield found_by("level_check", sides(noise(), 0 * noise()))
    yield made(examine(audio(noise()), FileFacts(channels=6)).findings)
    hum = sum(tone(50 * k, 6, 0.02) for k in range(1, 7))
    yield made(examine(audio(hum + 1e-4 * noise(seconds=6))).findings)


def of_stereo() -> Iterator[list[Made]]:
    common, apart = noise(1), noise(2)
    yield found_by("phase_check", sides(common, 0.1 * apart - common))
    yield found_by("phase_check", sides(apart + common, apart - 1.6 * common))
    yield found_by("phase_check", sides(common, apart), min_correlation=0.5)
    at_times = np.concatenate((5 * tone(300, 3), sides(tone(300, 1), -tone(300, 1))), axis=1)
    yield found_by("phase_check", at_times + sides(noise(4, 4), noise(5, 4)) / 50)
    bass, top = tone(60, 2), 0.2 * noise(1, 2)
    yield found_by("mono_check", sides(bass, -bass))
    yield found_by("mono_check", sides(bass, tone(60, 2, 0.5, 1.2)) + top)
    mids = tone(300, 2)
    yield found_by("mono_check", sides(mids, tone(300, 2, 0.5, 2.6)) + 0.2 * top)
    yield found_by("mono_safe", sides(common, -common) + 0.001)
    yield found_by("width", sides(common, apart), width=2.0)
    yield found_by("width", sides(common, apart), bands=[{"high_hz": 9000, "width": 2.0}])


def of_dynamics() -> Iterator[list[Made]]:
    yield found_by("gate", noise() / 100, range_db=60.0, threshold_db=-6.0)
    yield found_by("gate", noise(seconds=5) / 100, threshold_db=-6.0)
    yield found_by("compress", noise(), threshold_db=0.0)
    yield found_by("compress", noise(), threshold_lu=25.0)
    yield found_by("glue", noise(), threshold_lu=20.0)
    yield found_by("multiband", noise(), threshold_lu=20.0)
    peaky = noise(seconds=2) / 10
    peaky[:, ::4410] = 1.0
    yield found_by("loudness", peaky, target="club")
    yield found_by("loudness", 0.01 * noise() + (np.arange(RATE) == RATE // 2), target_lufs=-6.0)
    yield found_by("fade", noise(), in_s=1.0, out_s=2.0)
    yield found_by("declip", np.clip(2 * tone(97), -0.99, 0.99))
    yield found_by("dc_remove", noise(seconds=8) / 20 + np.repeat((0.1, -0.05), 4 * RATE))
    yield found_by("eq", noise(channels=1), bands=[
        {"freq_hz": 300.0, "gain_db": 2.0}, {"freq_hz": 900.0, "gain_db": 2.0, "on": "side"}
    ])  # fmt: skip


def of_songs() -> Iterator[list[Made]]:
    stems = {name: audio(noise(k)) for k, name in enumerate(("vocals", "drums"))}
    mixture = audio(stems["vocals"].samples + stems["drums"].samples)
    song = Song(stems, "vocals", mixture)
    late = np.roll(stems["vocals"].samples, 400, axis=1)
    yield found_by("align", late, {"song": replace(song, stems=stems | {"vocals": audio(late)})})
    for changed in (-0.5 * mixture.samples, np.roll(mixture.samples, 100, axis=1)):
        yield found_by("null_check", changed, {"song": song})
    quiet = replace(song, stems=stems | {"vocals": audio(0.01 * noise())})
    yield found_by("gap_expander", 0.01 * noise(), {"song": quiet, "is_generated": True})
    yield found_by("gap_expander", 0.01 * noise(), {"song": quiet}, threshold_db=-10.0)
    is_on = np.arange(6 * RATE) % RATE < RATE // 3
    hiss = 0.002 * noise(3, 6) + is_on * tone(300, 6)
    yield found_by("denoise", hiss, {"is_generated": True})
    steady = tone(440, 3) + tone(3000, 3, 0.001)
    reference = {"sounds": {"song": audio(noise(seconds=3))}}
    yield found_by("match_reference", steady, reference, song="a", max_db=3.0)
    yield found_by("match_reference", steady[:1], reference, song="a")
    yield found_by("fit_gaps", noise(seconds=2), {"sidechains": {"drums": audio(noise(1, 2) / 4)}},
                   under=["drums"], max_cut_db=1.0)  # fmt: skip
    pad = tone(220, 4) + tone(277, 4)
    yield found_by("fit", pad, {"readings": {"to": made_reading(n_bars=2)}}, to="a", key=False)


def of_stages_that_take_long() -> Iterator[list[Made]]:
    """The functions that tell, without the minutes of music that it takes to get there."""
    notes = Notes()
    params = debleed.DebleedParams(mode="cancel", against=["drums"])
    debleed._tell_gentleness(params, Fake(is_generated=True, find=notes.find))  # type: ignore[arg-type]
    masked = Fake(mixing=Fake(regime="mask"))
    debleed._tell_nothing(masked, params, notes)  # type: ignore[arg-type]
    yield [Made(f, {"debleed": {"mode": "cancel", "against": ["drums"]}}) for f in notes.findings]
    mixing = Fake(regime="linear", leak_db=[[0, -20], [-20, 0]], leaks_into=lambda _: (1,))
    stems = {"vocals": audio(noise()), "drums": audio(noise(1))}
    for name, module in (("debleed", _bleed_analysis), ("bleed_guard", bleed_guard)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("stemfx.dsp.unmixing.Mixing.from_json", lambda _: mixing)
            notes = Notes()
            song = Song(stems, "vocals", audio(noise()), {"mixing": {}})
            context = Fake(own_song=song, find=notes.find, report=notes.report)
            asked = STAGES[name].params.model_validate({"against": ["drums"]})
            hear = getattr(module, "hear" if name == "debleed" else "_unmixed")
            hear(audio(noise(2)), asked, context)
        yield [Made(f, {"gain": {}}) for f in notes.findings]
    notes = Notes()
    kick = Laid("kick", (), Fake(shift_s=0.0, polarity=1, gain_db=0.1))  # type: ignore[arg-type]
    params = layer.LayerParams(sound="hit.wav", classes=["kick"])
    layer._report([kick], 3, params, notes)  # type: ignore[arg-type]
    yield [Made(f, {"layer": {"sound": "hit.wav", "classes": ["kick"]}}) for f in notes.findings]


def of_alignment() -> Iterator[list[Made]]:
    def laid_out(tempo: Any, key: Any = None, /, **found: Any) -> list[Made]:
        parts = dict.fromkeys(found, ("vocals", "other"))
        return made(lay_out(found, Wishes(tempo, key, parts)).findings)

    yield laid_out("a", a=made_reading(100), b=made_reading(112), song=made_reading(120))
    yield laid_out(None, "b", a=made_reading(), b=made_reading(key="B minor"),
                   song=made_reading(key="G minor"))  # fmt: skip
    yield laid_out("a", a=made_reading(bpm_confidence=0.1))
    yield laid_out("a", a=replace(made_reading(bpm_confidence=0.1), bpm_runner_up=60.0))
    vague = made_reading(key_confidence=0.05, key_runner_up="E minor")
    yield laid_out(None, "b", a=vague, b=made_reading())
    yield laid_out("a", a=made_reading(n_bars=1, downbeat_s=0))
    yield laid_out("a", a=made_reading(sway=0.15))
    yield laid_out("a", a=made_reading(), b=made_reading(beats_per_bar=3))
    yield laid_out("b", a=made_reading(87), b=made_reading(174))
    notes, songs = Notes(), songs_of({"a": made_reading(), "b": made_reading(key="C minor")}, {})
    limits.check_chords(songs["a"], songs["b"], Matching((), 0.9, 2), notes)
    placement._tell_gaps(songs["a"], songs["b"], [(2, 2, 4, 4)], notes)
    yield made(notes.findings)
    unsure = Fake(name="a", label="a.wav", reading=made_reading(bpm_confidence=0.1))
    yield made(reasons._unsure([unsure]))  # type: ignore[list-item]
    close = replace(made_reading(key_confidence=0.1, key_runner_up="C major"),
                    bpm_runner_up=60.0, bpm_margin=0.1)  # fmt: skip
    yield made(remarks(close))
    yield made(remarks(made_reading(bpm_confidence=0.1)))
    notes = Notes()
    comp = Comp(("a/vocals", "b/vocals"), ((1, 4, 0, 0.0), (5, None, 1, 0.0)))
    operations_align._tell_levels(comp, [audio(noise()), audio(noise() / 4)], notes)
    yield made(notes.findings)


def of_meetings() -> Iterator[list[Made]]:
    told = {"drums_bleed_below_drums_db": -20.0, "drums_audible_hits_per_minute": 30.0}
    hits = Fake(n_hits=30, n_audible=20, n_audible_in_pauses=3)
    heard = foreign_bleed._finding(Fake(is_there=True), hits, "drums", "vocals", told)  # type: ignore[arg-type]
    told |= {"drums_audible_hits_per_minute": 0.0, "drums_bleed_db": -10.0}
    loud = foreign_bleed._finding(Fake(is_there=True), Fake(n_hits=0), "drums", "vocals", told)  # type: ignore[arg-type]
    assert heard
    assert loud
    yield made((heard, loud))
    yield made((low_end_meeting._inverted(-3, 2), low_end_meeting._shifted(0, 2, 1.25)))
    yield made((low_end_meeting._masked(0.8, "drums"),))
    sung = audio(tone(440, 3))
    yield made(voices_overlap(sung, sung, names=("pad", "vocals")).findings)


def of_stems() -> Iterator[list[Made]]:
    stems = {name: noise(k, 2) for k, name in enumerate(("vocals", "drums", "bass", "other"))}
    mixture = audio(sum(stems.values()))

    def set_of(against: Audio | None = None, **changed: Wave) -> list[Made]:
        given = {name: audio(samples) for name, samples in (stems | changed).items()}
        return made(each.finding for each in examine_set(given, against).findings)

    vocals = stems["vocals"]
    late = np.roll(vocals, 60, axis=1)
    yield set_of(mixture, vocals=0.7 * late)
    yield set_of(mixture, vocals=-vocals, bass=noise(9, 2))
    yield set_of(mixture, vocals=stems["drums"])
    yield set_of(audio(0.5 * np.roll(mixture.samples, 30, axis=1)))
    yield set_of(vocals=-np.roll(stems["drums"], 60, axis=1) + 0.1 * vocals)
    health = Fake(leaks_db={"vocals": {"drums": -20.0, "no": -20.0}}, leaks_are_linear=False)
    yield made(each.finding for each in stem_findings._leaks(health))  # type: ignore[arg-type]
    rest = Fake(leftover=Leftover(-20.0, 50.0, 900.0, "missing"), stems={})
    yield made(stem_findings._leftover(rest))  # type: ignore[arg-type]
    yield made(stem_findings._level(Move(gain=0.5)))


def of_checks() -> Iterator[list[Made]]:
    for name, kind in KINDS.items():
        low, high = (edge + sign * 0.3 for edge, sign in zip(kind.range, (1, -1), strict=True))
        for limit in (Check(name, high, None), Check(name, None, low)):
            value = low if limit.low else high
            (verdict,) = judge([limit], {name: value})
            yield made(filter(None, [verdict.finding]))


def of_files(tmp_path: Path = Path("/nowhere")) -> Iterator[list[Made]]:
    notes = Notes()
    version = deliver._Version(audio(noise()))
    deliver._that_fits(version, tmp_path / "out.wav", 2.0, notes)
    done = Fake(true_peak_dbtp=0.4, n_samples=RATE, coding_error_db=0.0)
    faults = deliver._faults(done, audio(noise()), -1.0)  # type: ignore[arg-type]
    hits = operations_files._hits_from(tmp_path / "hits.json", tmp_path)
    segment = Fake(effort=Effort(segment_s=9.0), find=notes.find)
    member = Fake(length=400_000, sample_rate=RATE, shorter=lambda n: min(n, 300_000))
    Chunked._length(Fake(obeys={"segment_s"}), member, segment)  # type: ignore[arg-type]
    yield made(notes.findings)
    yield made(Finding("warn", *fault) for fault in faults)
    yield [Made(Finding("warn", "hits_edited", "", hits), {"replace_drums": {}})]


def of_encoding(tmp_path: Path) -> list[Made]:
    notes = Notes()
    # As loud as it may be, so that a codec adds to it; and a rate at which no dither is shaped.
    hot = Audio(np.clip(8 * noise(), -0.99, 0.99).astype(np.float32), 48_000)
    odd = Audio(noise().astype(np.float32), 32_000)
    given = ((hot, Encoding("mp3", None)), (odd, Encoding("wav", 16)))
    for sound, encoding in given:
        path = tmp_path / f"out.{encoding.format}"
        deliver.deliver(path, sound, encoding, ceiling_dbtp=None, dither="shaped", notes=notes)
    return made(notes.findings)


MAKERS: tuple[Callable[[], Iterator[list[Made]]], ...] = (
    *(of_levels, of_stereo, of_dynamics, of_songs, of_stages_that_take_long, of_alignment),
    *(of_meetings, of_stems, of_checks, of_files),
)
PLANNED = {"generated", "removed_not_used", "residual_not_played", "mp3_sample_rate"}
"""Those of a plan; `test_fixes_work` follows them."""

ELSEWHERE = {
    "no_hum",  # a plugin's
    "bleed_remains",  # takes minutes of music; written as `gentler_on_generated` is
}


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    """Everything that is found in what is made here."""
    found = list(chain.from_iterable(chain.from_iterable(make() for make in MAKERS)))
    return found + of_encoding(tmp_path_factory.mktemp("encoded"))


# --- the laws ----------------------------------------------------------------------------


def test_every_fix_that_is_given_makes_a_recipe_that_can_be_read(
    every: list[Made], tmp_path: Path
) -> None:
    for name in ("hit.wav", "hits.json"):
        (tmp_path / name).write_bytes(b"")
    given = {repr((each.finding.fix, each.stage)): each for each in every if each.finding.fix}
    assert len(given) > 70
    for each in given.values():
        before = fixing.recipe(*([each.stage] if each.stage else []), align={"tempo": "a"})
        after = fixing.with_fix(before, str(each.finding.fix), 0 if each.stage else None)
        assert after != before, each
        fixing.read(tmp_path, after)


def test_every_code_with_a_fix_is_among_the_made_faults(every: list[Made]) -> None:
    """So that whoever writes one more fix is asked to make the fault."""
    with_fix = {each.finding.code for each in every if each.finding.fix}
    assert codes_with_a_fix() - with_fix - PLANNED == ELSEWHERE


def test_a_stage_that_is_written_once_more_keeps_what_the_recipe_said(every: list[Made]) -> None:
    (fix,) = (each.finding.fix for each in every if each.finding.code == "gate_hard")
    assert fix == "# in place of this stage\n- gate: {threshold_db: -6, range_db: 12}"


@cache
def calls_in_the_source() -> list[ast.Call]:
    """Return the calls in modules that make findings, or write fixes."""
    package = Path(stemfx.__file__).parent
    paths = [*package.rglob("*.py"), *(package.parent / "plugins").rglob("*.py")]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    made_here = [
        text
        for path, text in texts.items()
        if "scoring" not in path.parts and ("stemfx.fixes" in text or "Notes" in text)
    ]
    nodes = chain.from_iterable(ast.walk(ast.parse(text)) for text in made_here)
    return [node for node in nodes if isinstance(node, ast.Call)]


def codes_with_a_fix() -> set[str]:
    """Return the codes in the source that are given with a fix."""
    found = set()
    for call in calls_in_the_source():
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in ("find", "Finding") and len(call.args) == 4:
            code = getattr(call.args[1], "value", None)
            found |= {code} if isinstance(code, str) else set()
    return found


def test_no_stage_is_written_with_a_parameter_that_it_does_not_have() -> None:
    """Of those that the source writes with plain names."""
    n_calls = 0
    for call in calls_in_the_source():
        if getattr(call.func, "id", "") not in ("stage_line", "instead", "to_the_front"):
            continue
        name = getattr(call.args[0], "value", None)
        if isinstance(name, str) and name in STAGES:
            said = {word.arg for word in call.keywords if word.arg}
            assert said <= set(STAGES[name].params.model_fields), ast.unparse(call)
            n_calls += 1
    assert n_calls > 50


def test_a_fix_is_shown_only_where_the_message_does_not_say_it() -> None:
    line = fixes.stage_line("declip")
    assert untold(Finding("warn", "x", "to mend it: - declip: {}", line)) == ""
    assert untold(Finding("warn", "x", "it is clipped", line)) == line
    two = Finding("warn", "x", "-", fixes.entries("in sources.a", bpm=120.0, downbeat_s=0.25))
    assert untold(two) == "bpm: 120  # in sources.a\ndownbeat_s: 0.25"


def test_a_finding_that_was_kept_before_there_were_fixes_still_reads() -> None:
    kept = {"level": "warn", "code": "x", "message": "y"}
    told = finding_json(Finding(**kept), node="a/gate")  # type: ignore[arg-type]
    assert told == kept | {"node": "a/gate", "fix": None}


@pytest.mark.parametrize("name", ["no", "a b", "it's: {x}", "ä#b", "- x", "\x1b[2J"])
def test_what_a_stranger_calls_a_stem_stays_one_name(name: str) -> None:
    import yaml

    line = fixes.stage_line("debleed", against=[name])
    assert "\n" not in line
    assert "\x1b" not in line
    assert yaml.safe_load(line) == [{"debleed": {"against": [name]}}]


def test_numbers_are_written_as_people_write_them() -> None:
    line = fixes.stage_line("x", a=120.0, b=np.float64(-1.25), c=1 / 3, d=None, e=True, f=1e-9)
    assert line == "- x: {a: 120, b: -1.25, c: 0.3333333, e: true, f: 1.0e-09}"
