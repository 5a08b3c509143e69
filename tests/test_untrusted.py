"""What strangers' files may not do; each reader has laws of its own beside it."""

import io
import os
import socket
import struct
import time
from contextlib import suppress
from itertools import islice

import numpy as np
import pytest
import soundfile
from engine import run_text
from fuzzing import KINDS

from stemfx.cli import execute
from stemfx.errors import AudioFileError, HitsError, KitError, OutputError, StemfxError, TagError
from stemfx.hit_files import is_edited, read_hits
from stemfx.io import probe, read_blocks
from stemfx.io.reading import generator_tag
from stemfx.kit_files import read_kit
from stemfx.run import SilentObserver
from stemfx.tags import read_cover

# --- any bytes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "n"), [("audio", 250), ("cover", 300), ("hits", 250), ("recipe", 200), ("kit", 100)]
)
def test_changed_files_are_read_or_refused_in_one_clear_sentence(tmp_path, kind, n):
    """More, and models: `python tests/benchmarks/fuzz_inputs.py`, which also finds hangs."""
    for i, (name, data) in enumerate(islice(KINDS[kind].inputs(seed=8), n)):
        (tmp_path / name).write_bytes(data)
        told = ""
        try:
            KINDS[kind].read(tmp_path / name)
        except StemfxError as refused:
            told = str(refused)
        assert told.replace("\n", "").isprintable(), (i, told)
        (tmp_path / name).unlink(missing_ok=True)


# --- audio ----------------------------------------------------------------------------------


def wav(channels=2, rate=44_100, bits=16, data=bytes(40_000), declared=None):
    frame = channels * bits // 8
    form = struct.pack(
        "<HHIIHH", 1, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, bits
    )
    size = len(data) if declared is None else declared
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", size) + data


def flac(n_samples, rate=44_100):
    facts = rate << 44 | 1 << 41 | 15 << 36 | n_samples
    head = b"fLaC\x80\0\0\x22" + struct.pack(">HH", 4096, 4096) + bytes(6)
    return head + struct.pack(">Q", facts) + bytes(16)


def mp3(n_frames):
    """Return a second of silence whose Xing header promises frames of 26 ms."""
    out = io.BytesIO()
    soundfile.write(out, np.zeros((44_100, 2)), 44_100, "MPEG_LAYER_III", format="MP3")
    data = bytearray(out.getvalue())
    at = max(data.find(b"Xing"), data.find(b"Info"))
    struct.pack_into(">I", data, at + 8, n_frames)
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.wav", wav(rate=0), "not audio that stemfx can read|the sample rate is 0 Hz"),
        ("a.wav", wav(rate=2**31), "not audio that stemfx can read|sample rate"),
        ("a.wav", wav(rate=7_999), "the sample rate is 7999 Hz"),
        ("a.wav", wav(channels=0), "not audio that stemfx can read"),
        ("a.wav", wav(channels=65_535), "not audio that stemfx can read"),
        ("a.wav", wav(channels=65, data=bytes(65 * 2 * 30_000)), "65 channels; at most 64"),
        ("a.wav", wav(bits=65_535), "not audio that stemfx can read"),
        ("a.wav", wav(declared=0xFFFFFFF0), "the file is cut off"),
        ("a.flac", flac(2**36 - 1), "432.9 hours of audio; the limit is 6 hours"),
        ("a.flac", flac(0), "does not say how long the audio is"),
        ("a.mp3", mp3(2**31 - 1), "15582.6 hours of audio; the limit is 6 hours"),
        ("a.mp3", b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(1000), "not audio that stemfx can read"),
        ("a.raw", bytes(10_000), "not audio that stemfx can read"),
    ],
)
def test_a_header_of_impossible_audio_is_refused_before_anything_is_decoded(
    tmp_path, name, data, told
):
    (tmp_path / name).write_bytes(data)
    assert generator_tag(tmp_path / name) is None
    with pytest.raises(AudioFileError, match=told):
        probe(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "data"), [("a.flac", flac(5 * 3600 * 44_100)), ("a.mp3", mp3(684_000))]
)
def test_a_promise_of_hours_takes_no_longer_than_what_is_there(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    info = probe(tmp_path / name)
    assert info.duration_s > 4 * 3600
    start = time.process_time()
    with suppress(AudioFileError):  # of an MP3 the length is only a promise
        assert sum(block.shape[1] for block in read_blocks(info)) < 50_000
    assert time.process_time() - start < 1.0


def test_audio_that_cannot_be_wound_back_is_decoded_to_its_end(tmp_path):
    noise = 0.1 * np.random.default_rng(1).standard_normal(20_000)
    soundfile.write(tmp_path / "a.wav", noise, 8_000, "GSM610")
    assert sum(block.shape[1] for block in read_blocks(probe(tmp_path / "a.wav"))) >= 20_000


# --- what is no file ------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(
    ("name", "read", "error"),
    [
        ("a.wav", probe, AudioFileError),
        ("h.json", read_hits, HitsError),
        ("h.mid", read_hits, HitsError),
        ("c.png", read_cover, TagError),
        ("k.sfz", read_kit, KitError),
        ("drumkit.xml", read_kit, KitError),
        ("k.h2drumkit", read_kit, KitError),
    ],
)
def test_a_pipe_is_not_waited_for(tmp_path, name, read, error):
    os.mkfifo(tmp_path / name)
    with pytest.raises(error):
        read(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_the_way_of_hits_counts_as_edited(tmp_path):
    os.mkfifo(tmp_path / "hits.mid")
    assert is_edited(tmp_path / "hits.mid")


# --- where results go -----------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_in_the_output_folder_does_not_lead_results_out_of_it(tmp_path, song):
    soundfile.write(tmp_path / "song.wav", song.samples.T, song.sample_rate, "PCM_16")
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
    text = "sources: {song: song.wav}\noutput: {master: sub/a.wav}\n"
    with pytest.raises(OutputError, match="lies outside the output folder"):
        run_text(tmp_path, text, out_folder=tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_that_is_put_in_after_the_plan_does_not_lead_results_out_either(tmp_path, song):
    soundfile.write(tmp_path / "song.wav", song.samples.T, song.sample_rate, "PCM_16")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/sub").mkdir(parents=True)

    class Swapping(SilentObserver):
        def started(self, node, n_samples):
            if not (folder := tmp_path / "out/sub").is_symlink():
                folder.rmdir()
                folder.symlink_to(tmp_path / "elsewhere")

    text = "sources: {song: song.wav}\noutput: {master: sub/a.wav, stems: sub}\n"
    with pytest.raises(OutputError, match="became a link to another place"):
        run_text(tmp_path, text, out_folder=tmp_path / "out", observer=Swapping())
    assert not list((tmp_path / "elsewhere").iterdir())


# --- the network ----------------------------------------------------------------------------

PLACES = (
    *("hf://evil/x", "https://evil.example/x.ckpt", "file:///etc/passwd"),
    *("//server/share/x", "evil/x@main", "git+ssh://evil.example/x"),
)


@pytest.fixture
def no_connection(monkeypatch):
    """Note every attempt to reach another machine, and refuse it."""
    tried = []

    def refuse(*where, **_):
        tried.append(where)
        raise OSError("no connection here")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tried


@pytest.mark.parametrize("place", PLACES)
def test_names_and_addresses_in_a_recipe_open_no_connection(
    tmp_path, song, place, no_connection, capsys
):
    soundfile.write(tmp_path / "song.wav", song.samples.T, song.sample_rate, "PCM_16")
    shapes = (
        f"separate: {{model: '{place}'}}\ntracks: {{vocals: {{}}}}\n",
        f"tracks: {{x: {{from: '{place}'}}}}\n",
        f"extends: '{place}'\n",
        f"tracks: {{drums: {{stages: [{{replace_drums: {{kit: '{place}'}}}}]}}}}\n",
        f"output: {{tags: {{cover: '{place}'}}}}\n",
    )
    for shape in shapes:
        text = f"stemfx: 1\nsources: {{song: song.wav}}\n{shape}"
        (tmp_path / "r.yaml").write_text(text)
        if place == PLACES[0]:
            for command in ("validate", "plan", "show"):
                execute([command, str(tmp_path / "r.yaml")])
        more = [] if "output" in shape else ["--out", str(tmp_path / "out")]
        assert execute(["run", str(tmp_path / "r.yaml"), "--no-cache", *more]) == 2
    source = f"stemfx: 1\nsources: {{song: '{place}'}}\n"
    (tmp_path / "r.yaml").write_text(source)
    assert execute(["run", str(tmp_path / "r.yaml")]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert no_connection == []


# --- terminals ------------------------------------------------------------------------------

TURNED = "\u202eevil\u2066"


def test_a_strangers_words_do_not_steer_the_terminal(tmp_path, song, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    soundfile.write("song.wav", song.samples.T, song.sample_rate, "PCM_16")
    text = f"""stemfx: 1
title: "title {TURNED}"
author: "author {TURNED}"
license: "licence {TURNED}"
description: "description {TURNED}"
params: {{db: {{default: 1, min: 0, max: 2, help: "help {TURNED}"}}}}
sources: {{song: song.wav}}
tracks: {{song: {{gain_db: "${{db}}"}}}}
output: {{master: a.wav, tags: {{title: "tag {TURNED}"}}}}
"""
    (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(text + f'"{TURNED}": 1\n', encoding="utf-8")
    name = f"b{TURNED}\x1b[2J.yaml"
    (tmp_path / name).write_text(text, encoding="utf-8")
    shown = ""
    for file in ("r.yaml", "bad.yaml", name):
        for command in ("show", "plan", "validate", "pack", "recipes"):
            execute([command, file])
            out, err = capsys.readouterr()
            shown += out + err
    execute(["plan", "r.yaml", "--set", f"{TURNED}\x1b=1"])
    execute(["show", "r.yaml", "--preset", f"{TURNED}\x1b"])
    execute(["unpack", "r.stemfx", "-o", "unpacked"])
    execute(["show", "r.stemfx"])
    out, err = capsys.readouterr()
    shown += out + err
    assert "title" in shown
    assert not {"\u202e", "\u2066", "\x1b"} & set(shown)
