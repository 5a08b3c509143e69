"""What a page can let hear: everything, as well as it fits."""

from __future__ import annotations

from stemfx.io.opus import copy_bytes
from stemfx.page.budget import MOST_BYTES, RATES_KBPS, SERVED_KBPS, copies_for


def points(**roles: int) -> list[dict[str, str]]:
    return [
        {"id": f"{role}{i}", "role": role} for role, number in roles.items() for i in range(number)
    ]


def lengths(chain: list[dict[str, str]], length_s: float) -> dict[str, float]:
    return {point["id"]: length_s for point in chain}


SONG = points(source=1, before=4, step=6, after=4, mix=1, master=1)


def test_a_short_song_is_heard_everywhere_at_the_best_rate() -> None:
    copies = copies_for(SONG, lengths(SONG, 30.0), is_served=False)
    assert (copies.kbps, copies.place) == (RATES_KBPS[0], "embedded")
    assert copies.points == {point["id"] for point in SONG}


def test_no_more_is_embedded_than_the_page_may_weigh() -> None:
    for length_s in range(10, 1200, 35):
        copies = copies_for(SONG, lengths(SONG, length_s), is_served=False)
        if copies.place == "embedded":
            assert len(copies.points) * copy_bytes(length_s, copies.kbps) <= MOST_BYTES


def test_a_rate_is_only_lowered_where_the_next_higher_does_not_fit() -> None:
    length_s = 0.9 * 30 * MOST_BYTES / (len(SONG) * copy_bytes(30.0, 96))
    copies = copies_for(SONG, lengths(SONG, length_s), is_served=False)
    assert copies.kbps == 96
    assert len(SONG) * copy_bytes(length_s, 128) > MOST_BYTES


def test_what_lies_between_first_and_last_goes_first() -> None:
    ends = [point for point in SONG if point["role"] != "step"]
    length_s = 0.98 * 30 * MOST_BYTES / (len(ends) * copy_bytes(30.0, 64))
    copies = copies_for(SONG, lengths(SONG, length_s), is_served=False)
    assert (copies.kbps, copies.place) == (64, "embedded")
    assert copies.points == {point["id"] for point in ends}


def test_a_concert_lies_beside_the_page_and_sounds_well() -> None:
    copies = copies_for(SONG, lengths(SONG, 3600.0), is_served=False)
    assert (copies.kbps, copies.place) == (SERVED_KBPS, "beside")
    assert len(copies.points) == len(SONG)


def test_of_what_is_served_there_may_be_any_amount() -> None:
    copies = copies_for(SONG, lengths(SONG, 3600.0), is_served=True)
    assert copies.place == "served"
    assert len(copies.points) == len(SONG)
