"""The recipe as a whole: sections, sources, tracks, outputs."""

import os
import sys
from pathlib import Path

import pytest

from stemfx.recipe.paths import MAX_NAME
from stemfx.recipe.sources import NOT_GIVEN

SONG = "stemfx: 1\nsources: {song: gen.wav}\n"


def test_the_recipe_of_the_contract_reads_as_it_is_written(read, folder):
    recipe = read(
        "stemfx: 1\ntitle: Punchier drums\nauthor: Ada\nlicense: CC0-1.0\n"
        "params:\n  vocal_db: {default: 1.5, min: -12, max: 12, unit: dB, help: vocal level}\n"
        "sources:\n  song: gen.wav\nseparate:\n  model: auto\n  residual: spread\n"
        "tracks:\n  vocals:\n    stages:\n      - high_pass: {cutoff_hz: 90}\n      - deess: {}\n"
        "    gain_db: ${vocal_db}\n    pan: 0\n  other:\n    gain_db: -1\n"
        "  shimmer:\n    from: assets/pad.wav\n    stages:\n      - duck: {by: vocals}\n"
        "    mute: true\n"
        "mix:\n  stages:\n    - deess\nmaster:\n  - match_reference: {file: assets/pad.wav}\n"
        "output:\n  master: remix.FLAC\n  bit_depth: 24\n  sample_rate: 48000\n"
        "  stems: stems/\n  report: out/report.html\n"
    )
    assert (recipe.title, recipe.author, recipe.licence) == ("Punchier drums", "Ada", "CC0-1.0")
    assert (recipe.path, recipe.folder) == (Path("r.yaml"), folder)
    assert recipe.knobs["vocal_db"].unit == "dB"
    assert recipe.values == {"vocal_db": 1.5}
    assert recipe.sources["song"].file == folder / "gen.wav"
    assert (recipe.separate.members[0].model, recipe.separate.residual) == ("auto", "spread")
    vocals, other, shimmer = recipe.tracks.values()
    assert (vocals.source, vocals.stem, vocals.asset) == ("song", "vocals", None)
    assert (vocals.gain_db, vocals.where, vocals.from_where) == (1.5, "r.yaml:13:3", "r.yaml:13:3")
    assert (other.gain_db, other.pan, other.mute) == (-1, 0, False)
    assert (shimmer.source, shimmer.asset) == (None, folder / "assets/pad.wav")
    assert (shimmer.mute, shimmer.from_where) == (True, "r.yaml:22:11")
    output = recipe.output
    assert (output.master, output.stems) == (Path("remix.FLAC"), Path("stems"))
    assert (output.report, output.report_where) == (Path("out/report.html"), "r.yaml:36:11")
    assert (output.bit_depth, output.sample_rate) == (24, 48_000)


def test_a_recipe_of_one_source_passes_it_whole_to_a_master_named_after_the_recipe(read):
    recipe = read(SONG)
    (track,) = recipe.tracks.values()
    assert (track.name, track.source, track.stem, track.stages) == ("song", "song", None, ())
    assert (recipe.output.master, recipe.output.stems) == (Path("r-master.wav"), None)
    assert (recipe.separate.members[0].model, recipe.separate.residual) == ("auto", "other")


def test_an_empty_section_is_a_section_not_given(read):
    recipe = read(
        SONG + "title:\nparams:\nseparate:\ntracks:\nmix:\nmaster:\noutput:\nextends:\nauthor: ~\n"
    )
    assert list(recipe.tracks) == ["song"]
    assert recipe.output.master == Path("r-master.wav")


def test_every_problem_is_reported_at_once_and_in_file_order(faults):
    assert faults(
        "stemfx: 1\ntitle: 12\ntrakcs:\nsources: {song: nix.wav}\n"
        "tracks:\n  vocals:\n    gain_db: 99\n    stages: [hi_pass]\n    pan: left\n"
        "output: {master: ../x.wav, bit_depth: 20}\n",
        settings={"a": "1"},
        sources={"sogn": "x.wav"},
    ) == [
        "r.yaml:2:8: title: expects text, got the number 12 (put it in quotes)",
        (
            "r.yaml:3:1: 'trakcs' is unknown in a recipe; did you mean 'tracks'? "
            "(known: stemfx, title, "
            "author, license, licence, description, extends, params, presets, sources, separate, "
            "align, sections, templates, tracks, mix, "
            "master, checks, output)"
        ),
        (
            f"r.yaml:4:17: sources.song: there is no file {Path.cwd() / 'nix.wav'}; give another: "
            "`--source song=FILE`"
        ),
        "r.yaml:7:14: tracks.vocals.gain_db: 99 dB is outside [-96, 24] dB",
        "r.yaml:8:14: stage 'hi_pass' is unknown; did you mean 'high_pass'?",
        "r.yaml:9:10: tracks.vocals.pan: expects a number in [-1, 1], got the text 'left'",
        (
            "r.yaml:10:18: output.master: '../x.wav' leads out of the output folder; "
            "`--out DIR` says "
            "where that is"
        ),
        "r.yaml:10:39: output.bit_depth: expects 16, 24 or 32, got the number 20",
        "--set: the recipe has no knob 'a' (known: none)",
        "--source: the recipe has no source 'sogn'; did you mean 'song'? (known: song)",
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("", "2:1: `stemfx: 1` is missing; a recipe starts with it"),
        ("stemfx:", "1:1: `stemfx: 1` is missing; a recipe starts with it"),
        ("stemfx: true", "1:9: stemfx: expects the number 1, got true"),
        ("stemfx: 1.0", "1:9: stemfx: expects the number 1, got the number 1.0"),
        ("stemfx: '1'", "1:9: stemfx: expects the number 1, got the text '1'"),
        ("stemfx: 0", "1:9: stemfx: expects the number 1, got the number 0"),
        ("stemfx: [1]", "1:9: stemfx: expects the number 1, got a list"),
        ("stemfx: 2\nnew: thing", ("1:9: this recipe was made by a newer stemfx (format 2; this "
         "program reads format 1); update stemfx")),
    ],
)  # fmt: skip
def test_the_format_version_is_the_number_one(faults, line, fault):
    assert faults(f"{line}\nsources: {{song: gen.wav}}\n") == [f"r.yaml:{fault}"]


def test_licence_may_be_spelled_either_way_but_not_both(read, faults):
    assert read(SONG + "licence: MIT\n").licence == "MIT"
    assert faults(SONG + "license: MIT\nlicence: MIT\n") == [
        "r.yaml:4:1: `license` and `licence` are the same; keep one"
    ]


def test_a_section_of_the_wrong_kind_is_located(faults):
    for key in ("params", "sources", "separate", "tracks", "mix", "output"):
        assert f"r.yaml:2:{len(key) + 3}: {key}: expects a mapping, got a list" in faults(
            f"stemfx: 1\n{key}: [a]\n"
        )


def test_a_recipe_without_anything_to_play_says_so(faults):
    assert faults("stemfx: 1\n") == [
        "r.yaml:1:1: there is nothing to play; name a song under `sources`"
    ]


# --- sources ---------------------------------------------------------------------------------


def test_a_source_is_a_file_or_stems_under_any_names(read, folder):
    sources = read(
        "stemfx: 1\nsources:\n  a: gen.wav\n  b: {file: ../outside.wav, fold_down: true}\n"
        "  c: {stems: {mix: v.wav, drums: d.wav}}\n"
    ).sources
    assert (sources["a"].file, sources["a"].stems) == (folder / "gen.wav", None)
    assert (sources["b"].file, sources["b"].fold_down) == (folder.parent / "outside.wav", True)
    assert sources["c"].file is None
    assert sources["c"].stems == {"mix": folder / "v.wav", "drums": folder / "d.wav"}


def test_a_source_may_lie_in_the_home_folder(read, folder, monkeypatch):
    monkeypatch.setenv("USERPROFILE" if sys.platform == "win32" else "HOME", str(folder))
    assert read("stemfx: 1\nsources: {s: ~/gen.wav}\n").sources["s"].file == folder / "gen.wav"


def test_the_command_line_replaces_sources_and_stems(read, folder, monkeypatch):
    text = "stemfx: 1\nsources: {song: nix.wav, own: {stems: {vocals: nix.wav, drums: d.wav}}}\n"
    monkeypatch.chdir(folder)
    recipe = read(text, sources={"song": "gen.wav", "own/vocals": "v.wav"})
    assert recipe.sources["song"].file == folder / "gen.wav"
    assert recipe.sources["own"].stems == {"vocals": folder / "v.wav", "drums": folder / "d.wav"}
    assert read(text, sources={"song": "gen.wav", "own": "gen.wav"}).sources["own"].stems is None


def test_a_mixture_is_for_stems_and_goes_with_them(read, faults, folder, monkeypatch):
    monkeypatch.chdir(folder)
    text = "stemfx: 1\nsources: {own: {stems: {vocals: v.wav, drums: d.wav}, mixture: MIX}}\n"
    assert read(text.replace("MIX", "gen.wav")).sources["own"].mixture == folder / "gen.wav"
    (fault,) = faults(text.replace("MIX", "nix.wav"))
    assert fault.startswith("r.yaml:2:64: sources.own.mixture: there is no file")
    assert "--source" not in fault  # that would put one file in the place of all stems
    # Whoever has a shared recipe and a song has not the author's mixture.
    replaced = read(text.replace("MIX", "nix.wav"), sources={"own": "gen.wav"}).sources["own"]
    assert (replaced.file, replaced.stems, replaced.mixture) == (folder / "gen.wav", None, None)
    one = "stemfx: 1\nsources: {own: {file: gen.wav, mixture: gen.wav}}\n"
    assert faults(one) == [
        "r.yaml:2:41: sources.own.mixture: is for given `stems`; this source is one file"
    ]
    given = "stemfx: 1\nsources: {own: {mixture: gen.wav}}\n"
    assert read(given, sources={"own/vocals": "v.wav"}).sources["own"].mixture is not None


def test_a_file_without_a_name_is_the_only_source_or_a_question(read, faults, folder):
    recipe = read("stemfx: 1\nsources: {song: }\n", sources={"": folder / "gen.wav"})
    assert recipe.sources["song"].file == folder / "gen.wav"
    text = "stemfx: 1\nsources: {a: gen.wav, b: gen.wav}\n"
    assert faults(text, sources={"": "v.wav"}) == [
        "--source: 'v.wav' could be any of the sources a, b; write NAME=FILE"
    ]


def test_a_source_without_a_file_must_come_from_the_command_line(read, faults, folder):
    text = "stemfx: 1\nsources:\n  song:\n  own: {stems: {vocals: , drums: d.wav}}\n"
    assert faults(text) == [
        "r.yaml:3:3: the source 'song' has no file; give one: `--source song=FILE`",
        "r.yaml:4:3: the stem 'vocals' of 'own' has no file; give one: `--source own/vocals=FILE`",
    ]
    recipe = read(text, sources={"song/vocals": "v.wav", "own/vocals": "v.wav"})
    assert recipe.sources["song"].stems == {"vocals": folder / "v.wav"}


@pytest.mark.parametrize(
    ("declared", "fault"),
    [
        ("5", ("2:17: sources.song: expects an audio file or a mapping of file, "
         "stems, mixture, generated, fold_down, bpm, downbeat_s, key, align, got the number 5")),
        ("{fil: gen.wav}", ("2:18: 'fil' is unknown in sources.song; did you mean 'file'? (known: "
         "file, stems, mixture, generated, fold_down, bpm, downbeat_s, key, align)")),
        ("{file: gen.wav, stems: {a: v.wav}}", ("2:17: sources.song: give either `file` "
         "or `stems`, "
         "not both")),
        ("{stems: {}}", "2:25: sources.song.stems: at least one stem is needed"),
        ("{stems: v.wav}", "2:25: sources.song.stems: expects a mapping, got the text 'v.wav'"),
        ("assets", ("2:17: sources.song: {here}/assets is a folder, not a file; give another: "
         "`--source song=FILE`")),
        ("''", "2:17: sources.song: '' is not a file name; give another: `--source song=FILE`"),
        ('"a\\nb"', ("2:17: sources.song: 'a\\nb' is not a file name; give another: "
         "`--source song=FILE`")),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_used_is_explained(faults, folder, declared, fault):
    found = faults(f"stemfx: 1\nsources: {{song: {declared}}}\n")
    assert found == [f"r.yaml:{fault.replace('{here}', str(folder))}"]


def test_a_source_name_that_is_too_long_for_the_system_is_just_missing(faults):
    (fault,) = faults(f"stemfx: 1\nsources: {{song: {'x' * 5000}}}\n")
    assert fault.startswith("r.yaml:2:17: sources.song: there is no file ")


def test_a_command_line_source_is_checked_like_a_written_one(faults, folder):
    text = "stemfx: 1\nsources: {song: gen.wav, own: {stems: {vocals: v.wav}}}\n"
    assert faults(text, sources={"song": "x.wav"}) == [
        f"--source song: there is no file {folder / 'x.wav'}"
    ]
    assert faults(text, sources={"song/vocals": "v.wav"}) == [
        (
            "--source song/vocals: the source 'song' is one file and has no stems to replace; "
            "use `--source song=FILE`"
        )
    ]
    assert faults(text, sources={"own/vocal": "v.wav"}) == [
        (
            "--source own/vocal: the source 'own' has no stem 'vocal'; did you mean 'vocals'? "
            "(known: vocals)"
        )
    ]


def test_a_stem_of_the_command_line_has_a_name_that_files_can_have(faults):
    assert faults("stemfx: 1\nsources: {song: }\n", sources={"song/../x": "v.wav"}) == [
        (
            "--source song/../x: '/' cannot be in a name; use letters, digits, spaces, `_`, `-` "
            "and `.`"
        )
    ]


# --- tracks ----------------------------------------------------------------------------------


def test_from_names_a_stem_a_source_or_a_file(read, folder):
    tracks = read(
        "stemfx: 1\nsources: {a: gen.wav, b: {stems: {mix: v.wav}}}\n"
        "tracks: {x: {from: a/drums}, y: {from: b}, z: {from: b/mix}, p: {from: assets/pad.wav}}\n"
    ).tracks
    assert [(t.source, t.stem, t.asset) for t in tracks.values()] == [
        ("a", "drums", None),
        ("b", None, None),
        ("b", "mix", None),
        (None, None, folder / "assets/pad.wav"),
    ]


def test_from_may_be_left_out_only_where_there_is_one_source(faults):
    assert faults("stemfx: 1\nsources: {a: gen.wav, b: v.wav}\ntracks: {drums: }\n") == [
        "r.yaml:3:10: tracks.drums: `from` is needed: one of a/drums, b/drums, or a file"
    ]
    assert faults("stemfx: 1\ntracks: {drums: }\n") == [
        "r.yaml:2:10: tracks.drums: `from` is needed: a file"
    ]
    assert faults("stemfx: 1\nsources: {own: {stems: {vocals: v.wav}}}\ntracks: {vocal: }\n") == [
        (
            "r.yaml:3:10: tracks.vocal: the source 'own' has no stem 'vocal'; did you "
            "mean 'vocals'? "
            "(known: vocals)"
        )
    ]


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("sogn/vocals", ("tracks.x.from: there is no file {here}/sogn/vocals; and no source is "
         "called 'sogn'; did you mean 'song'? (sources: song)")),
        ("song/../../x", ("tracks.x.from: '/' cannot be in a name; use letters, digits, "
         "spaces, `_`, "
         "`-` and `.`")),
        ("song/", "tracks.x.from: a name is needed here"),
        ("5", "tracks.x.from: expects text or a list, got the number 5 (put it in quotes)"),
    ],
)  # fmt: skip
def test_a_from_that_leads_nowhere_says_what_was_looked_for(faults, folder, written, fault):
    found = faults(SONG + f"tracks: {{x: {{from: {written}}}}}\n")
    assert found == [f"r.yaml:3:20: {fault.replace('{here}', str(folder))}"]


@pytest.mark.parametrize(
    "name", ["lead vocal", "Gesang_2", "ボーカル", "a.b-c", "é", "गीत", "x" * 64]
)
def test_a_name_has_letters_and_digits_of_any_script(read, name):
    assert list(read(SONG + f"tracks: {{'{name}': }}\n").tracks) == [name]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "a name is needed here"),
        ("a/b", "'/' cannot be in a name; use letters, digits, spaces, `_`, `-` and `.`"),
        ("a\\\\b", "'\\\\' cannot be in a name; use letters, digits, spaces, `_`, `-` and `.`"),
        ("a:b", "':' cannot be in a name; use letters, digits, spaces, `_`, `-` and `.`"),
        ("a\\tb", "'\\t' cannot be in a name; use letters, digits, spaces, `_`, `-` and `.`"),
        ("a\u202eb", ("'\\u202e' cannot be in a name; use letters, digits, spaces, `_`, "
         "`-` and `.`")),
        (".hidden", "'.hidden' starts or ends in a dot or a space, which file names do not keep"),
        ("end.", "'end.' starts or ends in a dot or a space, which file names do not keep"),
        ("end ", "'end ' starts or ends in a dot or a space, which file names do not keep"),
        ("nul", "'nul' is the name of a device on Windows; choose another"),
        ("Com1.take", "'Com1.take' is the name of a device on Windows; choose another"),
        ("LPT²", "'LPT²' is the name of a device on Windows; choose another"),
        ("x" * (MAX_NAME + 1), f"a name is at most 64 characters; '{'x' * 57}...' is longer"),
    ],
)  # fmt: skip
def test_a_name_becomes_a_file_name_on_every_system_or_is_refused(faults, name, fault):
    for text in (
        SONG + f'tracks: {{"{name}": {{from: song}}}}\n',
        f'stemfx: 1\nsources: {{a: {{stems: {{\n"{name}": v.wav}}}}}}\n',
        f'stemfx: 1\nsources: {{song: gen.wav,\n"{name}": v.wav}}\n',
        SONG + f'params: {{"{name}": 1}}\n',
    ):
        assert faults(text)[0] in (f"r.yaml:3:10: {fault}", f"r.yaml:3:1: {fault}")


def test_names_that_one_file_system_takes_for_one_are_refused(faults):
    sign = "differ only in case: one file to macOS and Windows; rename one"
    assert faults(SONG + "tracks: {Drums: , drums: {from: song}}\n") == [
        f"r.yaml:3:19: the tracks 'Drums' and 'drums' {sign}"
    ]
    assert faults(SONG + "tracks: {é: , e\u0301: }\n") == [
        f"r.yaml:3:15: the tracks 'é' and 'e\u0301' {sign}"
    ]


def test_a_track_of_the_wrong_kind_says_what_a_track_is(faults):
    assert faults(SONG + "tracks: {x: gen.wav}\n") == [
        (
            "r.yaml:3:13: tracks.x: expects a mapping of from, stages, gain_db, pan, mute, "
            "template, got the text 'gen.wav'"
        )
    ]


def test_there_are_not_more_tracks_than_a_run_can_hold(read, faults):
    names = [f"t{i}: " for i in range(257)]
    assert len(read(SONG + f"tracks: {{{','.join(names[:-1])}}}\n").tracks) == 256
    assert faults(SONG + f"tracks: {{{','.join(names)}}}\n") == [
        "r.yaml:3:9: tracks: a recipe has at most 256 tracks"
    ]


# --- files that must stay where they belong --------------------------------------------------

ATTACKS = [
    ("../outside.wav", ("'../outside.wav' leads out of the recipe's folder {here}; copy the file "
     "into it")),
    ("assets/../../outside.wav", ("'assets/../../outside.wav' leads out of the recipe's folder "
     "{here}; copy the file into it")),
    ("/etc/passwd", ("'/etc/passwd' is an absolute path; name it relative to the recipe's folder "
     "{here}")),
    ("~/x.wav", "'~/x.wav' is an absolute path; name it relative to the recipe's folder {here}"),
    ("C:/x.wav", "'C:/x.wav' is an absolute path; name it relative to the recipe's folder {here}"),
    ("a\\x.wav", "'a\\\\x.wav' holds a backslash; separate folders with `/`, on every system"),
    ("pad.wav:ads", "'pad.wav:ads' holds ':', which no file name on Windows may have"),
    ("link.wav", "'link.wav' leads out of the recipe's folder {here}; copy the file into it"),
    ("away/outside.wav", ("'away/outside.wav' leads out of the recipe's folder {here}; copy the "
     "file into it")),
    ("loop", "there is no file {here}/loop"),
    ("assets", "{here}/assets is a folder, not a file"),
    ("nix.wav", "there is no file {here}/nix.wav"),
]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize(("path", "fault"), ATTACKS)
def test_an_asset_never_leaves_the_recipes_folder(faults, folder, path, fault):
    (folder / "link.wav").symlink_to(folder.parent / "outside.wav")
    (folder / "away").symlink_to(folder.parent)
    (folder / "loop").symlink_to("loop")
    fault = fault.replace("{here}", str(folder))
    assert faults(SONG + f"master: [{{match_reference: {{file: '{path}'}}}}]\n") == [
        f"r.yaml:3:35: match_reference.file: {fault}"
    ]
    assert faults(SONG + f"tracks: {{x: {{from: '{path}'}}}}\n")[0].startswith(
        f"r.yaml:3:20: tracks.x.from: {fault}"
    )
    assert faults(f"stemfx: 1\nextends: '{path}'\n") == [f"r.yaml:2:10: extends: {fault}"]


@pytest.mark.parametrize("sign", ["\u202e", "\ufeff", "\u200b"])
def test_a_name_that_turns_the_writing_or_cannot_be_seen_is_spelled_out(faults, sign):
    (fault,) = faults(SONG + f"tracks: {{x: {{from: 'a{sign}.wav'}}}}\n")
    assert fault.isprintable()
    assert f"a\\u{ord(sign):04x}.wav" in fault


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_inside_the_folder_and_to_the_folder_are_fine(read, folder, monkeypatch):
    (folder / "pad.wav").symlink_to("assets/pad.wav")
    (folder.parent / "link").symlink_to(folder)
    monkeypatch.chdir(folder.parent / "link")
    recipe = read(SONG + "tracks: {x: {from: pad.wav}}\n")
    assert recipe.tracks["x"].asset == folder / "assets/pad.wav"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_asset(faults, folder):
    os.mkfifo(folder / "pipe.wav")
    assert faults(SONG + "tracks: {x: {from: pipe.wav}}\n")[0].startswith(
        f"r.yaml:3:20: tracks.x.from: there is no file {folder / 'pipe.wav'}"
    )


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/srv/x.wav", ("'/srv/x.wav' is an absolute path; results go to the folder that "
         "`--out DIR` names")),
        ("~/x.wav", ("'~/x.wav' is an absolute path; results go to the folder that "
         "`--out DIR` names")),
        ("c:x.wav", ("'c:x.wav' is an absolute path; results go to the folder that "
         "`--out DIR` names")),
        ("a/../../x.wav", ("'a/../../x.wav' leads out of the output folder; `--out DIR` says where "
         "that is")),
        ("a\\..\\x.wav", ("'a\\\\..\\\\x.wav' holds a backslash; separate folders with `/`, on "
         "every system")),
        ("x.wav:ads.wav", "'x.wav:ads.wav' holds ':', which no file name on Windows may have"),
        ("nul.wav", "'nul.wav' cannot be a file name on every system; choose another"),
        ("CON/x.wav", "'CON' cannot be a file name on every system; choose another"),
        ("a./x.wav", "'a.' cannot be a file name on every system; choose another"),
        ("x" * 300 + ".wav", (f"'{'x' * 57}...' cannot be a file name on every system; choose "
         "another")),
        ("", "a file name is needed here"),
    ],
)  # fmt: skip
def test_an_output_never_leaves_the_output_folder(faults, path, fault):
    assert faults(SONG + f"output: {{master: '{path}'}}\n") == [
        f"r.yaml:3:18: output.master: {fault}"
    ]
    assert faults(SONG + f"output: {{report: '{path}'}}\n")[0] == (
        f"r.yaml:3:18: output.report: {fault}"
    )
    assert faults(SONG + f"output: {{stems: '{path}'}}\n") == [
        f"r.yaml:3:17: output.stems: {fault}"
    ]


def test_an_output_with_a_line_break_is_refused(faults):
    assert faults(SONG + 'output: {master: "a\\nb.wav"}\n') == [
        "r.yaml:3:18: output.master: 'a\\nb.wav' holds control characters; a file name has none"
    ]


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("{master: x}", "18: output.master: 'x' has no suffix (known: wav, flac, mp3, ogg)"),
        ("{master: x.wave}", ("18: output.master: the format 'wave' is unknown; did you "
         "mean 'wav'? "
         "(known: wav, flac, mp3, ogg)")),
        ("{report: r.pdf}", "18: output.report: the format 'pdf' is unknown (known: html, json)"),
        ("{master: x.flac, bit_depth: 32}", ("37: output.bit_depth: flac has 16 or 24 "
         "bits, got 32; "
         "choose one of these")),
        ("{master: x.mp3, bit_depth: 16}", ("36: output.bit_depth: mp3 has no bit depth, got 16; "
         "leave it out, or write wav or flac")),
        ("{master: x.OGG, bit_depth: 16}", ("36: output.bit_depth: ogg has no bit depth, got 16; "
         "leave it out, or write wav or flac")),
        ("{master: x.mp3, sample_rate: 96000}", ("38: output.sample_rate: mp3 has no 96000 Hz (it "
         "has 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000); for this file "
         "alone: {file: x.mp3, sample_rate: 48000}")),
        ("{sample_rate: 4000}", "23: output.sample_rate: 4000 Hz is outside [8000, 192000] Hz"),
        ("{sample_rate: 44.1}", ("23: output.sample_rate: expects a whole number in [8000, 192000] "
         "Hz, got the number 44.1")),
        ("{bit_depth: '24'}", ("21: output.bit_depth: expects 16, 24 or 32, got the text '24' "
         "(remove the quotes)")),
    ],
)  # fmt: skip
def test_an_output_is_in_a_format_that_exists(faults, section, fault):
    assert faults(SONG + f"output: {section}\n") == [f"r.yaml:3:{fault}"]


def test_stems_alone_make_no_master(read):
    output = read(SONG + "output: {stems: .}\n").output
    assert (output.master, output.stems) == (None, Path())
    assert read(SONG + "output: {report: r.json}\n").output.master == Path("r-master.wav")


def test_separate_says_what_it_knows(faults):
    assert faults(SONG + "separate: {residual: spraed, modle: x}\n") == [
        (
            "r.yaml:3:22: separate.residual: 'spraed' is not one of other, spread, keep, drop; "
            "did you mean 'spread'?"
        ),
        (
            "r.yaml:3:30: 'modle' is unknown in separate; did you mean 'model'? "
            "(known: model, combine, mask, quality, overlap, shifts, segment_s, residual)"
        ),
    ]


LENT = (
    "stemfx: 1\nsources:\n  song: nix.wav\n"
    "  own: {stems: {vocals: nix.wav, drums: }, mixture: nix.wav}\n"
    "tracks: {vocals: {from: song/vocals}, own: {from: own/drums}}\n"
)


def test_a_recipe_can_be_looked_at_without_its_songs(read):
    song, own = read(LENT, needs_sources=False).sources.values()
    assert (song.file, own.stems) == (NOT_GIVEN, {"vocals": NOT_GIVEN, "drums": NOT_GIVEN})
    assert own.mixture == NOT_GIVEN


def test_a_bundled_recipe_never_reads_the_files_of_its_author(read, faults, folder):
    text = LENT.replace("nix.wav", "gen.wav")  # they are there, and still not his to name
    found = faults(text, is_bundled=True)
    assert [fault.partition(": ")[2] for fault in found] == [
        "the source 'song' has no file; give one: `--source song=FILE`",
        "the stem 'vocals' of 'own' has no file; give one: `--source own/vocals=FILE`",
        "the stem 'drums' of 'own' has no file; give one: `--source own/drums=FILE`",
    ]
    given = {"song": "v.wav", "own/vocals": "v.wav", "own/drums": "d.wav"}
    given = {name: folder / file for name, file in given.items()}
    sources = read(text, is_bundled=True, sources=given).sources
    assert (sources["song"].file, sources["own"].mixture) == (folder / "v.wav", None)
    given["own/mixture"] = folder / "gen.wav"
    assert read(text, is_bundled=True, sources=given).sources["own"].mixture == folder / "gen.wav"


def test_the_files_of_a_recipe_are_all_that_were_read_under_the_names_they_are_shown(
    read, faults, folder
):
    (folder / "base.yaml").write_text(SONG)
    recipe = read("stemfx: 1\nextends: base.yaml\n")
    assert recipe.files == (folder / "r.yaml", folder / "base.yaml")
    (folder / "base.yaml").write_text(SONG + "titel: x\n")
    (fault,) = faults("stemfx: 1\nextends: base.yaml\n", shown=Path("lent.stemfx/r.yaml"))
    assert fault.startswith("lent.stemfx/base.yaml:")
