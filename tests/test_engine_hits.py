"""Stages that are told drum hits, kits, sounds and what a song plays to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from engine import EverySecond, run_text, samples, statuses

from stemfx import plan_hits
from stemfx.audio import Audio
from stemfx.errors import HitsError, OutputError, RecipeError
from stemfx.hit_files import json_text, midi_bytes, read_hits
from stemfx.hits import Hit
from stemfx.io import Encoding, write
from stemfx.run import Outcome
from stemfx.testing import example_audio

EVERY_SECOND = "0.25:kick 1.25:kick 2.25:kick"
HEAD = "sources: {song: {stems: {drums: drums.wav, bass: bass.wav}}}\noutput: {master: out.wav}\n"
ASK = "tells_hits: {classifier: every_second}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(("drums", "bass")):
        write(tmp_path / f"{name}.wav", example_audio(3.0, seed=seed), Encoding("wav", 32))
    return tmp_path


def told(outcome: Outcome, node: str) -> dict[str, object]:
    (found,) = (n for n in outcome.nodes if n.id == node)
    return dict(found.measurements)


def codes(outcome: Outcome) -> list[str]:
    return [finding.code for _, finding in outcome.findings]


def test_the_hits_of_a_track_are_found_once_for_all_who_ask(folder: Path) -> None:
    EverySecond.asked = 0
    outcome = run_text(
        folder,
        HEAD + f"tracks:\n  drums: {{stages: [{ASK}, {ASK}]}}\n"
        "  bass: {stages: [tells_hits: {of: drums, classifier: every_second}]}\n",
    )
    assert EverySecond.asked == 1
    for node in ("drums/tells_hits", "drums/tells_hits#2", "bass/tells_hits"):
        assert told(outcome, node)["hits"] == EVERY_SECOND
    assert told(outcome, "drums/hits") == {"hits": 3, "kick": 3}


def test_a_second_run_finds_nothing_anew(folder: Path) -> None:
    text = HEAD + f"tracks: {{drums: {{stages: [{ASK}]}}}}\n"
    run_text(folder, text)
    EverySecond.asked = 0
    outcome = run_text(folder, text)
    assert EverySecond.asked == 0
    assert statuses(outcome, "done") == set()


def test_hits_are_found_again_after_a_stage_that_moves_the_signal_in_time(folder: Path) -> None:
    outcome = run_text(folder, HEAD + f"tracks: {{drums: {{stages: [{ASK}, halves, {ASK}]}}}}\n")
    assert told(outcome, "drums/tells_hits")["hits"] == EVERY_SECOND
    assert told(outcome, "drums/tells_hits#2")["hits"] == "0.25:kick"


def test_the_hits_are_written_as_json_and_midi(folder: Path) -> None:
    import mido

    run_text(folder, HEAD + f"tracks: {{drums: {{stages: [{ASK}]}}}}\n")
    content = json.loads((folder / "hits.json").read_text())
    assert content["hits"][1] == {"time_s": 1.25, "class": "kick", "velocity": 0.5}
    notes = [m for m in mido.MidiFile(folder / "hits.mid") if m.type == "note_on"]
    assert [note.note for note in notes] == [36, 36, 36]


def test_several_tracks_write_a_file_each_where_the_recipe_says(folder: Path) -> None:
    run_text(
        folder,
        HEAD.replace("}\n", ", hits: found/h.json}\n").replace("}}, hits: found/h.json}", "}}}")
        + f"tracks:\n  drums: {{stages: [{ASK}]}}\n  bass: {{stages: [{ASK}]}}\n",
    )
    assert {p.name for p in (folder / "found").iterdir()} == {
        f"h-{track}.{suffix}" for track in ("drums", "bass") for suffix in ("json", "mid")
    }


@pytest.mark.parametrize("name", ["hits.json", "hits.mid"])
def test_an_edited_file_is_kept_and_said_and_used_when_named(folder: Path, name: str) -> None:
    text = HEAD + f"tracks: {{drums: {{stages: [{ASK}]}}}}\n"
    run_text(folder, text)
    edited = (Hit(0.5, "snare", 1.0),)
    path = folder / name
    if name == "hits.json":
        path.write_text(path.read_text().replace('"time_s": 0.25', '"time_s": 0.5'))
    else:
        path.write_bytes(midi_bytes(edited, "drums").replace(b"stemfx hits", b"another one"))
    before = path.read_bytes()

    outcome = run_text(folder, text)
    assert codes(outcome) == ["hits_edited"]
    assert path.read_bytes() == before

    given = text.replace("classifier: every_second", f"hits: {name}")
    outcome = run_text(folder, given)
    assert codes(outcome) == []
    hits = str(told(outcome, "drums/tells_hits")["hits"])
    assert hits.split(maxsplit=1)[0] == {"hits.json": "0.50:kick", "hits.mid": "0.50:snare"}[name]
    assert path.read_bytes() == before


def test_the_sentence_of_an_edited_file_names_it_as_a_recipe_can(folder: Path) -> None:
    text = HEAD.replace("out.wav", "out.wav, hits: found/h.json") + (
        f"tracks: {{drums: {{stages: [{ASK}]}}}}\n"
    )
    for out in (folder, folder.parent / "elsewhere"):
        run_text(folder, text, out_folder=out)
        file = out / "found" / "h.json"
        file.write_text(file.read_text().replace('"time_s": 0.25', '"time_s": 0.5'))
    (said,) = (f.message for _, f in run_text(folder, text).findings)
    assert "write `hits: found/h.json`" in said
    (said,) = (f.message for _, f in run_text(folder, text, out_folder=out).findings)
    assert f"copy it into the recipe's folder {folder} and write `hits: h.json`" in said


def test_an_unedited_file_is_written_over(folder: Path) -> None:
    (folder / "hits.json").write_text(json_text((Hit(0.5, "snare", 1.0),), "drums"))
    outcome = run_text(folder, HEAD + f"tracks: {{drums: {{stages: [{ASK}]}}}}\n")
    assert codes(outcome) == []
    assert len(json.loads((folder / "hits.json").read_text())["hits"]) == 3


def test_other_given_hits_are_another_result(folder: Path) -> None:
    text = HEAD + "tracks: {drums: {stages: [tells_hits: {hits: mine.json}]}}\n"
    for time_s in (0.5, 0.75):
        (folder / "mine.json").write_text(json_text((Hit(time_s, "kick", 1.0),), "drums"))
        outcome = run_text(folder, text)
        assert told(outcome, "drums/tells_hits")["hits"] == f"{time_s:.2f}:kick"


def test_given_hits_after_the_end_are_left_out_and_said(folder: Path) -> None:
    (folder / "mine.json").write_text(
        json_text((Hit(0.5, "kick", 1.0), Hit(9.0, "kick", 1.0)), "drums")
    )
    text = HEAD + "tracks: {drums: {stages: [tells_hits: {hits: mine.json}]}}\n"
    outcome = run_text(folder, text)
    assert told(outcome, "drums/tells_hits")["hits"] == "0.50:kick"
    assert codes(outcome) == ["hits_after_the_end"]


def test_in_a_preview_given_hits_are_where_they_are_in_the_song(folder: Path) -> None:
    hits = (Hit(0.5, "kick", 1.0), Hit(1.5, "snare", 1.0), Hit(2.75, "kick", 1.0))
    (folder / "mine.json").write_text(json_text(hits, "drums"))
    text = HEAD + "tracks: {drums: {stages: [tells_hits: {hits: mine.json}]}}\n"
    outcome = run_text(folder, text, preview_s=(1.0, 1.0))
    assert told(outcome, "drums/tells_hits")["hits"] == "0.50:snare"


def test_what_a_preview_writes_can_be_given_back_to_it(folder: Path) -> None:
    text = HEAD + f"tracks: {{drums: {{stages: [{ASK}]}}}}\n"
    found = told(run_text(folder, text, preview_s=(1.0, 2.0)), "drums/tells_hits")["hits"]
    content = json.loads((folder / "hits-preview.json").read_text())
    assert [hit["time_s"] for hit in content["hits"]] == [1.25, 2.25]  # of the song
    given = text.replace("classifier: every_second", "hits: hits-preview.json")
    again = run_text(folder, given, preview_s=(1.0, 2.0))
    assert told(again, "drums/tells_hits")["hits"] == found == "0.25:kick 1.25:kick"


def test_the_first_stage_that_is_told_hits_decides_for_those_that_name_none(folder: Path) -> None:
    (folder / "mine.json").write_text(json_text((Hit(0.5, "snare", 1.0),), "drums"))
    mine, unsaid = "tells_hits: {hits: mine.json}", "tells_hits: {}"
    for first, others, expected in ((ASK, mine, EVERY_SECOND), (mine, ASK, "0.50:snare")):
        outcome = run_text(
            folder,
            HEAD + f"tracks:\n  drums: {{stages: [{first}, {others}, {unsaid}]}}\n"
            "  bass: {stages: [tells_hits: {of: drums}]}\n",
            out_folder=folder / "out",
        )
        for node in ("drums/tells_hits", "drums/tells_hits#3", "bass/tells_hits"):
            assert told(outcome, node)["hits"] == expected


def test_no_result_is_written_over_a_sample_of_a_kit(folder: Path) -> None:
    (folder / "kit").mkdir()
    kick = folder / "kit" / "kick.wav"
    write(kick, example_audio(0.5), Encoding("wav", 32))
    before = kick.read_bytes()
    text = HEAD.replace("out.wav", "kit/kick.wav") + (
        "tracks: {drums: {stages: [tells_hits: {kit: kit, classifier: every_second}]}}\n"
    )
    with pytest.raises(OutputError, match="would overwrite an input"):
        run_text(folder, text)
    assert kick.read_bytes() == before


def test_a_sound_comes_whole_and_at_the_rate_of_the_track(folder: Path) -> None:
    click = Audio(np.full((1, 960), 0.5, np.float32), 48_000)
    write(folder / "click.wav", click, Encoding("wav", 32))
    text = HEAD + "tracks: {drums: {stages: [tells_hits: {sound: click.wav, hits: mine.json}]}}\n"
    (folder / "mine.json").write_text(json_text((), "drums"))
    outcome = run_text(folder, text, preview_s=(1.0, 1.0))
    found = told(outcome, "drums/tells_hits")
    assert (found["sound_rate"], found["sound_samples"]) == (44_100, 882)


def test_a_stage_that_places_its_input_gets_the_whole_file_in_a_preview(folder: Path) -> None:
    text = HEAD + "tracks: {pad: {from: bass.wav, stages: [halves]}, drums: {}}\n"
    outcome = run_text(folder, text, preview_s=(1.0, 1.0))
    assert told(outcome, "pad/halves")["samples_in"] == 3 * 44_100


def test_a_stage_is_told_what_a_song_plays_to_once(folder: Path) -> None:
    (folder / "mine.json").write_text(json_text((), "drums"))
    call = "tells_hits: {hits: mine.json, to: song}"
    outcome = run_text(
        folder, HEAD + f"tracks: {{drums: {{stages: [{call}]}}, bass: {{stages: [{call}]}}}}\n"
    )
    assert [node.id for node in outcome.nodes if node.op == "music"] == ["song/music"]
    assert "bpm" in told(outcome, "drums/tells_hits")


def test_the_signal_passes_unchanged_through_all_of_it(folder: Path) -> None:
    run_text(folder, HEAD + f"tracks: {{drums: {{stages: [{ASK}]}}}}\n")
    out, drums = samples(folder / "out.wav"), samples(folder / "drums.wav")
    assert np.abs(out - drums).max() < 2.0**-22  # the master has 24 bits


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("{classifier: every_secnd}", "there is no classifier 'every_secnd'; did you mean"),
        ("{kit: sinth}", "no kit is called 'sinth'; did you mean 'synth'?"),
        ("{kit: /etc}", "is an absolute path"),
        ("{to: sung}", "there is no source 'sung'; did you mean 'song'?"),
        ("{sound: none.wav}", "there is no file"),
        ("{of: drums}", "'drums' is this very track"),
        ("{hits: ../hits.json}", "leads out of the recipe's folder"),
    ],
)
def test_a_name_that_names_nothing_is_said_with_its_place(
    folder: Path, call: str, why: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        run_text(folder, HEAD + f"tracks:\n  drums:\n    stages:\n      - tells_hits: {call}\n")
    (problem,) = caught.value.problems
    assert why in problem.message
    assert "recipe.yaml:7:" in problem.where


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("h.json", b"{", "is no JSON"),
        ("h.json", b'{"schema": 1}', "has no `hits`"),
        ("h.json", b'{"hits": [{"time_s": 1, "class": "kick"}]}', "hits[0] has no 'velocity'"),
        ("h.json", b'{"hits": [{"time_s": 1, "class": "bell", "velocity": 1}]}', "'bell' is unkn"),
        ("h.json", b'{"hits": [{"time_s": -1, "class": "kick", "velocity": 1}]}', "not a time"),
        ("h.json", b'{"hits": [{"time_s": NaN, "class": "kick", "velocity": 1}]}', "not a time"),
        ("h.json", b'{"hits": [{"time_s": true, "class": "kick", "velocity": 1}]}', "must be num"),
        ("h.json", b'{"files": [{}, {}]}', "holds the hits of 2 files"),
        ("h.json", b"[" * 100_000, "nests too deep"),
        ("h.json", b'{"hits": [' + b"9" * 5_000 + b"]}", "a number is too long"),
        ("h.json", b'{"hits": "\xe9"}', "is not UTF-8"),
        ("h.mid", b"MThd\0\0\0\6\0\0\0\1", "is no MIDI file, or damaged"),
        ("h.mid", b"RIFF", "is no MIDI file, or damaged"),
        ("h.mid", b"MThd\0\0\0\6\0\2\0\0\1\0", "format 2"),
        ("h.txt", b"", "hits are read from .json and .mid files"),
    ],
)
def test_a_file_that_holds_no_hits_is_said(
    folder: Path, name: str, content: bytes, why: str
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(HitsError) as caught:
        run_text(folder, HEAD + f"tracks: {{drums: {{stages: [tells_hits: {{hits: {name}}}]}}}}\n")
    assert why in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_notes_of_a_midi_file_that_are_no_drums_are_left_out_and_said(folder: Path) -> None:
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=480)
    tempo, notes = mido.MidiTrack(), mido.MidiTrack()
    # A quarter at 120 bpm, then the rest at 60: the second kick is at 0.5 + 1 s.
    tempo.append(mido.MetaMessage("set_tempo", tempo=500_000))
    tempo.append(mido.MetaMessage("set_tempo", tempo=1_000_000, time=480))
    notes.append(mido.Message("note_on", note=36, velocity=127))
    notes.append(mido.Message("note_on", note=100, velocity=127))
    notes.append(mido.Message("note_on", note=36, velocity=0))
    notes.append(mido.Message("note_on", note=35, velocity=64, time=960))
    file.tracks += [tempo, notes]
    file.save(folder / "h.mid")
    outcome = run_text(folder, HEAD + "tracks: {drums: {stages: [tells_hits: {hits: h.mid}]}}\n")
    assert told(outcome, "drums/tells_hits")["hits"] == "0.00:kick 1.50:kick"
    assert codes(outcome) == ["hits_left_out"]


def test_a_file_of_hits_is_read_once_however_many_stages_name_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "h.json").write_text(json_text((Hit(0.5, "snare", 1.0),), "drums"))
    asked = []

    def counted(path: Path) -> tuple[tuple[Hit, ...], str]:
        asked.append(path.name)
        return read_hits(path)

    monkeypatch.setattr(plan_hits, "read_hits", counted)
    given = ", ".join(["{tells_hits: {hits: h.json}}"] * 5)
    run_text(folder, HEAD + f"tracks: {{drums: {{stages: [{given}]}}}}\n")
    assert asked == ["h.json"]
