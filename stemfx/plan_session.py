"""The projects for DAWs that a run writes, as nodes: which tracks are in each, and their names.

A track is in a project before its fader, which the project has instead. Beside the tracks lie,
muted, the songs as they came and the finished master, to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stemfx import __version__
from stemfx.exports.dawproject import fader_and_rest_db
from stemfx.exports.song import REFERENCE_COLOR, HitTrack, SongTrack, colors_of
from stemfx.graph import GivenHits, Graph, Port, WriteSession
from stemfx.plan_align import AlignedPorts
from stemfx.plan_inputs import played_sources, used_tracks
from stemfx.plan_sources import SourcePorts
from stemfx.plan_stem_file import add_stem_file
from stemfx.recipe import Recipe, Track
from stemfx.recipe.problems import listing
from stemfx.stage import Finding

SESSION_VERSION = 2
"""Raise it when a project becomes another."""

Target = Callable[[Path, str], Path]
"""Makes the place of a result of a path in the output folder; refuses what may not be there."""


@dataclass(frozen=True)
class SessionContent:
    """What a run has that a project can hold.

    Args:
        tracks: those that have a signal, before their faders, by name.
        faders: those that are heard, at their faders.
        songs: as they came, by name.
        master: the finished one, if there is one.
        reading: what the song plays to.
        hits: the drum hits of tracks, as they are on the timeline, that were searched for.
        given_hits: those that a file gives.
    """

    tracks: Mapping[str, Port]
    faders: Mapping[str, Port]
    songs: Mapping[str, Port]
    master: Port | None
    reading: Port | None
    hits: Mapping[str, Port]
    given_hits: Mapping[str, GivenHits]


def session_content(
    recipe: Recipe,
    sources: SourcePorts,
    aligned: AlignedPorts,
    tracks: Mapping[str, Port],
    *,
    faders: Mapping[str, Port],
    master: Port | None,
    hits: Mapping[str, Port],
    given_hits: Mapping[str, GivenHits],
    is_preview: bool,
) -> SessionContent:
    """Return what a run has that a project can hold; the graph is given what reads the music.

    The songs are left out that a track plays as they came, and in a preview those that `align`
    moves: the same moment of them is another one of the song.
    """
    formats = {file.format for file in recipe.output.sessions} - {"stem.mp4"}
    played = played_sources(recipe) if formats else []
    songs = {
        source.name: sources.mixture(source)
        for source in played
        if formats != {"mid"} and not (is_preview and recipe.aligns(source.name))
    }
    reading = None
    if any(recipe.aligns(source.name) for source in played):
        reading = aligned.reading()
    elif played:
        reading = sources.reading(played[0].name)
    heard = set(tracks.values())
    songs = {name: port for name, port in songs.items() if port not in heard}
    return SessionContent(tracks, faders, songs, master, reading, hits, given_hits)


def add_sessions(
    graph: Graph, recipe: Recipe, content: SessionContent, sample_rate: int, target: Target
) -> None:
    """Add what writes each project that a recipe asks for."""
    for file in recipe.output.sessions:
        path = target(file.path, file.where)
        if file.format == "stem.mp4":
            assert content.master is not None  # noqa: S101 - made for whatever holds audio
            add_stem_file(
                graph,
                recipe,
                file,
                path,
                master=content.master,
                faders=content.faders,
                sample_rate=sample_rate,
            )
            continue
        with_audio = file.format != "mid"
        heard = list(_tracks(recipe, content)) if with_audio else []
        media: tuple[Path, ...] = ()
        names = [f"{file.path.stem}-media/{track.file}" for track, _ in heard]
        if file.format == "rpp":
            media = tuple(target(file.path.parent / name, file.where) for name in names)
            names = [one.relative_to(path.parent).as_posix() for one in media]
        elif file.format == "dawproject":
            names = [f"audio/{track.file}" for track, _ in heard]
        named = [replace(track, file=name) for (track, _), name in zip(heard, names, strict=True)]
        tags = recipe.output.tags
        work = WriteSession(
            path,
            file.format,
            tuple(named),
            media,
            title=(tags and tags.title) or recipe.title or path.stem,
            artist=(tags and tags.artist) or "",
            about=_about(recipe, has_master=with_audio and content.master is not None),
            sample_rate=sample_rate,
            duration_s=graph.seconds,
            has_reading=content.reading is not None,
            hits=tuple(content.hits),
            given_hits=tuple(
                HitTrack(track, given.hits) for track, given in content.given_hits.items()
            ),
        )
        reading = [] if content.reading is None else [content.reading]
        graph.add(
            f"write/{file.path.as_posix()}",
            "write",
            work,
            [*(port for _, port in heard), *reading, *content.hits.values()],
            config=[
                *("session", SESSION_VERSION, __version__, work.format, path.name),
                [asdict(track) for track in work.tracks],
                [work.title, work.artist, work.about, work.duration_s, work.hits],
                {track: given.digest for track, given in content.given_hits.items()},
            ],
            signals=(),
            where=file.where,
        )


def _tracks(recipe: Recipe, content: SessionContent) -> Iterator[tuple[SongTrack, Port]]:
    """Yield every track of a project with its signal."""
    colors = colors_of(list(recipe.tracks))
    for name, port in content.tracks.items():
        track = recipe.tracks[name]
        yield (
            SongTrack(
                name, colors[name], f"{name}.wav", 0, 0, track.gain_db, track.pan, track.mute
            ),
            port,
        )
    beside = {f"{name} (as it came)": (f"source-{name}", p) for name, p in content.songs.items()}
    if content.master is not None:
        beside["master (finished)"] = ("master", content.master)
    for name, (file, port) in beside.items():
        place = f"reference/{file}.wav"
        yield SongTrack(name, REFERENCE_COLOR, place, 0, 0, is_muted=True), port


def _about(recipe: Recipe, *, has_master: bool) -> str:
    """Tell whoever opens the project what it is."""
    told = ["Made by stemfx: the tracks are as their stages leave them, the faders the recipe's."]
    stages = {
        "mix": [call.stage.name for call in recipe.mix if not call.stage.is_check],
        "master": [call.stage.name for call in recipe.master if not call.stage.is_check],
    }
    for bus, names in stages.items():
        if names:
            told.append(f"Not in the project: the stages of the {bus} ({', '.join(names)}).")
    if has_master and any(stages.values()):
        told.append("What they made of it is the muted track `master (finished)`.")
    return "\n".join(told)


def session_findings(recipe: Recipe) -> Iterator[Finding]:
    """Tell what of a recipe is not in its projects, or not quite."""
    formats = {file.format for file in recipe.output.sessions} - {"mid", "stem.mp4"}
    if not formats:
        return
    shown = used_tracks(recipe)
    absent = [track.name for track in recipe.tracks.values() if track not in shown]
    if absent:
        yield Finding(
            "info",
            "session_tracks_left_out",
            f"{listing(absent)}: muted and needed by nothing, so not rendered and not in the "
            "project; `mute: false` with `gain_db: -96` would bring such a track along",
        )
    if "dawproject" not in formats:
        return
    if panned := [track.name for track in shown if track.pan]:
        yield Finding(
            "info",
            "session_pan_law",
            f"{listing(panned)}: a .dawproject says where a track is panned but not by what law; "
            "stemfx keeps the centre at 0 dB and raises the sides to +3 dB, another program may "
            "not, so by ear the track may want up to 3 dB more; a .rpp says it",
        )
    if loud := [track.name for track in shown if _is_beyond_faders(track)]:
        yield Finding(
            "info",
            "session_fader",
            f"{listing(loud)}: the faders of some programs end at +6 dB, so what `gain_db` has "
            "above that is in the audio of the .dawproject",
        )


def _is_beyond_faders(track: Track) -> bool:
    return fader_and_rest_db(track.gain_db)[1] > 0
