"""Files of weights: strict, data only, and only what differs has to be in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stemfx.errors import WeightsError
from stemfx.ranking.faults import PARTS
from stemfx.weight_files import read_weights


def read(folder: Path, text: str):
    path = folder / "own.yaml"
    path.write_text(text)
    return read_weights(path)


def test_the_shipped_weights_say_where_they_come_from():
    weights = read_weights()
    for part in PARTS:
        for name, fault in getattr(weights, part).items():
            assert fault.source, f"{part}.{name}"
            assert fault.weight > 0, f"{part}.{name}"


def test_a_file_needs_only_what_differs(tmp_path):
    weights = read(tmp_path, "ranking: 1\ntake: {clipping: {weight: 1.5}}\n")
    usual = read_weights()
    assert weights.take["clipping"].weight == 1.5
    assert weights.take["clipping"].full == usual.take["clipping"].full
    assert weights.take["noise"] == usual.take["noise"]


def test_a_file_may_add_a_fault(tmp_path):
    text = (
        "ranking: 1\ntake:\n  short: {measure: duration_s, fine: 120, full: 30, weight: 5, "
        'reason: "only {duration_s:.0f} s"}\n'
    )
    fault = read(tmp_path, text).take["short"]
    assert fault.sentence({"duration_s": 29.7}) == "only 30 s"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("take: {}\n", "`ranking: 1` is missing"),
        ("ranking: 2\n", "ranking"),
        ("ranking: 1\ntakes: {}\n", "did you mean 'take'"),
        ("ranking: 1\ntake: {clipping: {weigth: 2}}\n", "weigth"),
        ("ranking: 1\ntake: {clipping: {weight: '2'}}\n", "weight"),
        ("ranking: 1\ntake: {clipping: {weight: -2}}\n", "weight"),
        ("ranking: 1\ntake: {clipping: {weight: .nan}}\n", "weight"),
        ("ranking: 1\ntake: {clipping: 3}\n", "take.clipping: expects a mapping"),
        ("ranking: 1\ntake: {clipping: {measure: clipping_percent}}\n", "clipped_percent"),
        ("ranking: 1\ntake: {clipping: {fine: 50}}\n", "the same"),
        ('ranking: 1\ntake: {clipping: {reason: "{lufs.real}"}}\n', "stands alone"),
        ('ranking: 1\ntake: {clipping: {reason: "{lufs:99999999.1f}"}}\n', "no format"),
        ('ranking: 1\ntake: {clipping: {reason: "{lufs"}}\n', "stands alone"),
        ("ranking: 1\ntake: {clipping: !!python/object:os.system {}}\n", "tag"),
        ("- 1\n", "not a list"),
        ("", "empty"),
        ("ranking: 1\ntake: {clipping: {weight: 1, weight: 2}}\n", "twice"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(tmp_path, text, told):
    with pytest.raises(WeightsError, match=r"own\.yaml") as error:
        read(tmp_path, text)
    assert told in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.yaml.*cannot be read"):
        read_weights(tmp_path / "none.yaml")
