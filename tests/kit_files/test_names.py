import pytest

from stemfx.hits import DRUM_CLASSES, GM_NOTES
from stemfx.kit_files.names import read_name

KICK, SNARE, CLOSED, OPEN, TOM, CRASH, CLAP = DRUM_CLASSES


# Names as they are in the kits of Hydrogen, AVL, Sonic Pi, Dirt, drumlabooh and sample packs.
@pytest.mark.parametrize(
    ("name", "drum_class"),
    [
        *((n, KICK) for n in ("kick", "Kick-03", "BD0025", "KICK01", "bassdrum", "Bass Drum 2")),
        *((n, KICK) for n in ("808bd", "kik", "drum_bass_hard", "bd_808", "kickhard", "bass")),
        *((n, KICK) for n in ("Kicks/01", "Kick_OH", "noise_kick", "dr110kik", "36", "035_2")),
        *((n, SNARE) for n in ("snare", "SD_127", "sn_Jazz_c", "SideStick-Hard", "rim", "RimShot")),
        *((n, SNARE) for n in ("Snare/Rim/hit_3", "side stick", "drum_snare_soft", "stick_Woody")),
        *((n, CLOSED) for n in ("hat", "hihat", "HH_1", "hat_closed", "Hi-Hat/closed_1", "CHH")),
        *((n, CLOSED) for n in ("hhc_Dry_a", "HatPedal-Soft", "drum_cymbal_pedal", "hihat_c")),
        *((n, OPEN) for n in ("openhat", "OHH-2", "Hats/Open-03", "HatSemiOpen-Hard", "hihat_o")),
        *((n, OPEN) for n in ("drum_cymbal_open", "ophat", "hi hat open", "808oh")),
        *((n, TOM) for n in ("Tom1-Hard", "FloorTom", "tomLow", "tom_Rock_hi", "LT", "RackTom2")),
        *((n, CRASH) for n in ("crash_splash", "24Ride-1", "cymbal", "ChinaCrash", "Bell-Med")),
        *((n, CRASH) for n in ("cra_Jazz", "49-SabianAA16Crash-1", "drum_splash_hard")),
        *((n, CLAP) for n in ("clap", "HandClap", "CP01", "clap_Dry_c", "Clap 2")),
        *((n, None) for n in ("Cowbell-Hard", "conga", "bottom", "custom", "that", "stride")),
        *((n, None) for n in ("loop_kick_120", "tambourine", "97", "", "readme")),
    ],
)
def test_a_name_says_the_drum(name, drum_class):
    reading = read_name(name)
    assert reading.drum_class == drum_class
    assert bool(reading.why_not) == (drum_class is None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kick_808", (("808",), "", None, None, ())),  # a drum machine, no velocity
        ("kick_heavy", (("heavy",), "", None, None, ())),
        ("snare_v1_rr2", ((), "", 1, 2, ())),
        ("Snare-vel064-take3", ((), "", 64, 3, ())),
        ("SD_127", ((), "", None, None, ("127",))),
        ("Kick-03", ((), "", None, None, ("03",))),
        ("SnareRimshot-Hardest", (("rimshot",), "hardest", None, None, ())),
        ("Tom2-Soft", (("2",), "soft", None, None, ())),  # another drum than Tom1
        ("Tom 2-05", (("2",), "", None, None, ("05",))),
        ("tom-h", (("h",), "", None, None, ())),
        ("kick_²", (("²",), "", None, None, ())),
        ("clap_Dry_c", (("dry",), "", None, None, ("c",))),
    ],
)
def test_a_name_says_which_drum_of_its_class_and_how_it_was_struck(name, expected):
    read = read_name(name)
    told = read.variant, read.dynamics, read.velocity, read.take, read.numbers
    assert told == expected


def test_the_file_name_goes_before_its_folder_and_a_word_before_an_abbreviation():
    assert read_name("Cymbals/Kick").drum_class == KICK
    assert read_name("Kick/OH_01").drum_class == KICK
    assert read_name("Snares/38_tight").drum_class == SNARE


def test_the_notes_that_are_written_are_read_as_the_same_class():
    # General MIDI level 1: 36 bass drum, 38 snare, 42 closed, 46 open hat, 49 crash, 39 clap.
    assert {c: GM_NOTES[c][0] for c in DRUM_CLASSES} | {TOM: 47} == dict(
        zip(DRUM_CLASSES, (36, 38, 42, 46, 47, 49, 39), strict=True)
    )
