"""A song as a REAPER project (`.rpp`): text, one thing a line, blocks in angle brackets.

Cockos documents no grammar; the fields are those that REAPER 6 and 7 write, and what is left out
has REAPER's defaults. Its scripting API tells what the numbers mean: of `D_PANLAW` that 1.414 is
-3 dB with gain compensation (the centre at 0 dB, the sides 3 dB up), of `I_PANLAW_FLAGS` that 0 is
the sine taper, of `I_PANMODE` that 3 is a stereo balance. That is stemfx's own law of panning, so
the faders and pans of a project give the mix that stemfx made.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stemfx.dsp.units import db_to_gain
from stemfx.exports.song import HitTrack, Song, SongTrack, guid, one_line
from stemfx.hits import GM_NOTES
from stemfx.midi_notes import DRUM_CHANNEL

_HEADER = '<REAPER_PROJECT 0.1 "7.0/stemfx" 0'
_PAN_LAW = 2**0.5
_SINE_TAPER, _BALANCE = 0, 3
_SQUARE = 1  # the shape of a tempo that holds until the next one
_TEMPO_AND_METER = 1
_TICKS_PER_BEAT = 960
_NOTE_TICKS = 120
_HIT_COLOR = "#8C8C8C"


def rpp_text(song: Song) -> str:
    """Return the text of a project, the same for the same song; its media lie beside it."""
    lines = [
        _HEADER,
        *_about(song),
        "  RIPPLE 0",
        f"  PANLAW {_number(_PAN_LAW)}",
        f"  PANMODE {_BALANCE}",
        f"  PANLAWFLAGS {_SINE_TAPER}",
        "  TIMELOCKMODE 0",  # items stay where they are in seconds, whatever the tempo
        f"  SAMPLERATE {song.sample_rate} 1 0",
        f"  TEMPO {_number(song.tempo.tempos[0].bpm)} {song.tempo.meters[0].beats_per_bar} 4",
        "  MASTER_NCH 2 2",
        "  MASTER_VOLUME 1 0 -1 -1 1",
        *_tempo_envelope(song),
        *_markers(song),
    ]
    for number, track in enumerate(song.tracks, 1):
        lines += _track(song, number, track)
    for number, hits in enumerate(song.hits, 1 + len(song.tracks)):
        lines += _hits(song, number, hits)
    return "\n".join([*lines, ">", ""])


def is_anothers(path: Path) -> bool:
    """Tell whether there is a project that somebody saved: REAPER writes its own first line."""
    try:
        with path.open("rb") as file:
            return file.readline().rstrip() != _HEADER.encode()
    except OSError:
        return False


def _about(song: Song) -> Iterator[str]:
    yield "  <NOTES 0 2"
    yield f"    |{one_line(song.title)}"
    yield from (f"    |{one_line(line)}" for line in song.about.splitlines())
    yield "  >"
    yield f"  TITLE {_quoted(song.title)}"
    if song.artist:
        yield f"  AUTHOR {_quoted(song.artist)}"


def _tempo_envelope(song: Song) -> Iterator[str]:
    tempo = song.tempo
    if len(tempo.tempos) + len(tempo.meters) == 2:
        return
    yield "  <TEMPOENVEX"
    yield f"    EGUID {guid(song.title, 'tempo')}"
    yield "    ACT 1 -1"
    yield "    VIS 1 0 1"
    yield "    LANEHEIGHT 0 0"
    yield "    ARM 0"
    yield f"    DEFSHAPE {_SQUARE} -1 -1"
    meters = {float(meter.beat): meter.beats_per_bar for meter in tempo.meters}
    bpm_at = {change.beat: change.bpm for change in tempo.tempos}
    bpm = tempo.tempos[0].bpm
    for beat in sorted({*meters, *bpm_at}):
        bpm = bpm_at.get(beat, bpm)
        point = f"    PT {_number(tempo.time_s(beat))} {_number(bpm)} {_SQUARE}"
        # The lower half has the beats of a bar, the upper one that they are quarter notes.
        meter = f" {(4 << 16) + meters[beat]} 0 {_TEMPO_AND_METER}" if beat in meters else ""
        yield point + meter
    yield "  >"


def _markers(song: Song) -> Iterator[str]:
    for number, marker in enumerate(song.places, 1):
        at = _number(marker.time_s)
        identity = guid(song.title, "marker", str(number))
        yield f"  MARKER {number} {at} {_quoted(marker.name)} 0 0 1 B {identity} 0"


def _track(song: Song, number: int, track: SongTrack) -> Iterator[str]:
    identity = f"{number} {track.name}"
    yield from _head(song, identity, track.name, track.color)
    volume, pan = _number(db_to_gain(track.gain_db)), _number(track.pan)
    yield f"    VOLPAN {volume} {pan} {_number(_PAN_LAW)} -1 1"
    yield f"    MUTESOLO {int(track.is_muted)} 0 0"
    start_s, length_s = song.tempo.song_start_s, track.n_samples / song.sample_rate
    yield from _item(song, identity, track.name, start_s, length_s)
    yield "      <SOURCE WAVE"
    yield f'        FILE "{track.file}"'  # no file of ours has a quote in its name, see `paths`
    yield from ("      >", "    >", "  >")


def _hits(song: Song, number: int, track: HitTrack) -> Iterator[str]:
    identity, name = f"{number} {track.name} hits", f"{track.name} hits"
    yield from _head(song, identity, name, _HIT_COLOR)
    yield f"    VOLPAN 1 0 {_number(_PAN_LAW)} -1 1"
    yield "    MUTESOLO 0 0 0"
    yield from _item(song, identity, name, 0.0, song.end_s)
    yield "      <SOURCE MIDI"
    yield f"        HASDATA 1 {_TICKS_PER_BEAT} QN"
    yield from (f"        {event}" for event in _midi_events(song, track))
    yield f"        GUID {guid(song.title, identity, 'notes')}"
    yield "        IGNTEMPO 0 120 4 4"
    yield from ("      >", "    >", "  >")


def _head(song: Song, identity: str, name: str, color: str) -> Iterator[str]:
    """Yield what every track begins with."""
    yield f"  <TRACK {guid(song.title, identity)}"
    yield f"    NAME {_quoted(name)}"
    yield f"    PEAKCOL {_color(color)}"
    yield "    BEAT 0"
    yield f"    PANMODE {_BALANCE}"
    yield f"    PANLAWFLAGS {_SINE_TAPER}"
    yield "    NCHAN 2"
    yield "    FX 1"
    yield f"    TRACKID {guid(song.title, identity)}"
    yield "    MAINSEND 1 0"


def _item(song: Song, identity: str, name: str, start_s: float, length_s: float) -> Iterator[str]:
    """Yield what every item begins with: no fades, no loop, its own pitch and pace."""
    yield "    <ITEM"
    yield f"      POSITION {_number(start_s)}"
    yield "      SNAPOFFS 0"
    yield f"      LENGTH {_number(length_s)}"
    yield "      LOOP 0"
    yield "      ALLTAKES 0"
    yield "      FADEIN 1 0 0 1 0 0 0"
    yield "      FADEOUT 1 0 0 1 0 0 0"
    yield "      MUTE 0 0"
    yield f"      IGUID {guid(song.title, identity, 'item')}"
    yield f"      NAME {_quoted(name)}"
    yield "      VOLPAN 1 0 1 -1"
    yield "      SOFFS 0"
    yield "      PLAYRATE 1 1 0 -1 0 0.0025"
    yield "      CHANMODE 0"
    yield f"      GUID {guid(song.title, identity, 'take')}"


def _midi_events(song: Song, track: HitTrack) -> Iterator[str]:
    """Yield the notes of hits, each so many ticks after the one before, and where the item ends."""
    events: list[tuple[int, int, str]] = []
    for hit in track.hits:
        beat = song.tempo.beat(song.tempo.song_start_s + hit.time_s)
        at, note = round(beat * _TICKS_PER_BEAT), GM_NOTES[hit.drum_class][0]
        velocity = max(1, min(127, round(127 * hit.velocity)))
        events.append((at, 1, f"{0x90 | DRUM_CHANNEL:x} {note:02x} {velocity:02x}"))
        events.append((at + _NOTE_TICKS, 0, f"{0x80 | DRUM_CHANNEL:x} {note:02x} 00"))
    now = 0
    for at, _, message in sorted(events):
        yield f"E {at - now} {message}"
        now = at
    end = round(song.tempo.beat(song.end_s) * _TICKS_PER_BEAT)
    yield f"E {max(0, end - now)} b0 7b 00"


def _color(color: str) -> int:
    """Return a colour as REAPER has it, red lowest; the highest bit says that there is one."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return 1 << 24 | blue << 16 | green << 8 | red


def _number(value: float) -> str:
    """Write a number without an exponent and without digits that say nothing.

    >>> [_number(value) for value in (1.0, 0.5, 2 ** 0.5, -1e-15)]
    ['1', '0.5', '1.414213562373', '0']
    """
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _quoted(text: str) -> str:
    r"""Write a text in the one kind of quotes that it does not have; it has no escapes.

    >>> [_quoted(text) for text in ('a', 'say "a"', 'say "a", don\'t', '"a" `b` don\'t')]
    ['"a"', '\'say "a"\'', '`say "a", don\'t`', '`"a" \'b\' don\'t`']
    """
    text = one_line(text)
    quote = next((mark for mark in "\"'`" if mark not in text), "`")
    return f"{quote}{text.replace('`', chr(39)) if quote in text else text}{quote}"
