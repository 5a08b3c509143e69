"""What a plan starts from: the files of a recipe, and what its tracks need of its sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stemfx.alignment.parts import is_drums
from stemfx.dsp.channels import FOLDABLE
from stemfx.errors import AudioFileError
from stemfx.graph import FileState, file_state
from stemfx.io import FileInfo, file_sha256, generator_tag, probe
from stemfx.recipe import Recipe, Source, StageCall, Track


@dataclass(frozen=True)
class Inputs:
    """The audio files of a recipe: header, hash and state (size, time of change) of each.

    `generators` has, by source, the tag of its files that names an AI generator.
    """

    files: Mapping[Path, FileInfo]
    hashes: Mapping[Path, str]
    states: Mapping[Path, FileState]
    generators: Mapping[str, str] = field(default_factory=dict)


def inspect_inputs(recipe: Recipe) -> Inputs:
    """Read the headers and hash the bytes of every audio file that the recipe uses.

    Raises:
        AudioFileError: one of them cannot be used.
    """
    files: dict[Path, FileInfo] = {}
    for source in used_sources(recipe):
        for path in source.files:
            files[path] = _accept(probe(path), fold_down=source.fold_down, name=source.name)
    for track in used_tracks(recipe):
        if track.asset is not None:
            files[track.asset] = _accept(probe(track.asset), fold_down=False, name=track.name)
    for call in used_calls(recipe):
        for path in call.sounds.values():
            info = probe(path, min_duration_s=MIN_SOUND_S)
            files.setdefault(path, _accept(info, fold_down=False, name=call.stage.name))
    states = {path: file_state(path) for path in files}
    tags = {
        source.name: next(filter(None, map(generator_tag, source.files)), None)
        for source in used_sources(recipe)
        if source.generated is None
    }
    generators = {name: tag for name, tag in tags.items() if tag is not None}
    return Inputs(files, {path: file_sha256(path) for path in files}, states, generators)


def _accept(info: FileInfo, *, fold_down: bool, name: str) -> FileInfo:
    if info.channels <= 2:
        return info
    if not fold_down:
        raise AudioFileError(
            f"{info.channels} channels; stemfx works on mono and stereo. To fold it down to stereo "
            f"(ITU-R BS.775) write `{name}: {{file: ..., fold_down: true}}` or pass --fold-down",
            where=str(info.path),
        )
    if info.channels not in FOLDABLE:
        raise AudioFileError(
            f"{info.channels} channels have no standard fold-down; fold it to stereo first",
            where=str(info.path),
        )
    return info


MIN_SOUND_S = 0.002
"""Of a sound that a stage plays: a click may be as short as that."""


def used_calls(recipe: Recipe) -> list[StageCall]:
    """Return the stages of all used tracks, of the mix and of the master."""
    calls = [call for track in used_tracks(recipe) for call in track.stages]
    return [*calls, *recipe.mix, *recipe.master]


def used_tracks(recipe: Recipe) -> list[Track]:
    """Return the tracks that are heard, and those that only steer a side-chain."""
    needed: dict[str, Track] = {}

    def need(track: Track) -> None:
        if track.name in needed:
            return
        needed[track.name] = track
        for name in sidechain_tracks(track.stages):
            need(recipe.tracks[name])
        if track.removed_of is not None:
            need(recipe.tracks[track.removed_of])

    for track in recipe.tracks.values():
        if not track.mute:
            need(track)
    for name in sidechain_tracks((*recipe.mix, *recipe.master)):
        need(recipe.tracks[name])
    return [track for track in recipe.tracks.values() if track.name in needed]


def sidechain_tracks(calls: Iterable[StageCall]) -> list[str]:
    """Return the tracks that stages listen to, in order."""
    return [track for call in calls for tracks in call.sidechains.values() for track in tracks]


def used_sources(recipe: Recipe) -> list[Source]:
    """Return the sources that are played or followed, and those that a stage only listens to."""
    names = {name for call in used_calls(recipe) for name in call.songs.values()}
    names |= {source.name for source in played_sources(recipe)}
    return [source for source in recipe.sources.values() if source.name in names]


def played_sources(recipe: Recipe) -> list[Source]:
    """Return the sources that a used track plays, or that a stage or all others follow."""
    names = {name for track in used_tracks(recipe) for name, _ in track.played}
    names |= {name for call in used_calls(recipe) for name in call.sources.values()}
    if recipe.align is not None:
        names |= {str(recipe.align.tempo), str(recipe.align.key)}
    return [source for source in recipe.sources.values() if source.name in names]


def wanted_stems(recipe: Recipe, source: Source) -> tuple[str, ...]:
    """Return the stems of a source that the recipe names, without repeats, in track order."""
    tracks = _tracks_of(recipe, source)
    played = [stem for track in tracks for stem in stems_played(track, source)]
    heard = [stem_named(n, source, recipe) for t in tracks for c in t.stages for n in c.stems]
    return tuple(dict.fromkeys((*played, *heard)))


def wants_all_stems(recipe: Recipe, source: Source) -> bool:
    """Tell whether a stage listens to every stem of a source, whatever their names."""
    calls = [call for track in _tracks_of(recipe, source) for call in track.stages]
    return any(call.hears_stems for call in calls)


def stem_named(name: str, source: Source, recipe: Recipe) -> str:
    """Return the stem of a source that a `StemRef` means: by its own name, or a track's.

    The song's own stem comes first: in a mashup the track of that name may be another song's.
    """
    track = recipe.tracks.get(name)
    if name in (source.stems or ()) or track is None or track.source != source.name:
        return name
    return track.stem or name


def _tracks_of(recipe: Recipe, source: Source) -> list[Track]:
    """Return the used tracks that play stems of a source."""
    return [t for t in used_tracks(recipe) if stems_played(t, source)]


def stems_played(track: Track, source: Source) -> list[str]:
    """Return the stems of a source that a track plays."""
    return [stem for name, stem in track.played if name == source.name and stem]


def guarding_stems(recipe: Recipe, source: Source) -> tuple[str, ...]:
    """Return the stems of a song that another song's replace: what may still sound in its others.

    Its drums, where its other stems are played and the drums are those of another song.
    """
    if recipe.align is not None and not recipe.align.checks_bleed:
        return ()
    played = [part for track in used_tracks(recipe) if not track.mute for part in track.played]
    own = [stem for name, stem in played if name == source.name]
    strange = [stem for name, stem in played if name != source.name and stem and is_drums(stem)]
    plays_drums = any(stem is None or is_drums(stem) for stem in own)
    if not own or not strange or plays_drums:
        return ()
    if source.stems is None:
        return ("drums",)
    return tuple(stem for stem in source.stems if is_drums(stem))


def needs_separation(recipe: Recipe, source: Source) -> bool:
    """Tell whether a source is one file of which stems are wanted."""
    return source.stems is None and bool(wanted_stems(recipe, source))
