"""Drum hits as JSON and MIDI, and back."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemfx.errors import HitsError
from stemfx.hit_files import MAX_HITS, file_names, is_edited, json_text, midi_bytes, read_hits
from stemfx.hits import DRUM_CLASSES, Hit

hits_of_a_song = st.lists(
    st.builds(
        Hit,
        st.floats(0, 3600),
        st.sampled_from(DRUM_CLASSES),
        st.floats(0.01, 1.0),
    ),
    max_size=30,
)


def written(folder: Path, name: str, hits: list[Hit]) -> Path:
    path = folder / name
    if path.suffix == ".json":
        path.write_text(json_text(hits, "drums"), encoding="utf-8")
    else:
        path.write_bytes(midi_bytes(hits, "drums"))
    return path


@pytest.mark.parametrize(
    # JSON rounds to a microsecond and 1/10000; MIDI to half a tick of 52 µs and half of 1/127.
    ("name", "time_s", "velocity"),
    [("h.json", 0.5e-6, 0.5e-4), ("h.mid", 26.1e-6, 0.5 / 127 + 1e-9)],
)
@settings(max_examples=30)
@given(hits=hits_of_a_song)
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    time_s: float,
    velocity: float,
    hits: list[Hit],
) -> None:
    path = written(tmp_path_factory.mktemp("hits"), name, hits)
    back, left_out = read_hits(path)
    assert left_out == ""
    assert not is_edited(path)
    assert len(back) == len(hits)
    for drum in DRUM_CLASSES:
        wrote = sorted(hit for hit in hits if hit.drum_class == drum)
        read = [hit for hit in back if hit.drum_class == drum]
        assert [h.time_s for h in read] == pytest.approx([h.time_s for h in wrote], abs=time_s)
        # Equal times may come back in another order.
        assert sorted(h.velocity for h in read) == pytest.approx(
            sorted(h.velocity for h in wrote), abs=velocity
        )


@pytest.mark.parametrize("name", ["h.json", "h.mid"])
def test_a_hit_more_or_less_is_an_edit(tmp_path: Path, name: str) -> None:
    hits = [Hit(0.5, "kick", 0.5), Hit(1.0, "snare", 0.75)]
    path = written(tmp_path, name, hits)
    if name == "h.json":
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "kick" not in line))
    else:
        import mido

        file = mido.MidiFile(path)
        file.tracks[0] = [m for m in file.tracks[0] if getattr(m, "note", None) != 36]
        file.save(path)
    assert is_edited(path)
    assert [hit.drum_class for hit in read_hits(path)[0]] == ["snare"]


@pytest.mark.parametrize("content", [b"", b"notes of mine", b"[]"])
def test_what_holds_no_hits_counts_as_edited(tmp_path: Path, content: bytes) -> None:
    for name in ("h.json", "h.mid"):
        (tmp_path / name).write_bytes(content)
        assert is_edited(tmp_path / name)


@pytest.mark.parametrize("unit", ["[],", "{},", '{"a": {}},', "1,"])
def test_json_of_other_things_than_hits_takes_no_memory(tmp_path: Path, unit: str) -> None:
    """Python makes 70 bytes of each `[]`, and collects them again and again while it reads."""
    path = tmp_path / "h.json"
    path.write_text('{"hits": [' + unit * (3_000_000 // len(unit)) + "0]}")
    tracemalloc.start()
    try:
        with pytest.raises(HitsError, match=f"more than {MAX_HITS:,} hits, or other things"):
            read_hits(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # the text, and little else
    finally:
        tracemalloc.stop()


def test_as_many_hits_as_may_be_are_read(tmp_path: Path) -> None:
    hit = '{"time_s": 1.5, "class": "kick", "velocity": 0.5},\n'
    path = tmp_path / "h.json"
    path.write_text('{"hits": [' + (hit * MAX_HITS)[:-2] + "]}")
    assert len(read_hits(path)[0]) == MAX_HITS


def test_one_track_takes_the_name_and_several_add_theirs() -> None:
    assert file_names(Path("a/hits.json"), ["drums"]) == {
        "drums": (Path("a/hits.json"), Path("a/hits.mid"))
    }
    assert file_names(Path("a/hits.json"), ["drums", "perc"])["perc"] == (
        Path("a/hits-perc.json"),
        Path("a/hits-perc.mid"),
    )
