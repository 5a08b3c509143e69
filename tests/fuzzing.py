"""Untrusted files of every kind that stemfx reads: honest ones, changed ones, and the reading.

`tests/test_untrusted.py` reads a few hundred in the suite, `tests/benchmarks/fuzz_inputs.py` as
many as one likes. The bundles are in `tests/benchmarks/fuzz_bundles.py`.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from stemfx.hit_files import is_edited, json_text, midi_bytes, read_hits
from stemfx.hits import Hit
from stemfx.io import probe, read_blocks
from stemfx.io.reading import generator_tag
from stemfx.kit_files import read_kit
from stemfx.recipe import read_recipe
from stemfx.registry import Registry, build_registry
from stemfx.separators.plain_yaml import read_plain
from stemfx.separators.weights import read_state
from stemfx.tags import read_cover
from stemfx.weight_files import read_weights

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
EXTREMES = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
TOKENS = (
    *(b"..", b"/", b"\\", b"\0", b"\n", b'"', b"'", b"{}", b"[]", b"-1", b"1e999", b"null", b"~"),
    *(b"true", b".inf", b".nan", b"NaN", b"Infinity", b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(
        b"99999999999999999999",
        b"0" * 5_000,
        b"[" * 3_000,
        b'{"a":' * 3_000,
        b"${db}",
        b"&a",
        b"*a",
    ),
    *(b"<group>", b"<region>", b'#include "k.sfz"\n', b"#define $a $a$a\n", b"$a", b"sample="),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&lt;", b"</instrument>", b"<!--", b"/*"),
    *(b"\x1b[2J", b"\xe2\x80\xae", b"\xc2\x9b", b"https://evil.example/x", b"file:///etc/passwd"),
    *(b"RIFF", b"data", b"fmt ", b"LIST", b"ds64", b"OggS", b"fLaC", b"FORM", b"ID3", b"MTrk"),
    *(b"\xff\x7f", b"\xff\xff\xff\x7f", b"\xf0\x81\x80\x00"),
)


@dataclass(frozen=True)
class Fuzzed:
    """A kind of input: honest seeds by file name, what reads them; `make` grows new ones."""

    seeds: Callable[[], Sequence[tuple[str, bytes]]]
    read: Callable[[Path], object]
    make: Callable[[random.Random], tuple[str, bytes]] | None = None
    change: Callable[[bytes, random.Random], bytes] | None = None

    def inputs(self, seed: int) -> Iterable[tuple[str, bytes]]:
        """Yield inputs without an end, the same for the same number."""
        rng = random.Random(seed)  # noqa: S311
        seeds = list(self.seeds())
        yield from seeds
        while True:
            if self.make and rng.random() < 0.5:
                yield self.make(rng)
            else:
                name, data = rng.choice(seeds)
                change = self.change if self.change and rng.random() < 0.5 else changed
                yield name, change(data, rng)


# --- changes ------------------------------------------------------------------------------


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 9)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def cut(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice([1, 4, 30, len(data)])]


def insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.choice([rng.choice(TOKENS), rng.randbytes(rng.randrange(1, 100))])


def overwrite(data: bytearray, rng: random.Random) -> None:
    at, token = rng.randrange(len(data)), rng.choice(TOKENS)
    data[at : at + len(token)] = token


def splice(data: bytearray, rng: random.Random) -> None:
    begin, length, to = rng.randrange(len(data)), rng.randrange(1, 500), rng.randrange(len(data))
    piece = data[begin : begin + length]
    if rng.random() < 0.5:
        data[to : to + length] = piece
    else:
        data[to:to] = piece


def set_number(data: bytearray, rng: random.Random) -> None:
    """Set a number near the start, where headers are, to an extreme, in either byte order."""
    near = min(len(data), rng.choice([64, 256, 1 << 30]))
    at, kind = rng.randrange(near), rng.choice(["<H", ">H", "<I", ">I", "<Q", ">Q", "B"])
    if at + struct.calcsize(kind) <= len(data):
        value = rng.choice([*EXTREMES, 1 << 63, (1 << 64) - 1, rng.randrange(1 << 32)])
        struct.pack_into(kind, data, at, value & ((1 << 8 * struct.calcsize(kind)) - 1))


CHANGES = (flip_bits, cut, insert, overwrite, splice, set_number)


def changed(data: bytes, rng: random.Random) -> bytes:
    new = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        if new:
            rng.choice(CHANGES)(new, rng)
    return bytes(new)


def changed_lines(data: bytes, rng: random.Random) -> bytes:
    """Change a text of lines so that most of it keeps its meaning."""
    lines = data.split(b"\n")
    for _ in range(rng.randrange(1, 4)):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(5):
            case 0:
                del lines[at]
                lines = lines or [b""]
            case 1:
                lines.insert(at, lines[other])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = b" " * rng.randrange(6) + lines[at].lstrip()
            case 4:
                name, colon, _ = lines[at].partition(b":")
                lines[at] = name + colon + b" " + rng.choice(TOKENS)
    return b"\n".join(lines)


# --- recipes ------------------------------------------------------------------------------

_WORDS = (
    *("stemfx", "title", "license", "author", "params", "sources", "separate", "tracks", "mix"),
    *("master", "output", "extends", "align", "sections", "checks", "templates", "template"),
    *(
        "presets",
        "default",
        "min",
        "max",
        "unit",
        "help",
        "song",
        "vocals",
        "drums",
        "from",
        "file",
    ),
    *(
        "stages",
        "gain_db",
        "pan",
        "mute",
        "stems",
        "fold_down",
        "model",
        "db",
        "residual",
        "report",
    ),
    *(
        "report",
        "bit_depth",
        "sample_rate",
        "kit",
        "hits",
        "bars",
        "tempo",
        "lufs",
        "target",
        "cover",
    ),
    *(
        "tags",
        "masters",
        "reference",
        "bands",
        "freq_hz",
        "type",
        "start",
        "layers",
        "chop",
        "with",
    ),
)
_VALUES = (
    *("1", "-3", "2.5", "1e3", ".inf", ".nan", "010", "1:30", "1e999", '"1"', "true", "null", "''"),
    *("r.yaml", "song/vocals", ".", "..", "/", "../x", "nul", "~", "/dev/zero", "/etc/passwd"),
    *("${db}", "'${'", "'$${'", "'${x}y'", "hf://evil/x", "https://evil.example/x", "//server/x"),
    *(
        "htdemucs",
        "'808'",
        "[]",
        "{}",
        "[[]]",
        "[1, 2]",
        "'\\u202e'",
        '"\\e[2J"',
        "-",
        "*a",
        "&a x",
    ),
)


def _value(rng: random.Random, stages: Sequence[str], depth: int) -> str:
    odds = rng.random()
    if depth > 5 or odds < 0.5:
        return rng.choice((*_VALUES, *_WORDS))
    if odds < 0.7:
        return (
            "[" + ", ".join(_value(rng, stages, depth + 1) for _ in range(rng.randrange(4))) + "]"
        )
    if odds < 0.8:
        return "[{" + f"{rng.choice(stages)}: {_value(rng, stages, depth + 1)}" + "}]"
    return _mapping(rng, stages, depth + 1)


def _mapping(rng: random.Random, stages: Sequence[str], depth: int) -> str:
    keys = [rng.choice((*_WORDS, *stages)) for _ in range(rng.randrange(5))]
    return "{" + ", ".join(f"{key}: {_value(rng, stages, depth)}" for key in keys) + "}"


@cache
def _registry() -> Registry:
    return build_registry()


def _grown_recipe(rng: random.Random) -> tuple[str, bytes]:
    """Return a recipe of known words in any order; most have something to play."""
    stages = sorted(_registry().stages)
    lines = ["stemfx: 1", "params: {db: -1}", "sources: {song: song.wav}"][: rng.randrange(1, 4)]
    for _ in range(rng.randrange(1, 7)):
        if rng.random() < 0.4:
            calls = ", ".join(
                "{" + f"{rng.choice(stages)}: {_mapping(rng, stages, 1)}" + "}"
                for _ in range(rng.randrange(1, 4))
            )
            lines.append(rng.choice(["master: ", "mix: {stages: "]) + f"[{calls}]")
            lines[-1] += "}" if lines[-1].startswith("mix") else ""
        else:
            lines.append(f"{rng.choice(_WORDS)}: {_value(rng, stages, 0)}")
    return "r.yaml", "\n".join(lines).encode()


def _recipe_seeds() -> Sequence[tuple[str, bytes]]:
    return [("r.yaml", path.read_bytes()) for path in sorted(RECIPES.glob("*.yaml"))]


def _read_recipe(path: Path) -> object:
    found = _registry()
    return read_recipe(path, stages=found.stages, kits=found.kits, needs_sources=False)


# --- audio --------------------------------------------------------------------------------

_FORMATS = {
    ".wav": [("WAV", s) for s in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM")]
    + [("WAV", s) for s in ("MS_ADPCM", "GSM610", "G721_32", "NMS_ADPCM_16", "MPEG_LAYER_III")]
    + [("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("W64", "IMA_ADPCM")]
    + [(f, "PCM_16") for f in ("AU", "CAF", "PAF", "SVX", "VOC", "IRCAM", "MAT4", "MAT5", "NIST")]
    + [(f, "PCM_16") for f in ("PVF", "AVR", "HTK", "SDS", "MPC2K")]
    + [("CAF", "ALAC_16"), ("XI", "DPCM_16"), ("WVE", "ALAW"), ("AU", "G723_24")],
    ".flac": [("FLAC", "PCM_16"), ("FLAC", "PCM_24")],
    ".ogg": [("OGG", "VORBIS"), ("OGG", "OPUS")],
    ".mp3": [("MP3", "MPEG_LAYER_III")],
    ".aiff": [("AIFF", s) for s in ("PCM_16", "PCM_24", "FLOAT", "IMA_ADPCM", "DWVW_16", "GSM610")],
}  # fmt: skip


def _audio_seeds() -> Sequence[tuple[str, bytes]]:
    made = []
    for suffix, formats in _FORMATS.items():
        for container, subtype in formats:
            channels = 1 if container in ("WVE", "XI", "HTK", "SDS") or "GSM" in subtype else 2
            channels = 1 if subtype.startswith(("G7", "NMS", "ALAC")) else channels
            rate = 48_000 if subtype == "OPUS" else 8_000
            noise = 0.3 * np.random.default_rng(1).standard_normal((rate // 2, channels))
            out = io.BytesIO()
            try:
                soundfile.write(out, noise.astype(np.float32), rate, subtype, format=container)
            except (soundfile.LibsndfileError, ValueError, RuntimeError):
                continue  # this libsndfile has no encoder of it
            made.append((f"a{suffix}", out.getvalue()))
    return made


def _changed_header(data: bytes, rng: random.Random) -> bytes:
    """Set a few fields of the first 100 bytes to extremes; put an Ogg page's checksum right."""
    new = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at, kind = rng.randrange(100), rng.choice(["<H", ">H", "<I", ">I"])
        if at + struct.calcsize(kind) <= len(new):
            value = rng.choice([*EXTREMES, rng.randrange(1 << 32)])
            struct.pack_into(kind, new, at, value & ((1 << 8 * struct.calcsize(kind)) - 1))
    if new.startswith(b"OggS"):
        right_ogg_pages(new)
    return bytes(new)


def _ogg_table() -> list[int]:
    table = []
    for i in range(256):
        crc = i << 24
        for _ in range(8):
            crc = ((crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(crc)
    return table


_OGG = _ogg_table()


def right_ogg_pages(data: bytearray) -> None:
    """Put the checksums of the first pages right (RFC 3533)."""
    at = 0
    for _ in range(3):
        if data[at : at + 4] != b"OggS" or at + 27 > len(data):
            return
        segments = data[at + 26]
        end = at + 27 + segments + sum(data[at + 27 : at + 27 + segments])
        data[at + 22 : at + 26] = bytes(4)
        crc = 0
        for byte in data[at:end]:
            crc = ((crc << 8) & 0xFFFFFFFF) ^ _OGG[(crc >> 24) ^ byte]
        struct.pack_into("<I", data, at + 22, crc)
        at = end


def _read_audio(path: Path) -> object:
    """Probe a file as a run does, and decode its first second or so."""
    generator_tag(path)
    info = probe(path)
    decoded = read_blocks(info)
    return [block.shape for block, _ in zip(decoded, range(3), strict=False)]


# --- hits, kits, covers, weights ----------------------------------------------------------

_HITS = [
    Hit(0.5 * i, ("kick", "snare", "hat_closed")[i % 3], 0.2 + 0.1 * (i % 8)) for i in range(12)
]


def _hits_seeds() -> Sequence[tuple[str, bytes]]:
    return [("h.json", json_text(_HITS, "beat").encode()), ("h.mid", midi_bytes(_HITS, "beat"))]


def _read_hits(path: Path) -> object:
    is_edited(path)
    return read_hits(path)


_SFZ = b"""// a kit
#define $KICK 36
<control> default_path=./
<global> ampeg_release=0.5
<group> key=$KICK loop_mode=one_shot group=1 off_by=1
<region> sample=kick.wav lovel=1 hivel=64 seq_length=2 seq_position=1
<region> sample=kick.wav lovel=65 hivel=127 volume=-3 tune=20 transpose=-1 offset=10 end=900
<group> key=38 /* two
lines */
<region> sample=snare.wav lorand=0 hirand=0.5
<region> sample=snare.wav lorand=0.5 hirand=1 trigger=attack
"""
_KIT_YAML = b"""kit: 1
name: Tight
author: Ada
licence: CC0-1.0
classes:
  kick: kick.wav
  snare: [snare.wav, kick.wav]
  tom:
    variants:
      high: kick.wav
      low: {files: snare.wav, gain_db: -2, tune_semitones: 1}
  hat_closed:
    choke: hats
    layers:
      - {velocity: [0, 0.5], files: [kick.wav, snare.wav]}
      - {velocity: [0.5, 1], files: snare.wav, gain_db: 1.5}
"""
_XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit"><name>K</name><author>A</author>
<license>CC0</license><componentList><drumkitComponent><id>0</id><name>Main</name><volume>1</volume>
</drumkitComponent></componentList><instrumentList>
<instrument><id>0</id><name>Kick</name><volume>0.8</volume><isMuted>false</isMuted><gain>1</gain>
<muteGroup>1</muteGroup><midiOutNote>36</midiOutNote><instrumentComponent><component_id>0</component_id>
<gain>1</gain><layer><filename>kick.wav</filename><min>0</min><max>0.5</max><gain>1</gain><pitch>0</pitch>
</layer><layer><filename>snare.wav</filename><min>0.5</min><max>1</max></layer></instrumentComponent>
</instrument><instrument><id>1</id><name>Snare</name><layer><filename>snare.wav</filename><min>0</min>
<max>1</max></layer></instrument></instrumentList></drumkit_info>
"""


def _sample() -> bytes:
    out = io.BytesIO()
    tone = 0.5 * np.sin(np.arange(1000) / 5).astype(np.float32)
    soundfile.write(out, tone, 8_000, "PCM_16", format="WAV")
    return out.getvalue()


def _h2drumkit(packed: Callable[[bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in (
            ("drumkit.xml", _XML),
            ("kick.wav", _sample()),
            ("snare.wav", _sample()),
        ):
            member = tarfile.TarInfo(f"K/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed(out.getvalue()[:10_240])


def _kit_seeds() -> Sequence[tuple[str, bytes]]:
    return [
        ("k.sfz", _SFZ),
        ("kit.yaml", _KIT_YAML),
        ("drumkit.xml", _XML),
        ("k.h2drumkit", _h2drumkit(bytes)),
        ("k.h2drumkit", _h2drumkit(lambda data: gzip.compress(data, mtime=0))),
    ]


def _read_kit(path: Path) -> object:
    for name in ("kick.wav", "snare.wav"):
        if not (path.parent / name).exists():
            (path.parent / name).write_bytes(_sample())
    kit = read_kit(path.parent if path.name == "kit.yaml" else path)
    for drum_class in kit.classes:
        kit.sample(drum_class, 0.4, 44_100)
    return kit


def _png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(52))) + chunk(b"IEND", b"")
    )


_JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xdb\x00\x43\x00"
    + bytes(64)
    + b"\xff\xc0\x00\x0b\x08\x0b\xb8\x0b\xb8\x01\x01\x11\x00\xff\xda\x00\x08"
    + bytes(80)
    + b"\xff\xd9"
)


def _cover_seeds() -> Sequence[tuple[str, bytes]]:
    return [("c.png", _png()), ("c.jpg", _JPEG)]


def _safetensors() -> bytes:
    text = json.dumps(
        {
            "__metadata__": {"a": "b"},
            "w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
            "b": {"dtype": "F16", "shape": [2], "data_offsets": [16, 20]},
        }
    ).encode()
    return struct.pack("<Q", len(text)) + text + bytes(20)


_MODEL_YAML = b"""audio: {chunk_size: 261120, sample_rate: 44100}
model: {dim: 64, depth: 6, stereo: true, freqs_per_bands: !!python/tuple [2, 2, 4, 12, 24]}
training: {instruments: &i [vocals, other], target_instrument: null}
inference: {num_overlap: 4, instruments: *i, rate: 1e-3}
"""


def _weights_seeds() -> Sequence[tuple[str, bytes]]:
    import torch

    out = io.BytesIO()
    torch.save({"state_dict": {"w": torch.zeros(2, 2)}}, out)
    ranking = Path(__file__).resolve().parents[1] / "stemfx" / "ranking" / "weights.yaml"
    return [
        ("m.safetensors", _safetensors()),
        ("m.ckpt", out.getvalue()),
        ("model.yaml", _MODEL_YAML),
        ("ranking.yaml", ranking.read_bytes()),
    ]


def _read_weights(path: Path) -> object:
    if path.suffix == ".yaml":
        return read_weights(path) if path.name == "ranking.yaml" else read_plain(path)
    return read_state(path)


KINDS = {
    "recipe": Fuzzed(_recipe_seeds, _read_recipe, make=_grown_recipe, change=changed_lines),
    "audio": Fuzzed(_audio_seeds, _read_audio, change=_changed_header),
    "hits": Fuzzed(_hits_seeds, _read_hits),
    "kit": Fuzzed(_kit_seeds, _read_kit, change=changed_lines),
    "cover": Fuzzed(_cover_seeds, read_cover),
    "weights": Fuzzed(_weights_seeds, _read_weights),
}
