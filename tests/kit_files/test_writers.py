import hashlib
import tarfile
from itertools import pairwise

import numpy as np
import pytest
from kit_making import layout

from stemfx.kit_files import KitSample, read_kit, write_h2drumkit, write_sfz
from stemfx.kit_files.xml_tree import parse_xml
from stemfx.testing import check_kit


@pytest.fixture
def samples(put):
    """Two kicks, a snare of two layers with two takes each, hats that choke."""

    def at(name, drum_class, **kind):
        return KitSample(put(f"samples/{name}.wav", hz=len(name)), drum_class, **kind)

    return [
        at("s1", "snare", low=0.0, high=0.5, take=0),
        at("s2", "snare", low=0.0, high=0.5, take=1),
        at("s4", "snare", low=0.5, high=1.0, take=1),
        at("s3", "snare", low=0.5, high=1.0, take=0),
        at("song - kick & b", "kick"),
        at("k2", "kick", variant="low"),
        at("hc", "hat_closed", choke="hats"),
        at("ho", "hat_open", choke="hats"),
        at("ücymbal", "crash", note=57),
    ]


EXPECTED = {
    "kick": [
        ("kick", [(0.0, 1.0, ["song - kick & b.wav"])]),
        ("kick low", [(0.0, 1.0, ["k2.wav"])]),
    ],
    "snare": [("snare", [(0.0, 0.5, ["s1.wav", "s2.wav"]), (0.5, 1.0, ["s3.wav", "s4.wav"])])],
    "hat_closed": [("hat closed", [(0.0, 1.0, ["hc.wav"])])],
    "hat_open": [("hat open", [(0.0, 1.0, ["ho.wav"])])],
    "crash": [("crash", [(0.0, 1.0, ["ücymbal.wav"])])],
}


def written(folder, samples, suffix):
    path = folder / f"kit.{suffix}"
    write = write_sfz if suffix == "sfz" else write_h2drumkit
    write(path, samples, name="Mine & Yours", licence="CC0-1.0", author="Ada <a@b>")
    return path


@pytest.mark.parametrize("suffix", ["sfz", "h2drumkit"])
def test_a_kit_from_disk_keeps_the_laws_of_kits(folder, samples, suffix):
    kit = read_kit(written(folder, samples, suffix))
    kit.licence = "CC0-1.0"  # the laws want one, and SFZ has no place for it
    assert set(check_kit(kit).values()) == {"held"}


@pytest.mark.parametrize("suffix", ["sfz", "h2drumkit"])
def test_what_is_written_is_read_as_the_same_kit(folder, samples, suffix):
    kit = read_kit(written(folder, samples, suffix))
    # SFZ counts velocities by 127: 0.5 lies between 64 and 65.
    low, high = EXPECTED["snare"][0][1]
    edge = {"sfz": 0.51, "h2drumkit": 0.5}[suffix]
    snare = [("snare", [(0.0, edge, low[2]), (edge, 1.0, high[2])])]
    assert layout(kit) == EXPECTED | {"snare": snare}
    assert kit.choke_group("hat_open") == kit.choke_group("hat_closed") is not None
    assert kit.choke_group("kick") is kit.choke_group("crash") is None


def test_both_kinds_sound_the_same_to_the_bit(folder, samples):
    sfz, hydrogen = (read_kit(written(folder, samples, each)) for each in ("sfz", "h2drumkit"))
    for drum_class in EXPECTED:
        for velocity in (0.2, 0.9):
            heard = [k.sample(drum_class, velocity, 48_000).samples for k in (sfz, hydrogen)]
            np.testing.assert_array_equal(*heard)


def test_a_hydrogen_kit_says_whose_it_is(folder, samples):
    kit = read_kit(written(folder, samples, "h2drumkit"))
    assert (kit.name, kit.author, kit.licence) == ("Mine & Yours", "Ada <a@b>", "CC0-1.0")


@pytest.mark.parametrize("suffix", ["sfz", "h2drumkit"])
def test_the_same_samples_give_the_same_bytes(folder, samples, suffix):
    path = written(folder, samples, suffix)
    first = hashlib.sha256(path.read_bytes()).hexdigest()
    samples[0].file.touch()
    assert hashlib.sha256(written(folder, samples, suffix).read_bytes()).hexdigest() == first


def test_an_archive_tells_nothing_of_who_made_it_when(folder, samples):
    path = written(folder, samples, "h2drumkit")
    # RFC 1952: bytes 3 (flags: no name) and 4 to 8 (date) of the header.
    assert path.read_bytes()[3:8] == bytes(5)
    with tarfile.open(path) as tar:
        members = tar.getmembers()
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 0)}
    assert {m.name.split("/")[0] for m in members} == {"Mine _ Yours"}


def test_the_xml_has_the_elements_of_hydrogens_schema_in_their_order(folder, samples):
    # `data/xsd/drumkit.xsd` of Hydrogen: an <instrument> is a sequence, so their order counts.
    path = written(folder, samples, "h2drumkit")
    with tarfile.open(path) as tar:
        root = parse_xml(tar.extractfile("Mine _ Yours/drumkit.xml").read(), "")
    tags = [child.tag for child in root.find(".//instrument")]
    order = """
        id name type volume isMuted isSoloed pan pitchOffset randomPitchFactor gain applyVelocity
        filterActive filterCutoff filterResonance Attack Decay Sustain Release muteGroup
        midiOutChannel midiOutNote isStopNote isHihat lower_cc higher_cc
        FX1Level FX2Level FX3Level FX4Level instrumentComponent
    """
    assert root.tag == "drumkit_info"
    assert tags == order.split()
    notes = [element.text for element in root.iter("midiOutNote")]
    assert notes == ["36", "35", "38", "42", "46", "57"]
    types = [element.text for element in root.iter("type")]
    assert len(set(types)) == len(types)


def test_files_of_one_name_are_kept_apart(folder, put):
    pair = [KitSample(put(f"{i}/kick.wav", hz=i), "kick", variant=str(i)) for i in (60, 90)]
    path = folder / "kit.h2drumkit"
    write_h2drumkit(path, pair, name="Two")
    kit = read_kit(path)
    a, b = (kit.sample("kick", 1.0, 44_100, variant=name).samples for name in kit.variants("kick"))
    assert not np.array_equal(a, b)


def test_sfz_layers_leave_no_velocity_out(folder, put):
    edges = np.linspace(0, 1, 9)
    layers = [
        KitSample(put(f"{i}.wav"), "kick", low, high)
        for i, (low, high) in enumerate(pairwise(edges))
    ]
    write_sfz(folder / "kit.sfz", layers)
    text = (folder / "kit.sfz").read_text()
    spans = [
        (int(dict(p).get("lovel", 1)), int(dict(p).get("hivel", 127)))
        for line in text.splitlines()
        if line.startswith("<region>")
        for p in [[each.split("=") for each in line.split() if "vel=" in each]]
    ]
    heard = [v for low, high in spans for v in range(low, high + 1)]
    assert heard == list(range(1, 128))


def test_what_cannot_be_written_is_refused(folder, put):
    with pytest.raises(ValueError, match="a kit needs a sample"):
        write_sfz(folder / "kit.sfz", [])
    with pytest.raises(ValueError, match="cannot be named in an SFZ file"):
        write_sfz(folder / "a" / "kit.sfz", [KitSample(put("kick.wav"), "kick")])
    with pytest.raises(ValueError, match="cannot be named in an SFZ file"):
        write_sfz(folder / "kit.sfz", [KitSample(put("kick $1.wav"), "kick")])
    with pytest.raises(ValueError, match="class: 'cowbell' is unknown"):
        KitSample(put("kick.wav"), "cowbell")
    with pytest.raises(ValueError, match="is no range"):
        KitSample(put("kick.wav"), "kick", low=0.5, high=0.5)
