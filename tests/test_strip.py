"""Level and stereo over time in characters."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from stemfx.audio import Audio
from stemfx.health import examine
from stemfx.strip import can_show, strips

RATE = 8_000
MINUS = "\N{MINUS SIGN}"


def console(width: int = 100, encoding: str = "utf-8", **how) -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Console(file=file, width=width, **({"force_terminal": True} | how))


def shown(samples: np.ndarray, name: str = "x.wav", on: Console | None = None) -> list[str]:
    health = examine(Audio(samples.astype(np.float32), RATE))
    return [line.plain for line in strips([(Path(name), health)], on or console())]


def noise(seconds: float) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))


def test_a_fade_of_24_db_goes_up_every_block_once():
    rise = noise(10) * 10 ** (24 * (np.linspace(0, 1, 10 * RATE) - 1) / 20)
    blocks = shown(np.stack((rise, rise)))[0][21:81]
    assert sorted(blocks) == list(blocks)
    assert set(blocks) == set("▁▂▃▄▅▆▇█")
    counts = [blocks.count(block) for block in "▂▃▄▅▆▇"]
    assert max(counts) - min(counts) <= 3  # 7.5 columns of 3 dB each


def test_opposed_channels_are_minus_signs_like_ones_plus_signs():
    one, other = noise(6), np.random.default_rng(1).standard_normal(6 * RATE) * 0.1
    right = np.concatenate((one[: 2 * RATE], other[2 * RATE : 4 * RATE], -one[4 * RATE :]))
    signs = shown(np.stack((one, right)))[1][21:81]
    assert signs == "+" * 20 + "·" * 20 + MINUS * 20


def test_silence_has_no_signs():
    samples = np.zeros((2, 4 * RATE))
    samples[:, : 2 * RATE] = noise(2)
    level, stereo, _ = shown(samples)
    # The filter of the meter rings for some hundredths of a second.
    assert level[21:61].rstrip() == level[21:42].rstrip()
    assert stereo[21:61] == "+" * 20 + " " * 20


def test_mono_and_short_and_silent_files_say_so():
    assert shown(noise(2)[None])[1].split()[1:] == ["=" * 20, "mono"]
    assert shown(noise(0.05)[None])[0].endswith("too short")
    assert shown(np.zeros((2, RATE)))[0].endswith("silent")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit_and_line_up(width):
    name = "日本語 a very long name of a song that goes on and on 🎸.wav"
    on = console(width)
    lines = strips([(Path(name), examine(Audio(np.float32([noise(10)] * 2), RATE)))], on)
    assert max(line.cell_len for line in lines[:2]) <= width
    assert lines[0].plain.endswith("LUFS")
    assert lines[1].plain.endswith("mean 1.00")
    assert lines[2].cell_len < 80  # the width that most terminals have


def test_the_scale_ends_at_the_loudest_stretch_and_begins_24_db_below():
    tone = 10 ** (-19.5 / 20) * np.sin(2 * np.pi * 997 * np.arange(4 * RATE) / RATE)  # -19.5 LUFS
    assert shown(np.stack((tone, tone)))[0].endswith(f" {MINUS}43 to {MINUS}19 LUFS")


def test_where_there_are_no_blocks_they_are_ascii():
    lines = shown(np.stack((noise(4), -noise(4))), on=console(encoding="ascii"))
    assert all(line.isascii() for line in lines)
    assert "-" * 30 in lines[1]


def test_it_is_shown_where_a_terminal_can():
    assert can_show(console())
    assert not can_show(console(width=59))
    assert not can_show(console(encoding="cp1252"))
    assert not can_show(console(force_terminal=False))


def test_a_name_steers_no_terminal():
    assert "\x1b" not in shown(noise(1)[None], "\x1b[2Jx.wav")[0]
