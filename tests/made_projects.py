"""A song for the writers of projects, with everything that a project may have."""

from __future__ import annotations

from stemfx.exports.song import HitTrack, Marker, Song, SongTrack
from stemfx.exports.tempo_map import Meter, Tempo, TempoMap
from stemfx.hits import Hit

RATE = 48_000

# Beats 0 to 8 last half a second each, all later ones 0.6 s; bar 4 has three beats.
TEMPO = TempoMap(
    (Tempo(0.0, 0.0, 120.0), Tempo(8.0, 4.0, 100.0)),
    (Meter(0, 4), Meter(12, 3), Meter(15, 4)),
    song_start_s=1.75,
    n_bars_before=1,
)

VOCALS = SongTrack('vocals "A" <&>', "#56B4E9", "song-media/vocals.wav", 2, 10 * RATE, 1.5, -0.25)
DRUMS = SongTrack("drums", "#009E73", "song-media/drums.wav", 1, 9 * RATE, 0.0, 0.0)
KEY = SongTrack("it's a `key`", "#010203", "song-media/key.wav", 2, RATE, -6.0, 1.0, is_muted=True)

SONG = Song(
    'Say "it",\ndon\'t',
    "Ada",
    "First line.\nSecond `line`.",
    RATE,
    10.0,
    TEMPO,
    (Marker("A", 0.2503), Marker('B "2"', 2.25), Marker("end", 7.001)),
    (VOCALS, DRUMS, KEY),
    (HitTrack("drums", (Hit(0.25, "kick", 1.0), Hit(2.85, "snare", 0.5))),),
)

STEADY = TempoMap((Tempo(0.0, 0.0, 92.0),), (Meter(0, 4),), song_start_s=0.5, n_bars_before=1)
