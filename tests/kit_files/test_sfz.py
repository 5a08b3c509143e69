import os
import time

import pytest
from kit_making import layout

from stemfx.errors import KitError, StemfxError
from stemfx.kit_files import read_kit


@pytest.fixture
def sfz(folder):
    def write(text, name="kit.sfz"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_regions_inherit_from_their_group_master_global_and_control(put, sfz):
    put("wav/bass/kick one.wav")
    put("wav/b.wav")
    path = sfz(
        "// a kit\n<control> default_path=wav/ note_offset=-12\n#define $LOUD 6\n"
        "<global> volume=-3 /* for\nall */ <master> tune=50\n"
        "<group> key=48 volume=$LOUD transpose=-1\n"
        "<region> sample=bass/kick one.wav lovel=1 hivel=63\n"
        "<region> sample=b.wav lovel=64 volume=1\n"
        "<master> <region> sample=b.wav key=50\n"
    )
    kit = read_kit(path)
    assert layout(kit) == {
        "kick": [("one", [(0.0, 0.5, ["kick one.wav"]), (0.5, 1.0, ["b.wav"])])],
        "snare": [("acoustic snare", [(0.0, 1.0, ["b.wav"])])],
    }
    (first, second), (snare,) = kit.drums["kick"][0].sources(), kit.drums["snare"][0].sources()
    assert (first.gain_db, first.tune_semitones) == (6, -0.5)
    assert (second.gain_db, second.tune_semitones) == (1, -0.5)
    assert (snare.gain_db, snare.tune_semitones) == (-3, 0)


def test_round_robins_take_turns_and_what_starts_together_sounds_together(put, sfz):
    for name in ("sn1.wav", "sn2.wav", "room.wav"):
        put(name)
    path = sfz(
        "<group> key=38 seq_length=2\n<region> sample=sn2.wav seq_position=2\n"
        "<region> sample=sn1.wav seq_position=1\n<group> key=38 <region> sample=room.wav\n"
        "<group> key=40 <region> sample=sn1.wav lorand=0 hirand=0.5\n"
        "<region> sample=sn2.wav lorand=0.5 hirand=1\n"
    )
    assert layout(read_kit(path))["snare"] == [
        ("acoustic snare", [(0.0, 1.0, ["sn1.wav+room.wav", "sn2.wav+room.wav"])]),
        ("electric snare", [(0.0, 1.0, ["sn1.wav", "sn2.wav"])]),
    ]


def test_keys_have_names_too_and_c4_is_60(put, sfz):
    put("a.wav")
    path = sfz("".join(f"<region> key={key} sample=a.wav\n" for key in ("c2", "d2", "f#2")))
    kit = read_kit(path)
    assert kit.classes == ("kick", "snare", "hat_closed")


def test_a_name_goes_before_a_key_and_a_key_says_how_a_hat_is(put, sfz):
    for name in ("snare.wav", "hihat_2.wav", "cowbell.wav", "a.wav"):
        put(name)
    kit = read_kit(
        sfz(
            "<region> key=36 sample=snare.wav <region> key=46 sample=hihat_2.wav\n"
            "<region> key=38 sample=cowbell.wav <region> key=39 sample=a.wav\n"
            "<region> lokey=0 hikey=127 sample=a.wav\n<region> key=41 group_label=kick sample=a.wav"
        )
    )
    assert kit.classes == ("kick", "snare", "hat_open", "clap")
    assert {each.name for each in kit.ignored} == {"cowbell.wav", "a.wav"}


def test_off_by_makes_a_choke_group_but_a_hand_on_the_crash_none(put, sfz):
    for name in ("hat_open.wav", "hat_closed.wav", "crash.wav", "crash_choke.wav", "kick.wav"):
        put(name)
    kit = read_kit(
        sfz(
            "<region> sample=hat_open.wav group=2 off_by=1 <region> sample=hat_closed.wav group=1\n"
            "<region> sample=crash.wav group=6 <region> sample=crash_choke.wav group=7 off_by=6\n"
            "<region> sample=kick.wav group=3\n"
        )
    )
    assert kit.choke_group("hat_open") == kit.choke_group("hat_closed") == "group 1"
    assert kit.choke_group("crash") is None
    assert kit.choke_group("kick") is None


def test_backslashes_and_the_case_of_letters_do_not_matter(put, sfz):
    put("Samples/Drums/Kick.WAV")
    path = sfz("<control>\r\ndefault_path=samples\\\r\n<region>\r\nsample=DRUMS\\kick.wav\r\n")
    kit = read_kit(path)
    assert kit.drums["kick"][0].sources()[0].info.path.name == "Kick.WAV"


def test_an_sfz_in_an_old_encoding_is_read(put, sfz):
    put("kick größer.wav")
    kit = read_kit(sfz("// für Anna\n<region> key=36 sample=kick größer.wav".encode("cp1252")))
    assert kit.classes == ("kick",)


def test_files_are_included_and_macros_hold_in_them(put, sfz):
    put("kick.wav")
    sfz("<region> sample=$FILE.wav", "parts/one.sfz.txt")
    assert read_kit(sfz('#define $FILE kick\n#include "parts/one.sfz.txt"\n')).classes == ("kick",)


def test_the_start_and_end_of_a_region_are_kept(put, sfz):
    put("kick.wav")
    (source,) = (
        read_kit(sfz("<region> sample=kick.wav offset=100 end=999")).drums["kick"][0].sources()
    )
    assert (source.start, source.stop) == (100, 1000)


def test_what_no_hit_starts_is_left_out_with_the_reason(put, sfz):
    put("kick.wav")
    kit = read_kit(
        sfz(
            "<control> set_cc4=64\n<region> sample=kick.wav hicc4=127 locc4=0\n"
            "<region> sample=hat.wav hicc4=10\n<region> sample=hat2.wav trigger=release\n"
            "<region> sample=*sine key=38\n<region> sample=snare.wav sw_last=24\n"
        )
    )
    assert kit.classes == ("kick",)
    assert [each.reason for each in kit.ignored] == [
        "it is for another position of controller 4",
        "it is for trigger=release, not for a hit",
        "it is made by the player, not a sample",
        "it is started by sw_last, not by a hit",
    ]


def test_a_folder_with_one_sfz_is_read_by_it_and_may_use_all_of_the_folder(put, sfz, folder):
    put("samples/a.wav")
    path = sfz("<region> key=38 sample=../samples/a.wav", "maps/kit.sfz")
    assert read_kit(folder).classes == ("snare",)
    assert read_kit(path, root=folder).classes == ("snare",)
    with pytest.raises(KitError, match="leads out of the kit's folder"):
        read_kit(path)
    sfz("<region> key=38 sample=../samples/a.wav", "maps/other.sfz")
    with pytest.raises(KitError, match=r"2 \.sfz files .* name one of them: maps/kit\.sfz"):
        read_kit(folder)


# --- bad input ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no <region> with a sample"),
        ("hello", "no <region> with a sample"),
        ("\0\1\2", "SFZ is text"),
        ("<region> key=36", "no <region> with a sample"),
        ("<region> key=36 sample=gone.wav", r"kit\.sfz:1: 'gone\.wav' is not there"),
        ("\n\n<region> key=36 sample=../kick.wav", r"kit\.sfz:3: '\.\./kick\.wav' leads out"),
        ("<region> key=36 sample=..\\..\\etc\\passwd", "leads out of the kit's folder"),
        ("<control> default_path=/etc/ <region> key=36 sample=passwd", "is an absolute path"),
        ("<region> key=36 sample=C:\\kick.wav", "is an absolute path"),
        ("<region> key=36 sample=~/kick.wav", "is an absolute path"),
        ("<region> key=36 sample=.", "is a folder, not a sample"),
        (f"<region> key=36 sample={'a/' * 600}.wav", "is no file name"),
        (f"<region> key=36 sample={'a' * 400}.wav", "is not there"),
        ("<region> key=h9 sample=kick.wav", "key='h9': this is no key"),
        ("<region> key=36 sample=kick.wav volume=loud", "volume='loud': this is no number"),
        ("<region> key=36 sample=kick.wav volume=1e999", "this is no number"),
        ("<region> key=36 sample=kick.wav tune=1e9", "more than a kit needs"),
        (
            "<region> key=36 sample=kick.wav volume=\x1b[2J",
            r"='\\x1b\[2J': this is no number",
        ),
        ("<region> key=\x7f sample=kick.wav", r"key='\\x7f': this is no key"),
        ("<region> key=60 sample=flute.wav", "none of its 1 regions is a drum"),
        ('#include "kit.sfz"', "files include each other without an end"),
        ('#include "/etc/passwd"', "is an absolute path"),
        (
            "#define $A aaaaaaaaaaaaaaaa\n" + "#define $A $A$A$A$A\n" * 12,
            "its macros stand for more than 4 MiB",
        ),
        ("<region>" * 200_001, "more than 200,000 sections"),
        ("<region> " + " ".join(f"o{i}=1" for i in range(1_001)), "more than 1,000 opcodes"),
        ("<region> key=36 sample=kick.wav\n" * 101, "101 samples would sound together"),
        (
            "<group> key=36 sample=kick.wav\n"
            + "".join(f"<region><region> seq_length=999 seq_position={i}\n" for i in range(120)),
            "121 samples would sound together",
        ),
    ],
)
def test_a_bad_sfz_gets_one_clear_sentence(put, sfz, text, message):
    put("kick.wav")
    put("flute.wav")
    with pytest.raises(StemfxError, match=message):
        read_kit(sfz(text))


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_out_of_the_kit_is_refused(put, sfz, folder, tmp_path):
    (folder / "kick.wav").symlink_to(put("kick.wav", folder=tmp_path / "outside"))
    with pytest.raises(KitError, match="leads out of the kit's folder"):
        read_kit(sfz("<region> key=36 sample=kick.wav"))


@pytest.mark.parametrize(
    "text",
    [
        "#define $a b " * (300 << 10),
        "".join(f"#define $m{i} a\n" for i in range(999)) + "$\n" * (290 << 10),
        "/* " * (1 << 20),
        "a= " * (1 << 20),
        "=<\n" * (290 << 10),
    ],
    ids=["defines", "macros", "comments", "opcodes", "lines"],
)
def test_a_large_text_is_read_in_time_that_grows_with_its_length(put, sfz, text):
    put("kick.wav")
    path = sfz("<region> key=36 sample=kick.wav\n" + text)
    began = time.process_time()
    assert read_kit(path).classes == ("kick",)
    assert (
        time.process_time() - began < 4
    )  # 0.5 to 1.5 s; minutes or more if it grows with a square


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "kit.sfz")
    with pytest.raises(KitError, match="no file that can be read"):
        read_kit(folder / "kit.sfz")
