"""`checks`: every limit is located, of its kind's range, and means one thing."""

from __future__ import annotations

import pytest

from stemfx.dsp.targets import TARGETS
from stemfx.health.check_kinds import KINDS, OTHER_WORDS

HEAD = "stemfx: 1\nsources: {song: gen.wav}\n"


def limits(recipe):
    return {c.name: (c.low, c.high, c.level) for c in recipe.checks}


def test_the_language_reads_as_it_is_written(read):
    recipe = read(
        HEAD + "checks:\n  lufs: [-14.5, -13.5]\n  true_peak_dbtp: -1\n"
        "  mono_loss_db: {max: 3, level: warn}\n  correlation: {min: 0}\n  clipped_samples: 0\n"
        "  null_db: -60\n  lra_lu: [3, 12]\n  plr_lu: 8\n"
    )
    assert limits(recipe) == {
        "lufs": (-14.5, -13.5, "error"),
        "true_peak_dbtp": (None, -1, "error"),
        "mono_loss_db": (None, 3, "warn"),
        "correlation": (0, None, "error"),
        "clipped_samples": (None, 0, "error"),
        "null_db": (None, -60, "error"),
        "lra_lu": (3, 12, "error"),
        "plr_lu": (8, None, "error"),
    }
    assert recipe.checks[0].where == "r.yaml:4:9"
    assert read(HEAD).checks == read(HEAD + "checks:\n").checks == ()


def test_a_number_is_the_limit_in_the_direction_of_its_kind(read):
    for name, kind in KINDS.items():
        number = 0.5 * sum(kind.range)
        expected = {
            "at most": (None, number, "error"),
            "at least": (number, None, "error"),
            "about": (number - kind.about, number + kind.about, "error"),
        }
        if kind.direction:
            found = limits(read(HEAD + f"checks: {{{name}: {number}}}\n"))
            assert found == {name: expected[kind.direction]}


def test_a_kind_without_a_direction_asks_for_both_or_which(faults):
    (fault,) = faults(HEAD + "checks: {lra_lu: 12}\n")
    assert "expects a list of 2, a mapping of min, max, level or false, got the number 12" in fault


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_its_loudness_and_its_ceiling_unless_they_are_named(read, name):
    target = TARGETS[name]
    around = (target.lufs - 0.5, target.lufs + 0.5, "error")
    assert limits(read(HEAD + f"checks: {{target: {name}}}\n")) == {
        "lufs": around,
        "true_peak_dbtp": (None, target.ceiling_dbtp, "error"),
    }
    own = limits(read(HEAD + f"checks: {{true_peak_dbtp: -2, target: {name}}}\n"))
    assert own == {"lufs": around, "true_peak_dbtp": (None, -2, "error")}


def test_false_takes_a_check_out_that_a_base_recipe_has(read, folder):
    (folder / "base.yaml").write_text(HEAD + "checks: {lufs: -14, true_peak_dbtp: -1}\n")
    child = "stemfx: 1\nextends: base.yaml\nchecks: {lufs: false, mono_loss_db: 3}\n"
    assert [c.name for c in read(child).checks] == ["true_peak_dbtp", "mono_loss_db"]
    assert read(HEAD + "checks: {lufs: false}\n").checks == ()


def test_knobs_turn_limits_and_levels(read, faults):
    text = (
        "stemfx: 1\nparams: {t: -14, how: warn}\nsources: {song: gen.wav}\n"
        'checks: {lufs: "${t}", mono_loss_db: {max: 3, level: "${how}"}, lra_lu: [1, "${t}"]}\n'
    )
    (fault,) = faults(text)
    assert fault.endswith("checks.lra_lu: -14 LU (from ${t}) is outside [0, 60] LU")
    found = limits(read(text.replace(', lra_lu: [1, "${t}"]', ""), settings={"t": "-9"}))
    assert found == {"lufs": (-9.5, -8.5, "error"), "mono_loss_db": (None, 3, "warn")}


@pytest.mark.parametrize(
    ("checks", "fault"),
    [
        ("{true_peak: -1}", "'true_peak' is unknown in checks; did you mean 'true_peak_dbtp'?"),
        ("{clipping: 0}", "3:10: checks: 'clipping' is called 'clipped_samples' here"),
        ("{lufs: [-14]}", "3:16: checks.lufs: a range has two numbers, [lowest, highest]; got 1"),
        ("{lufs: []}", "3:16: checks.lufs: a range has two numbers, [lowest, highest]; got 0"),
        ("{lufs: [-3, -2, -1]}", "a range has two numbers, [lowest, highest]; got 3"),
        ("{lufs: [-13, -14]}", "checks.lufs: nothing is above -13 and below -14; write [-14, -13]"),
        ("{lufs: {min: -1, max: -2}}", "nothing is above -1 and below -2; write [-2, -1]"),
        ("{lufs: {}}", "3:16: checks.lufs: has neither `min` nor `max`, so it checks nothing"),
        ("{lufs: {level: warn}}", "3:16: checks.lufs: has neither `min` nor `max`"),
        ("{lufs: {max: -9, level: wran}}",
         ("3:33: checks.lufs.level: 'wran' is not one of error, warn; "
         "did you mean 'warn'?")),
        ("{lufs: {max: -9, level: info}}", "checks.lufs.level: 'info' is not one of error, warn"),
        ("{lufs: {max: -9, limit: 1}}", "3:26: 'limit' is unknown in checks.lufs"),
        ("{lufs: .nan}", "3:16: checks.lufs: .nan LUFS is outside [-70, 0] LUFS"),
        ("{lufs: [-14, .inf]}", "3:22: checks.lufs: .inf LUFS is outside [-70, 0] LUFS"),
        ("{lufs: 14}", "3:16: checks.lufs: 14 LUFS is outside [-70, 0] LUFS"),
        ("{correlation: [-2, 1]}", "3:24: checks.correlation: -2 is outside [-1, 1]"),
        ("{mono_loss_db: {max: -3}}", "checks.mono_loss_db.max: -3 dB is outside [0, 100] dB"),
        ('{lufs: "-14"}', "(remove the quotes)"),
        ("{lufs: true}", "true is no limit; give one, or false to take the check out"),
        ("{lufs: loud}", "3:16: checks.lufs: expects a number in [-70, 0] LUFS, a list of 2"),
        ("{lufs: -14 LUFS}", "(the unit is understood; write -14)"),
        ("{lufs: [[-14], -13]}", "checks.lufs: expects a number in [-70, 0] LUFS, got a list"),
        ("{target: spotfy}", "did you mean 'spotify'?"),
        ("{}", "3:9: checks: none is named, such as lufs: [-14.5, -13.5]"),
        ("{lufs: }", "3:9: checks: none is named"),
        ("[lufs]", "3:9: checks: expects a mapping such as {lufs: [-14.5, -13.5]}, got a list"),
        ("-14", "3:9: checks: expects a mapping"),
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused_where_it_stands(faults, checks, fault):
    (found,) = faults(f"{HEAD}checks: {checks}\n")
    assert fault in found
    assert found.startswith("r.yaml:3:")


def test_every_fault_of_a_thousand_checks_is_located_up_to_a_hundred(faults):
    many = "".join(f"  lufs{n}: -14\n" for n in range(1000))
    found = faults(f"{HEAD}checks:\n{many}")
    assert len(found) == 101
    assert found[0].startswith("r.yaml:4:3: 'lufs0' is unknown in checks; did you mean 'lufs'?")


def test_checks_of_the_master_need_one(read, faults):
    stems = HEAD + "output: {stems: s/}\n"
    assert faults(stems + "checks: {lufs: -14, null_db: -60}\n") == [
        (
            "r.yaml:4:16: checks.lufs is about the master, and `output` writes none; add "
            "`master: song.wav` to it, or take the check out"
        )
    ]
    assert len(faults(stems + "checks: {target: ebu}\n")) == 2
    assert limits(read(stems + "checks: {null_db: -60}\n")) == {"null_db": (None, -60, "error")}
    # A master that is named wrongly is one fault, not two.
    (fault,) = faults(HEAD + "checks: {lufs: -14}\noutput: {master: ../x.wav, stems: s/}\n")
    assert "checks" not in fault


def test_other_words_for_a_check_lead_to_one_and_are_none():
    assert set(OTHER_WORDS.values()) <= set(KINDS)
    assert not set(OTHER_WORDS) & {*KINDS, "target"}
