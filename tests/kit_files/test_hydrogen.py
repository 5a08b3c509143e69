import gzip
import io
import os
import tarfile
import tempfile
import tracemalloc

import pytest
from kit_making import layout

from stemfx.errors import KitError, StemfxError
from stemfx.kit_files import archive, read_kit

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def instrument(name, layers, **facts):
    told = "".join(f"<{key}>{value}</{key}>" for key, value in facts.items())
    inner = "".join(
        f"<layer><filename>{file}</filename><min>{low}</min><max>{high}</max>{more}</layer>"
        for file, low, high, *rest in layers
        for more in ["".join(rest)]
    )
    return f"<instrument><id>0</id><name>{name}</name>{told}{inner}</instrument>"


def drumkit(*instruments, head=HEAD, **facts):
    told = "".join(f"<{key}>{value}</{key}>" for key, value in facts.items())
    return (
        f'{head}<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit">{told}'
        f"<instrumentList>{''.join(instruments)}</instrumentList></drumkit_info>"
    )


@pytest.fixture
def kit_xml(folder):
    def write(text):
        data = text if isinstance(text, bytes) else text.encode()
        (folder / "drumkit.xml").write_bytes(data)
        return folder

    return write


def test_instruments_and_layers_are_drums_and_velocities(put, kit_xml):
    for name in ("soft.wav", "hard.wav", "s.wav"):
        put(name)
    path = kit_xml(
        drumkit(
            instrument("Kick", [("soft.wav", 0, 0.52), ("hard.wav", 0.5, 1)], volume=0.5, gain=2),
            instrument("Snare", [("s.wav", 0, 1, "<gain>0.5</gain><pitch>-3</pitch>")]),
            name="Rock",
            author="Ada",
            license="CC0",
        )
    )
    kit = read_kit(path)
    assert (kit.name, kit.author, kit.licence, kit.format) == ("Rock", "Ada", "CC0", "Hydrogen")
    # Ranges that overlap a little, as version 0.9 wrote them, end where the next one starts.
    assert layout(kit) == {
        "kick": [("kick", [(0.0, 0.5, ["soft.wav"]), (0.5, 1.0, ["hard.wav"])])],
        "snare": [("snare", [(0.0, 1.0, ["s.wav"])])],
    }
    (snare,) = kit.drums["snare"][0].sources()
    assert (snare.gain_db, snare.tune_semitones) == (pytest.approx(-6.0206), -3)
    assert kit.drums["kick"][0].sources()[0].gain_db == 0


def test_layers_of_one_range_take_turns_and_components_sound_together(put, kit_xml):
    for name in ("a.wav", "b.wav", "room.wav"):
        put(name)
    close = "<layer><filename>a.wav</filename></layer><layer><filename>b.wav</filename></layer>"
    room = "<layer><filename>room.wav</filename></layer>"
    both = "".join(f"<instrumentComponent>{c}</instrumentComponent>" for c in (close, room))
    kit = read_kit(kit_xml(drumkit(f"<instrument><name>Kick</name>{both}</instrument>")))
    assert layout(kit)["kick"] == [("kick", [(0.0, 1.0, ["a.wav+room.wav", "b.wav+room.wav"])])]


def test_the_class_is_told_by_name_then_type_then_note(put, kit_xml):
    put("a.wav")
    told = [
        instrument("Snare", [("a.wav", 0, 1)], type="Kick", midiOutNote=36),
        instrument("A1", [("a.wav", 0, 1)], type="Hand Clap", midiOutNote=36),
        instrument("B2", [("a.wav", 0, 1)], midiOutNote=36),
        instrument("Hi-Hat", [("a.wav", 0, 1)], type="Hi-hat Open"),
        instrument("Cowbell", [("a.wav", 0, 1)], midiOutNote=38),
        instrument("Theremin", [("a.wav", 0, 1)], midiOutNote=38),
    ]
    kit = read_kit(kit_xml(drumkit(*told)))
    assert kit.classes == ("kick", "snare", "hat_open", "clap")
    assert [each.name for each in kit.ignored] == ["Cowbell", "Theremin"]


def test_mute_groups_choke(put, kit_xml):
    put("a.wav")
    told = [
        instrument(n, [("a.wav", 0, 1)], muteGroup=g) for n, g in (("Open hat", 0), ("Kick", -1))
    ]
    kit = read_kit(kit_xml(drumkit(*told)))
    assert kit.choke_group("hat_open") == "mute group 0"
    assert kit.choke_group("kick") is None


def test_muted_and_empty_instruments_are_left_out(put, kit_xml):
    put("a.wav")
    told = [
        instrument("Kick", [("a.wav", 0, 1)]),
        instrument("Snare", [("a.wav", 0, 1)], isMuted="true"),
        instrument("Clap", []),
        instrument("Tom", [("a.wav", 0, 1, "<gain>0</gain>")]),
    ]
    kit = read_kit(kit_xml(drumkit(*told)))
    assert kit.classes == ("kick",)
    assert {each.reason for each in kit.ignored} >= {"it is muted", "it has no sample"}


def test_a_kit_of_an_old_encoding_is_read(put, kit_xml):
    put("a.wav")
    text = drumkit(instrument("Kick", [("a.wav", 0, 1)]), head="", author="Jürgen")
    assert read_kit(kit_xml(text.encode("latin-1"))).author == "Jürgen"


# --- bad input ---------------------------------------------------------------------------

BOMB = (
    '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
KICK = instrument("Kick", [("a.wav", 0, 1)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this is not valid XML"),
        ("hello", "this is not valid XML"),
        ("<a><b></a>", r"drumkit\.xml:1:9: this is not valid XML"),
        ('<?xml version="1.0" encoding="x-odd"?><a/>', "'unknown encoding: x-odd'; export the kit"),
        (
            drumkit(instrument("A\x9b2J\u202e", [("a.wav", 0, 1)])),
            r"no drum .* \('A\\x9b2J\\u202e'",
        ),
        ("<song/>", "this is no Hydrogen drum kit"),
        (drumkit(), "the kit has no drum that stemfx knows"),
        (drumkit(instrument("Cowbell", [("a.wav", 0, 1)])), r"no drum .* \(Cowbell: `cowbell`"),
        (drumkit(KICK, head=HEAD + BOMB), "a document type .* is declared"),
        (
            drumkit(KICK, head=HEAD + '<!DOCTYPE a SYSTEM "file:///etc/passwd">'),
            "a document type .* is declared",
        ),
        (drumkit(instrument("Kick", [("gone.wav", 0, 1)])), "'Kick': 'gone.wav' is not there"),
        (drumkit(instrument("Kick", [("../a.wav", 0, 1)])), "leads out of the kit's folder"),
        (drumkit(instrument("Kick", [("/etc/passwd", 0, 1)])), "is an absolute path"),
        (
            drumkit(instrument("Kick", [("a.wav", "soft", 1)])),
            "<min> is 'soft', which is no number",
        ),
        (drumkit(instrument("Kick", [("a.wav", 0, 1, "<pitch>1e6</pitch>")])), "semitones"),
        ("<a>" * 40, "more than 500,000 elements or 32 levels"),
        ("<a>" + "<b/>" * 500_001, "more than 500,000 elements or 32 levels"),
    ],
)
def test_a_bad_xml_gets_one_clear_sentence(put, kit_xml, text, message):
    put("a.wav")
    with pytest.raises(StemfxError, match=message):
        read_kit(kit_xml(text))


# --- archives ----------------------------------------------------------------------------


@pytest.fixture
def pack(tmp_path):
    def write(members, *, zipped=True):
        """Write (TarInfo or name, data) into an archive."""
        path = tmp_path / "kit.h2drumkit"
        with tarfile.open(path, "w:gz" if zipped else "w") as tar:
            for member, data in members:
                info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return path

    return write


@pytest.fixture
def good(put):
    xml = drumkit(KICK, name="Rock").encode()
    return [("Rock/drumkit.xml", xml), ("Rock/a.wav", put("a.wav").read_bytes())]


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("zipped", [True, False])
def test_an_archive_is_read_played_and_leaves_nothing_behind(
    pack, good, zipped, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    kit = read_kit(pack(good, zipped=zipped))
    assert (kit.name, kit.classes) == ("Rock", ("kick",))
    assert kit.sample("kick", 1.0, 44_100).n_samples > 1_000
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    del kit
    assert list((tmp_path / "temporary").iterdir()) == []


def test_an_archive_and_its_folder_are_the_same_kit(pack, good, kit_xml):
    assert read_kit(pack(good)).identity() == read_kit(kit_xml(good[0][1])).identity()


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("../outside.wav", "would lie outside the kit's folder"),
        ("/tmp/outside.wav", "would lie outside the kit's folder"),  # noqa: S108
        ("Rock/..\\outside.wav", "would lie outside the kit's folder"),
        ("C:outside.wav", "would lie outside the kit's folder"),
        (special("Rock/link.wav", tarfile.SYMTYPE, "/etc/passwd"), "is a link or a device"),
        (special("Rock/link.wav", tarfile.LNKTYPE, "Rock/a.wav"), "is a link or a device"),
        (special("Rock/null", tarfile.CHRTYPE), "is a link or a device"),
        (special("Rock/fifo", tarfile.FIFOTYPE), "is a link or a device"),
        ("Rock/a.wav", "is in it twice"),
    ],
)
def test_an_archive_with_what_no_kit_holds_is_refused(pack, good, member, message, tmp_path):
    with pytest.raises(KitError, match=message):
        read_kit(pack([*good, (member, b"")]))
    assert not (tmp_path / "outside.wav").exists()


def test_an_archive_that_unpacks_to_too_much_is_refused(pack, good, monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 1 << 20)
    with pytest.raises(KitError, match="it unpacks to more than"):
        read_kit(pack([*good, ("Rock/zeros.wav", bytes(2 << 20))]))


def test_an_archive_of_too_many_files_is_refused(pack, good, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 5)
    with pytest.raises(KitError, match="more than 5 files"):
        read_kit(pack([*good, *((f"Rock/{i}.wav", b"") for i in range(5))]))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_header_upon_header_is_refused(tmp_path, kind):
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, 12
    header = info.tobuf(tarfile.GNU_FORMAT) + b"12 a=bcdefg\n".ljust(512, b"\0")
    path = tmp_path / "kit.h2drumkit"
    path.write_bytes(gzip.compress(3_000 * header))
    with pytest.raises(KitError, match="header upon header"):
        read_kit(path)


@pytest.mark.parametrize("name", ["drumkit.xml", "kit.sfz", "kit.yaml"])
def test_a_description_that_is_too_large_is_not_even_read(put, folder, name):
    put("kick.wav")
    (folder / name).touch()
    os.truncate(folder / name, 1 << 30)  # takes no room on the disk
    tracemalloc.start()
    try:
        with pytest.raises(KitError, match="this is no kit"):
            read_kit(folder)
        assert tracemalloc.get_traced_memory()[1] < 80 << 20  # of XML 32 MiB are read
    finally:
        tracemalloc.stop()


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path):
    info = tarfile.TarInfo("PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    path = tmp_path / "kit.h2drumkit"
    path.write_bytes(gzip.compress(info.tobuf() + bytes(4096)))
    with pytest.raises(KitError, match="a header of more than 1 MiB"):
        read_kit(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"", "no Hydrogen kit, or a damaged one"),
        (lambda _: b"not a tar at all" * 100, "no Hydrogen kit, or a damaged one"),
        (lambda data: data[: len(data) // 2], "the compressed data ends too early"),
        (lambda data: data[:40] + b"\xff" * 40 + data[80:], "no Hydrogen kit, or a damaged one"),
    ],
)
def test_a_damaged_archive_gets_one_clear_sentence(pack, good, damage, message):
    path = pack(good)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(KitError, match=message):
        read_kit(path)


def test_messages_about_an_archive_name_the_archive(pack, good):
    path = pack(good[:1])
    with pytest.raises(KitError) as caught:
        read_kit(path)
    assert str(caught.value).startswith(f"{path}/Rock/drumkit.xml: instrument 'Kick'")
    assert tempfile.gettempdir() + "/stemfx-kit" not in str(caught.value)


def test_an_archive_without_a_kit_says_so(pack, good):
    with pytest.raises(KitError, match=r"no drumkit\.xml in it"):
        read_kit(pack(good[1:]))
