"""Kits that are small, lawful in every line, and made to cost as much as they can."""

import gzip
import io
import tarfile
import time
from contextlib import suppress

import pytest

from stemfx.errors import KitError, StemfxError
from stemfx.hits import DRUM_CLASSES
from stemfx.kit_files import archive, parts, read_kit
from stemfx.kit_files.grouping import sorted_drums
from stemfx.kit_files.names import NameReading
from stemfx.kit_files.parts import MAX_PLAYED, Drum

N = 9_000  # samples; 10,000 are the most that a kit may name


@pytest.fixture
def kit(put, folder):
    """Return a function that writes the description of a kit beside two samples."""
    put("kick.wav")
    put("snare.wav")

    def kit(name, text):
        (folder / name).write_text(text, encoding="utf-8")
        return folder if name == "kit.yaml" else folder / name

    return kit


def hydrogen(instruments):
    return f"<drumkit_info><instrumentList>{instruments}</instrumentList></drumkit_info>"


LAYER = "<layer><filename>kick.wav</filename></layer>"
KINDS = [
    ("kit.sfz", lambda n: "<region>sample=kick.wav key=36 seq_length=99\n" * n),
    ("drumkit.xml", lambda n: hydrogen(f"<instrument><name>Kick</name>{LAYER * n}</instrument>")),
    ("kit.yaml", lambda n: f"kit: 1\nclasses: {{kick: [{'kick.wav, ' * n}]}}"),
    ("kit.yaml", lambda n: f"kit: 1\nclasses: {{kick: [{'.//./kick.wav, ././kick.wav, ' * n}]}}"),
]


@pytest.mark.parametrize(("name", "text"), KINDS, ids=["sfz", "hydrogen", "yaml", "spellings"])
def test_a_sample_is_opened_once_however_often_a_kit_names_it(kit, monkeypatch, name, text):
    opened = []
    probe = parts.probe_sample

    def counted(path, *told):
        opened.append(path.name)
        return probe(path, *told)

    monkeypatch.setattr(parts, "probe_sample", counted)
    read_kit(kit(name, text(50)))
    assert opened == ["kick.wav"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("drumkit.xml", hydrogen(f"<instrument><name>Kick</name>{LAYER * N}</instrument>")),
        ("drumkit.xml", hydrogen(f"<instrument><name>Kick</name>{LAYER}</instrument>" * N)),
        ("kit.yaml", f"kit: 1\nclasses: {{kick: [{'kick.wav, ' * N}]}}"),
        (  # each group silences the next one: one chain of them all
            "kit.sfz",
            "".join(
                f"<region>sample=kick.wav key={i % 127} group={i} off_by={i + 1}\n"
                for i in range(N)
            ),
        ),
        (
            "kit.sfz",
            "".join(
                f"<region>sample=kick.wav key=36 seq_length={N} seq_position={i} lovel={i % 127}\n"
                for i in range(N)
            ),
        ),
        (
            "kit.sfz",
            "".join(f"<{level}>" + " ".join(f"o{i}=1" for i in range(900)) + "\n" for level in
                    ("global", "master", "group"))
            + "<region>sample=kick.wav key=36\n" * N,
        ),
    ],
    ids=["layers", "drums", "takes", "chokes", "edges", "inherited"],
)  # fmt: skip
def test_a_kit_is_read_or_refused_in_a_moment(kit, name, text):
    path = kit(name, text)
    began = time.process_time()
    with suppress(StemfxError):
        read_kit(path)
    # 0.2 to 1 s; each took 5 s to minutes while its time grew with a square.
    assert time.process_time() - began < 4


@pytest.mark.parametrize("always", [0, 90])
def test_a_drum_of_more_layers_and_takes_than_a_drum_has_is_refused(kit, always):
    text = "<region>sample=kick.wav key=36\n" * always + "".join(
        f"<region>sample=kick.wav key=36 seq_length=999 seq_position={i} lovel={i % 127}\n"
        for i in range(900)
    )
    with pytest.raises(KitError, match=f"play more than {MAX_PLAYED:,} samples"):
        read_kit(kit("kit.sfz", text))


def test_takes_keep_the_order_in_which_their_samples_are_listed(kit):
    text = (
        "<group> key=36 sample=kick.wav seq_length=2\n<region>seq_position=2 tune=100\n"
        "<group> key=36 sample=kick.wav\n<region>tune=200\n"
        "<group> key=36 sample=kick.wav seq_length=2\n<region>seq_position=1 tune=300\n"
    )
    (layer,) = read_kit(kit("kit.sfz", text)).drum("kick").layers
    assert [[source.tune_semitones for source in take] for take in layer.takes] == [[2, 3], [1, 2]]


def test_drums_of_one_name_are_counted_past_names_that_are_taken():
    reading = NameReading("kick")
    names = ["Kick", "kick (2)", "Kick", "kick", "Kick (2)"]
    drums = sorted_drums([(reading, Drum(name, ())) for name in names], keep_order=True)
    assert [drum.name for drum in drums] == [
        *("kick", "kick (2)", "kick (3)", "kick (4)", "kick (2) (2)")
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("kit.sfz", "\n" * 300_001, "more than 300,000 lines"),
        (
            "kit.sfz",
            "<global>" + " ".join(f"hicc{i}=127" for i in range(900)) + "\n"
            "<region>sample=kick.wav key=36\n" * 300,
            "more than 200,000 conditions",
        ),
        ("kit.sfz", f"<region>key=36 sample={'a/../' * 30}kick.wav", "is no file name"),
        (
            "drumkit.xml",
            hydrogen("<instrument><name>Kick</name></instrument>" * 10_001),
            "more than 10,000 instruments",
        ),
    ],
)  # fmt: skip
def test_what_is_more_than_a_kit_has_is_refused(kit, name, text, message):
    with pytest.raises(KitError, match=message):
        read_kit(kit(name, text))


def test_an_archive_that_unpacks_to_far_more_than_itself_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 20)
    for n_bytes, message in [(4 << 20, "it unpacks to more than"), (1 << 19, "no drumkit.xml")]:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            member = tarfile.TarInfo("k/kick.wav")
            member.size = n_bytes
            tar.addfile(member, io.BytesIO(bytes(n_bytes)))
        (tmp_path / "k.h2drumkit").write_bytes(gzip.compress(out.getvalue()))
        with pytest.raises(KitError, match=message):
            read_kit(tmp_path / "k.h2drumkit")


def test_chokes_connect_classes_by_their_groups(kit):
    text = (
        "<region>sample=kick.wav key=36 group=5 off_by=7\n"
        "<region>sample=snare.wav key=38 group=7 off_by=6\n"
        "<region>sample=kick.wav key=46 group=6\n"
        "<region>sample=kick.wav key=49 group=9\n"
    )
    found = read_kit(kit("kit.sfz", text))
    chokes = {c: found.choke_group(c) for c in DRUM_CLASSES if c in found.classes}
    assert chokes == {"kick": "group 5", "snare": "group 5"}
