"""Whole songs of verses and choruses, as several takes of one idea, whose form is known.

An idea is a form, chords and rhythms for each kind of section, and how full each section is. A take
plays it in a tempo and key of its own with a band of its own, and may leave sections out, play
them twice, or begin with another intro. A General MIDI soundfont sounds it (fluidsynth).
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
import soundfile

from stemfx.audio import Audio

RATE = 44_100
SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
TICKS = 480

MAJOR_LOOPS = ((0, 7, 9, 5), (0, 9, 5, 7), (5, 7, 0, 9), (0, 5, 0, 7), (9, 5, 0, 7), (0, 4, 5, 7),
               (5, 0, 7, 9), (0, 2, 5, 7), (2, 7, 0, 9), (0, 10, 5, 0))  # fmt: skip
MINOR_LOOPS = ((0, 8, 3, 10), (0, 10, 8, 10), (0, 5, 8, 7), (8, 10, 0, 3), (0, 3, 10, 5),
               (5, 8, 0, 10), (0, 7, 8, 5), (0, 0, 8, 10), (8, 5, 0, 7), (5, 0, 7, 0))  # fmt: skip
MAJOR_THIRDS = {0: 4, 2: 3, 4: 3, 5: 4, 7: 4, 9: 3, 10: 4}
MINOR_THIRDS = {0: 3, 3: 4, 5: 3, 7: 4, 8: 4, 10: 4, 2: 3}
FORMS = (
    "intro verse chorus verse chorus bridge chorus outro",
    "intro verse pre chorus verse pre chorus bridge chorus chorus outro",
    "verse chorus verse chorus bridge chorus",
    "intro verse verse chorus verse chorus solo chorus outro",
    "intro chorus verse chorus verse chorus outro",
    "intro verse pre chorus interlude verse pre chorus chorus outro",
    "intro verse chorus interlude verse chorus bridge verse chorus outro",
    "intro build drop break build drop outro",
)
SHORT_FORMS = (
    "intro verse chorus outro",
    "intro verse pre chorus outro",
    "verse pre chorus outro",
    "verse chorus bridge chorus outro",
    "intro verse chorus verse chorus",
    "intro chorus verse bridge outro",
)
LENGTHS = {
    "intro": (2, 4, 4, 8), "verse": (8, 8, 8, 16, 4, 12), "pre": (4, 4, 2, 8),
    "chorus": (8, 8, 8, 4, 16), "bridge": (4, 8, 8), "solo": (8, 8, 4), "interlude": (2, 4, 4),
    "outro": (2, 4, 8, 1), "build": (8, 8, 4), "drop": (16, 8), "break": (8, 4, 16),
}  # fmt: skip
FULLNESS = {"intro": 0.3, "verse": 0.5, "pre": 0.6, "chorus": 0.95, "bridge": 0.4, "solo": 0.8,
            "interlude": 0.5, "outro": 0.35, "build": 0.55, "drop": 1.0, "break": 0.25}  # fmt: skip
LIKE = {"intro": "verse", "outro": "chorus", "solo": "chorus", "drop": "chorus",
        "interlude": "verse", "build": "pre", "break": "verse"}  # fmt: skip
SUNG = {"verse", "pre", "chorus", "bridge", "build"}


@dataclass(frozen=True)
class Part:
    """One section of an idea: `kind` is such as `verse`, `nth` counts those of a kind."""

    kind: str
    nth: int
    n_bars: int
    fullness: float


@dataclass(frozen=True)
class Idea:
    """What takes of one song share."""

    parts: tuple[Part, ...]
    chords: dict[str, tuple[tuple[int, int], ...]]  # degree of each half bar
    motifs: dict[str, tuple[tuple[float, float, int], ...]]  # beat, beats, scale step: two bars
    minor: bool
    bpm: float
    beats: int
    swing: float
    seed: int


@dataclass(frozen=True)
class Take:
    """A rendered take and its truth.

    Args:
        stems: by name.
        bars_s: where each bar begins, and where the last one ends.
        parts: sections, in bars from 0 on: `(part, first_bar)`.
    """

    stems: dict[str, Audio]
    bars_s: np.ndarray
    parts: tuple[tuple[Part, int], ...]
    bpm: float

    @property
    def mixture(self) -> Audio:
        return Audio(np.sum([stem.samples for stem in self.stems.values()], axis=0), RATE)


def made_idea(seed: int, style: str = "") -> Idea:
    """Draw an idea; of style `through` it is short and goes on, instead of repeating loops."""
    rng = np.random.default_rng(seed)
    form = (SHORT_FORMS if style else FORMS)[
        rng.integers(len(SHORT_FORMS if style else FORMS))
    ].split()
    lengths = {kind: int(rng.choice(LENGTHS[kind])) for kind in FULLNESS}
    even = 0.5 if style else 1.0  # the band of a short song hardly changes
    fullness = {
        k: float(np.clip(0.6 + even * (f - 0.6) + rng.normal(0, 0.1), 0.1, 1))
        for k, f in FULLNESS.items()
    }
    minor, beats = bool(rng.random() < 0.5), 3 if rng.random() < 0.08 else 4
    loops = MINOR_LOOPS if minor else MAJOR_LOOPS
    pick = [loops[i] for i in rng.permutation(len(loops))]
    of_kind = {kind: pick[i % 5] for i, kind in enumerate(("verse", "chorus", "pre", "bridge"))}
    if rng.random() < 0.3:
        of_kind["chorus"] = of_kind["verse"]
    for kind, like in LIKE.items():
        of_kind[kind] = of_kind[like]
    if rng.random() < 0.3:
        of_kind["intro"] = of_kind["chorus"]
    chords, through = {}, "through" in style
    for kind, loop in of_kind.items():
        slow = rng.random() < 0.2  # a chord for two bars
        quick = not slow and rng.random() < 0.25  # two chords a bar
        each = [(a, a) for a in loop]
        if slow:
            each = [(a, a) for a in loop for _ in range(2)]
        if quick:
            each = [(loop[0], loop[1]), (loop[2], loop[3])]
        if through:  # no bar of a section comes again in it
            degrees = [d for other in rng.permutation(len(loops))[:4] for d in loops[other]]
            each = [(a, a if rng.random() < 0.8 else b) for a, b in pairwise(degrees)]
        chords[kind] = tuple(each)
    motifs = {}
    for kind in FULLNESS:
        slots = np.sort(rng.permutation(4 * beats)[: int(rng.integers(4, 9))]) / 2
        ends = np.append(slots[1:], 2 * beats)
        steps = np.cumsum(rng.integers(-2, 3, slots.size)) + rng.integers(0, 5)
        motifs[kind] = tuple(
            (float(a), float(min(b - a, 2)), int(s))
            for a, b, s in zip(slots, ends, steps, strict=True)
        )
    parts, seen = [], {}
    for kind in form:
        nth = seen[kind] = seen.get(kind, 0) + 1
        n_bars = lengths[kind] + (rng.random() < 0.07) - (rng.random() < 0.03)
        grown = fullness[kind] + 0.07 * (nth - 1)
        parts.append(Part(kind, nth, max(1, int(n_bars)), float(min(1.1, grown))))
    bpm = float(rng.uniform(72, 165)) if "build" not in form else float(rng.uniform(118, 175))
    swing = 0.5 if rng.random() < 0.75 else float(rng.uniform(0.55, 0.66))
    return Idea(tuple(parts), chords, motifs, minor, bpm, beats, swing, seed)


def other_form(idea: Idea, seed: int) -> Idea:
    """Draw another form of an idea: a section left out or doubled, another intro, an extra bar."""
    rng = np.random.default_rng(seed)
    parts = list(idea.parts)
    for change in rng.permutation(["intro", "drop", "double", "bar"])[: rng.integers(1, 3)]:
        if change == "intro" and parts[0].kind == "intro":
            length = int(rng.choice([n for n in (0, 2, 4, 8) if n != parts[0].n_bars]))
            parts[:1] = [replace(parts[0], n_bars=length)] if length else []
        elif change == "intro":
            parts.insert(0, Part("intro", 1, int(rng.choice((2, 4, 8))), FULLNESS["intro"]))
        elif change == "bar":
            i = int(rng.integers(len(parts)))
            parts[i] = replace(parts[i], n_bars=parts[i].n_bars + 1)
        else:
            i = int(rng.integers(1, max(2, len(parts) - 1)))
            parts[i : i + 1] = [parts[i]] * 2 if change == "double" else []
    return replace(idea, parts=tuple(parts))


def unlike(idea: Idea, seed: int) -> Idea:
    """Return the form of an idea with the chords and melodies of another."""
    other = made_idea(seed)
    return replace(idea, chords=other.chords, motifs=other.motifs, minor=other.minor)


BANDS = {"bass": (32, 33, 34, 35, 36, 38, 39), "pad": (48, 50, 88, 89, 90, 91, 94, 16, 18),
         "keys": (0, 1, 2, 4, 5, 6, 7, 11), "guitar": (24, 25, 26, 27, 28, 29, 30, 84, 81, 80),
         "voice": (52, 53, 54, 65, 66, 73, 71, 82, 85, 22)}  # fmt: skip


STEMS = {"drums": ("drums",), "bass": ("bass",), "vocals": ("voice",),
         "other": ("pad", "keys", "guitar")}  # fmt: skip
TRACKS = [track for tracks in STEMS.values() for track in tracks]


class _Player:
    """Plays the bars of an idea with a band drawn from a generator, into notes for each track."""

    def __init__(self, idea: Idea, rng: np.random.Generator) -> None:
        self.idea, self.rng = idea, rng
        self.bpm, self.tonic = idea.bpm * float(rng.uniform(0.9, 1.1)), int(rng.integers(-6, 6))
        self.start_s = float(rng.uniform(0.1, 1.5))
        self.tracks = {name: [] for name in TRACKS}  # (beat, beats, midi, strength)
        self.programs = {name: int(rng.choice(of)) for name, of in BANDS.items()}
        grooves = {kind: _groove(idea.beats, rng) for kind in FULLNESS}
        if rng.random() < 0.5:
            grooves = {kind: grooves["verse" if kind in SUNG else "chorus"] for kind in grooves}
        self.grooves = grooves
        self.enter = {name: float(rng.uniform(0.1, 0.7)) for name in TRACKS}
        self.enter["drums"] = float(rng.uniform(0.2, 0.5))
        self.enter["bass"] = float(rng.uniform(0.15, 0.5))
        self.enter["guitar"] += 0.2
        self.habit = {(k, n): float(rng.normal(0, 0.12)) for k in FULLNESS for n in TRACKS}
        self.bar = 0

    def add(self, track: str, beat: float, beats: float, note: int, strength: float) -> None:
        """Add a note at a beat of this bar; eighths swing."""
        whole, swing = np.floor(beat), self.idea.swing
        part = beat - whole
        late = 2 * part * swing if part <= 0.5 else swing + (2 * part - 1) * (1 - swing)
        at = self.bar * self.idea.beats + whole + late
        self.tracks[track].append((at, beats, note, strength))

    def play(self, part: Part) -> None:
        """Play a section."""
        full = {name: part.fullness + self.habit[part.kind, name] for name in TRACKS}
        playing = {name for name in TRACKS if full[name] > self.enter[name]}
        if not playing & {"pad", "keys", "guitar"}:
            playing.add("keys")
        fills = self.rng.random() < 0.7
        for k in range(part.n_bars):
            if "drums" in playing:
                self.drums(part, k, full["drums"], fills=fills)
            self.chords(part, k, full, playing)
            if part.kind in SUNG or part.kind == "solo":
                self.sing(part, k)
            self.bar += 1

    def drums(self, part: Part, k: int, full: float, *, fills: bool) -> None:
        hits = self.grooves[part.kind]
        if fills and k == part.n_bars - 1:
            hits = _fill(self.idea.beats, hits, self.rng)
        if k == 0 and part.fullness > 0.6 and self.rng.random() < 0.8:
            hits = [*hits, (0.0, 49, 0.9)]
        for beat, note, strength in hits:
            if note in {42, 46, 51} or full > self.enter["drums"] + 0.1:
                self.add("drums", beat, 0.1, note, strength * (0.6 + 0.4 * part.fullness))

    def chords(self, part: Part, k: int, full: dict[str, float], playing: set[str]) -> None:
        chords = self.idea.chords[part.kind]
        first, second = chords[k % len(chords)]
        beats = self.idea.beats
        changes = [(0, beats, first)]
        if first != second:
            changes = [(0, beats / 2, first), (beats / 2, beats / 2, second)]
        thirds = MINOR_THIRDS if self.idea.minor else MAJOR_THIRDS
        strength = 0.4 + 0.3 * part.fullness
        for at, long, degree in changes:
            triad, root = (0, thirds.get(degree, 4), 7), 36 + (self.tonic + degree) % 12
            close = {base: [base + (root + t - base) % 12 for t in triad] for base in (60, 55)}
            if "bass" in playing:
                step = 0.5 if full["bass"] > 0.75 else 1.0 if full["bass"] > 0.5 else long
                for beat in np.arange(0, long, step):
                    self.add("bass", at + beat, step * 0.9, root, 0.8)
            for note in close[60]:
                if "pad" in playing:
                    self.add("pad", at, long, note, 0.5)
                for beat in np.arange(0, long, 1.0 if full["keys"] > 0.5 else 2.0):
                    if "keys" in playing:
                        self.add("keys", at + beat, 0.9, note, strength)
            for i, beat in enumerate(np.arange(0, long, 0.5) if "guitar" in playing else ()):
                self.add("guitar", at + beat, 0.5, close[55][i % 3], strength)

    def sing(self, part: Part, k: int) -> None:
        scale = (0, 2, 3, 5, 7, 8, 10) if self.idea.minor else (0, 2, 4, 5, 7, 9, 11)
        low = k % 2 * self.idea.beats
        for beat, long, step in self.idea.motifs[part.kind]:
            if low <= beat < low + self.idea.beats and self.rng.random() < 0.9:
                note = 64 + self.tonic + scale[step % 7] + 12 * (step // 7)
                self.add("voice", beat - low, long * 0.9, note, 0.75)


def made_take(idea: Idea, seed: int) -> Take:
    """Play an idea in a tempo, key and band drawn from a seed, with its own fills and fullness."""
    player = _Player(idea, np.random.default_rng(seed))
    parts = []
    for part in idea.parts:
        parts.append((part, player.bar))
        player.play(part)
    degree = idea.chords[idea.parts[-1].kind][0][0]
    for name in ("pad", "keys"):  # the last chord, bare
        for step in (0, 7):
            player.add(name, 0, 3.0, 60 + (player.tonic + degree + step) % 12, 0.4)
    stems = {stem: _sound(player, names) for stem, names in STEMS.items()}
    bars_s = player.start_s + np.arange(player.bar + 1) * idea.beats * 60 / player.bpm
    return Take(stems, bars_s, tuple(parts), player.bpm)


def _groove(beats: int, rng: np.random.Generator) -> list[tuple[float, int, float]]:
    kick = {0.0} | {float(b) for b in rng.choice(np.arange(0, beats, 0.5), rng.integers(1, 4))}
    kick -= {1.0, 3.0} if rng.random() < 0.7 else set()
    back = [2.0] if beats == 4 and rng.random() < 0.15 else [b for b in (1.0, 3.0) if b < beats]
    hats = np.arange(0, beats, float(rng.choice([0.5, 0.5, 1.0, 0.25])))
    cymbal = int(rng.choice([42, 42, 46, 51]))
    hits = [(b, 36, 0.9) for b in sorted(kick)]
    hits += [(b, int(rng.choice([38, 40, 39])), 0.85) for b in back]
    return hits + [(float(b), cymbal, 0.5 + 0.1 * (b % 1 == 0)) for b in hats]


def _fill(beats: int, hits: list, rng: np.random.Generator) -> list:
    start = beats - float(rng.choice([1, 2]))
    kept = [hit for hit in hits if hit[0] < start]
    return kept + [
        (float(b), int(rng.choice([38, 45, 47, 41])), 0.6 + 0.1 * (b - start))
        for b in np.arange(start, beats, 0.5 if rng.random() < 0.4 else 0.25)
    ]


def _sound(player: _Player, names: tuple[str, ...]) -> Audio:
    """Render the tracks of one stem."""
    file = mido.MidiFile(ticks_per_beat=TICKS)
    file.tracks += [
        _midi_track(player, name, 9 if name == "drums" else names.index(name)) for name in names
    ]
    n = round(RATE * (player.start_s + (player.bar * player.idea.beats + 4) * 60 / player.bpm))
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "a.mid", Path(folder) / "a.wav"
        file.save(midi)
        options = ("-ni", "-q", "-g", "0.4", "-r", str(RATE), "-F", str(wav))
        command = ("fluidsynth", *options, str(SOUNDFONT), str(midi))
        subprocess.run(command, check=True, capture_output=True)
        samples = soundfile.read(wav, dtype="float32", always_2d=True)[0].T[:, :n]
    return Audio(np.pad(samples, ((0, 0), (0, n - samples.shape[1]))), RATE)


def _midi_track(player: _Player, name: str, channel: int) -> mido.MidiTrack:
    rng, ticks_s = player.rng, TICKS * player.bpm / 60
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=round(60e6 / player.bpm))])
    if name != "drums":
        track.append(mido.Message("program_change", program=player.programs[name], channel=channel))
    volume = round(110 * rng.uniform(0.75, 1.0))
    track.append(mido.Message("control_change", control=7, value=volume, channel=channel))
    events = []
    for beat, long, note, strength in player.tracks[name]:
        at = beat * TICKS + (player.start_s + rng.normal(0, 0.004)) * ticks_s
        velocity = int(np.clip(127 * strength * rng.uniform(0.92, 1.05), 10, 127))
        events.append((max(0, round(at)), "note_on", int(note), velocity))
        events.append((max(0, round(at + long * TICKS)), "note_off", int(note), 0))
    now = 0
    for at, kind, note, velocity in sorted(events):
        what = {"note": note, "velocity": velocity, "channel": channel}
        track.append(mido.Message(kind, time=at - now, **what))
        now = at
    return track
