"""One song's samples: what was found in its stems gets names, facts and markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from stemfx.hits import GM_NOTES, Hit
from stemfx.music_reading import MusicReading
from stemfx.slicing.bars import Grid
from stemfx.slicing.loops import Bar, Loop, find_loops
from stemfx.slicing.material import Song, Stem
from stemfx.slicing.names import Names, bpm_field, key_field, slug
from stemfx.slicing.one_shots import OneShot, choose, find_one_shots, sort_into_drums
from stemfx.slicing.samples import LOOP, ONE_SHOT, TONIC_NOTES, Sample, Slices
from stemfx.slicing.wav_chunks import Markers

_OF_ONE_SHOTS = ("velocity", "is_clean", "cleanliness_db", "decay_db", "low_cut_hz", "attack")
_OF_LOOPS = ("bars", "beats", "loop")


@dataclass(frozen=True)
class Cutter:
    """Cuts the stems of one song.

    Args:
        song: whose stems they are.
        reading: of it.
        names: of the whole library.
        max_per_class: samples of a class of one stem.
    """

    song: Song
    reading: MusicReading
    names: Names
    max_per_class: int

    def one_shots(self, one: Slices, hits: Sequence[Hit]) -> None:
        """Cut the hits of a drum stem."""
        found, dropped = find_one_shots(one.signal, hits)
        one.add([], dropped)
        chosen, dropped = choose(found, self.max_per_class)
        drums = sort_into_drums(chosen)
        samples = [
            self._one_shot(one.stem, shot, drum) for shot, drum in zip(chosen, drums, strict=True)
        ]
        one.add(samples, dropped)
        if unclean := sorted({shot.drum_class for shot in chosen if not shot.is_clean}):
            one.find(
                "not_clean",
                f"no clean {', '.join(unclean)} in this stem: something else sounds in every one; "
                "the cleanest are kept",
            )

    def loops(
        self,
        one: Slices,
        bars: Sequence[Bar | None],
        grid: Grid,
        lengths: Mapping[int, int],
    ) -> None:
        """Cut loops of a stem, of so many bars from such a first bar on."""
        loops, dropped = find_loops(bars, grid, lengths, self.max_per_class)
        one.add([self._loop(one.stem, loop) for loop in loops], dropped)

    def _one_shot(self, stem: Stem, shot: OneShot, drum: int) -> Sample:
        rate = stem.signal.sample_rate
        midi = min(127, max(1, round(127 * shot.velocity)))
        pre_roll = shot.pre_roll(rate)
        root = GM_NOTES[shot.drum_class][0]  # a sampler that maps by root note puts drums there
        facts = {
            "velocity": midi,
            "is_clean": shot.is_clean,
            "cleanliness_db": round(shot.cleanliness_db, 2),
            "decay_db": round(shot.extent.decay_db, 2),
            "low_cut_hz": shot.extent.low_cut_hz or None,
            "attack": pre_roll,
            "start_s": round((shot.extent.attack - pre_roll) / rate, 6),
            "root_note": root,
        }
        return Sample(
            name=self._name(stem, shot.drum_class, self.reading.bpm, f"v{midi:03}"),
            kind=ONE_SHOT,
            sound_class=shot.drum_class,
            facts=self._facts(stem, self.reading.bpm) | dict.fromkeys(_OF_LOOPS) | facts,
            markers=Markers(rate, root, (pre_roll,)),
            span=shot.span(rate),
            cut=partial(shot.cut, sample_rate=rate),
            velocity=shot.velocity,
            layer=shot.layer,
            drum=drum,
        )

    def _loop(self, stem: Stem, loop: Loop) -> Sample:
        rate = stem.signal.sample_rate
        where = loop.where
        n_samples = where.n_samples(rate)
        beats = [round(k * n_samples / where.n_beats) for k in range(where.n_beats)]
        root = TONIC_NOTES.get(self.reading.key.partition(" ")[0], 60)
        facts = {
            "bars": where.n_bars,
            "beats": where.n_beats,
            "loop": {"start": 0, "end": n_samples - 1},
            "start_s": round(where.start(rate) / rate, 6),
            "root_note": root,
        }
        length = f"{where.n_bars}bar"
        ends = 0, n_samples - 1
        return Sample(
            name=self._name(stem, length, where.bpm),
            kind=LOOP,
            sound_class=length,
            facts=self._facts(stem, where.bpm) | dict.fromkeys(_OF_ONE_SHOTS) | facts,
            markers=Markers(rate, root, beats, ends, where.n_beats, where.beats_per_bar, where.bpm),
            span=loop.span(rate),
            cut=partial(loop.cut, sample_rate=rate),
        )

    def _name(self, stem: Stem, sound: str, bpm: float, velocity: str = "") -> str:
        return self.names.next(
            slug(self.song.title),
            slug(stem.name, "stem"),
            slug(sound),
            key_field(self.reading.key),
            bpm_field(bpm),
            velocity,
        )

    def _facts(self, stem: Stem, bpm: float) -> dict[str, Any]:
        return {
            "song": self.song.title,
            "stem": stem.name,
            "source": stem.path.name,
            "bpm": round(bpm, 4) or None,
            "key": self.reading.key or None,
        }
