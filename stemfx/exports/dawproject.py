"""A song as DAWproject 1.0, the exchange format of Bitwig Studio, Studio One and Cubase: its XML.

Bitwig's schema `Project.xsd` (github.com/bitwig/dawproject, MIT) gives the elements and their
order; audio lies in clips as Bitwig itself writes audio that is not stretched: a clip in beats
around one whose content counts in seconds.

The format has a volume and a pan but no law of panning, and the faders of some programs end at
+6 dB. So what a track needs above that is already in its file, see `fader_and_rest_db`.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from stemfx import __version__
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.exports.song import HitTrack, Song, SongTrack, one_line
from stemfx.hits import GM_NOTES
from stemfx.midi_notes import DRUM_CHANNEL

_MOST_VOLUME = 2.0
_BPM_RANGE = (20, 999)
_NOTE_BEATS = 0.125


def fader_and_rest_db(gain_db: float) -> tuple[float, float]:
    """Return what of a gain the fader gives, at most +6 dB, and what the file has to have.

    >>> fader_and_rest_db(-3.0)
    (-3.0, 0.0)
    """
    most_db = gain_to_db(_MOST_VOLUME)
    return min(gain_db, most_db), max(0.0, gain_db - most_db)


def project_xml(song: Song) -> bytes:
    """Return `project.xml`, the same for the same song."""
    return _Project(song).xml()


def metadata_xml(song: Song) -> bytes:
    """Return `metadata.xml`."""
    root = ET.Element("MetaData")
    about = "\n".join(map(one_line, song.about.splitlines()))
    for name, text in (("Title", song.title), ("Artist", song.artist)):
        if text:
            ET.SubElement(root, name).text = one_line(text)
    if about:
        ET.SubElement(root, "Comment").text = about
    return _text(root)


class _Project:
    def __init__(self, song: Song) -> None:
        self._song = song
        self._n_ids = 0
        self._root = ET.Element("Project", version="1.0")
        self._tempo_id = self._meter_id = ""

    def xml(self) -> bytes:
        """Build it, in the order of the schema."""
        song = self._song
        ET.SubElement(self._root, "Application", name="stemfx", version=__version__)
        self._transport()
        structure = ET.SubElement(self._root, "Structure")
        master = self._id()
        audio = [self._track(structure, track, "audio", master) for track in song.tracks]
        plain = [SongTrack(f"{hits.name} hits", "#8C8C8C", "", 2, 0) for hits in song.hits]
        notes = [self._track(structure, track, "notes", master) for track in plain]
        self._track(
            structure, SongTrack("Master", "#FFFFFF", "", 2, 0), "audio notes", None, master
        )
        arrangement = self._element(self._root, "Arrangement")
        lanes = self._element(arrangement, "Lanes", timeUnit="beats")
        for track, track_id in zip(song.tracks, audio, strict=True):
            self._audio_lane(lanes, track, track_id)
        for hits, track_id in zip(song.hits, notes, strict=True):
            self._note_lane(lanes, hits, track_id)
        self._markers(arrangement)
        self._changes(arrangement)
        return _text(self._root)

    def _id(self) -> str:
        self._n_ids += 1
        return f"id{self._n_ids}"

    def _element(
        self, parent: ET.Element, tag: str, named: Mapping[str, str] | None = None, **more: str
    ) -> ET.Element:
        """Add an element with an id of its own."""
        return ET.SubElement(parent, tag, {**more, **(named or {}), "id": self._id()})

    def _transport(self) -> None:
        transport = ET.SubElement(self._root, "Transport")
        low, high = map(str, _BPM_RANGE)
        bpm = _number(self._song.tempo.tempos[0].bpm)
        tempo = self._element(
            transport, "Tempo", name="Tempo", unit="bpm", min=low, max=high, value=bpm
        )
        beats = str(self._song.tempo.meters[0].beats_per_bar)
        meter = self._element(transport, "TimeSignature", numerator=beats, denominator="4")
        self._tempo_id, self._meter_id = tempo.attrib["id"], meter.attrib["id"]

    def _track(
        self,
        structure: ET.Element,
        track: SongTrack,
        content: str,
        destination: str | None,
        channel_id: str | None = None,
    ) -> str:
        """Add a track with its channel; return its id."""
        about = {"name": one_line(track.name), "color": track.color.lower()}
        element = self._element(structure, "Track", about, contentType=content, loaded="true")
        role = "master" if destination is None else "regular"
        to = {} if destination is None else {"destination": destination}
        named = {"audioChannels": "2", "role": role, "solo": "false", **to}
        channel = ET.SubElement(element, "Channel", {**named, "id": channel_id or self._id()})
        muted = "true" if track.is_muted else "false"
        self._element(channel, "Mute", name="Mute", value=muted)
        side = _number((track.pan + 1) / 2)
        self._element(channel, "Pan", name="Pan", unit="normalized", min="0", max="1", value=side)
        volume = _number(db_to_gain(track.gain_db))
        most = _number(_MOST_VOLUME)
        self._element(
            channel, "Volume", name="Volume", unit="linear", min="0", max=most, value=volume
        )
        return element.attrib["id"]

    def _audio_lane(self, lanes: ET.Element, track: SongTrack, track_id: str) -> None:
        tempo, rate = self._song.tempo, self._song.sample_rate
        length_s = track.n_samples / rate
        start = tempo.beat(tempo.song_start_s)
        length = tempo.beat(tempo.song_start_s + length_s) - start
        lane = self._element(lanes, "Lanes", track=track_id)
        clips = self._element(lane, "Clips")
        named = {"name": one_line(track.name), "time": _number(start), "duration": _number(length)}
        outer = ET.SubElement(clips, "Clip", {**named, "playStart": "0"})
        inner = ET.SubElement(
            self._element(outer, "Clips"),
            "Clip",
            {"time": "0", "duration": _number(length), "contentTimeUnit": "seconds"},
            playStart="0",
            playStop=_number(length_s),
        )
        audio = self._element(
            inner,
            "Audio",
            timeUnit="seconds",
            algorithm="raw",
            channels=str(track.channels),
            sampleRate=str(rate),
            duration=_number(length_s),
        )
        ET.SubElement(audio, "File", path=track.file)

    def _note_lane(self, lanes: ET.Element, track: HitTrack, track_id: str) -> None:
        tempo = self._song.tempo
        lane = self._element(lanes, "Lanes", track=track_id)
        clips = self._element(lane, "Clips")
        length = _number(tempo.beat(self._song.end_s))
        clip = ET.SubElement(clips, "Clip", time="0", duration=length, playStart="0")
        notes = self._element(clip, "Notes")
        for hit in track.hits:
            ET.SubElement(
                notes,
                "Note",
                time=_number(tempo.beat(tempo.song_start_s + hit.time_s)),
                duration=_number(_NOTE_BEATS),
                channel=str(DRUM_CHANNEL),
                key=str(GM_NOTES[hit.drum_class][0]),
                vel=_number(hit.velocity),
                rel=_number(hit.velocity),
            )

    def _markers(self, arrangement: ET.Element) -> None:
        if not self._song.places:  # an empty list is not allowed
            return
        tempo = self._song.tempo
        markers = self._element(arrangement, "Markers", timeUnit="beats")
        for marker in self._song.places:
            beat = tempo.beat(marker.time_s)
            ET.SubElement(markers, "Marker", name=one_line(marker.name), time=_number(beat))

    def _changes(self, arrangement: ET.Element) -> None:
        """Add what tempo and meter become, where they change."""
        tempo = self._song.tempo
        if tempo.tempos[1:]:
            points = self._element(arrangement, "TempoAutomation", timeUnit="beats", unit="bpm")
            ET.SubElement(points, "Target", parameter=self._tempo_id)
            for one in tempo.tempos:
                at = {"time": _number(one.beat), "value": _number(one.bpm)}
                ET.SubElement(points, "RealPoint", at, interpolation="hold")
        if tempo.meters[1:]:
            points = self._element(arrangement, "TimeSignatureAutomation", timeUnit="beats")
            ET.SubElement(points, "Target", parameter=self._meter_id)
            for meter in tempo.meters:
                named = {"time": str(meter.beat), "numerator": str(meter.beats_per_bar)}
                ET.SubElement(points, "TimeSignaturePoint", named, denominator="4")


def _number(value: float) -> str:
    """Write a number without an exponent; twelve digits are a billionth of a sample.

    >>> [_number(value) for value in (0.0, 2.0, 1 / 3)]
    ['0.0', '2.0', '0.333333333333']
    """
    text = f"{value:.12f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def _text(root: ET.Element) -> bytes:
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text + b"\n"
