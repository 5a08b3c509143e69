"""The page in a real browser: what is heard, seen, looped and copied, by mouse and by key."""

from __future__ import annotations

import pytest
from report_page import MINUS, SECONDS, song, until, written

TIMES = "\N{MULTIPLICATION SIGN}"
DESK = {"width": 1280, "height": 900}
HEARD = "Object.fromEntries(stemfx.page.listening.heard())"


@pytest.fixture(scope="module")
def song_page(tmp_path_factory):
    return written(tmp_path_factory.mktemp("page"))


@pytest.fixture
def page(open_page, song_page):
    return open_page(song_page, viewport=DESK)


def heard(page):
    return page.evaluate(HEARD)


def wave(page, number):
    """Return the box of a lane's waveform, on the screen."""
    box = page.locator(".lane .box").nth(number)
    box.scroll_into_view_if_needed()
    return box.bounding_box()


# ---- what is heard -------------------------------------------------------------------------


def test_at_first_the_master_is_heard(page) -> None:
    assert heard(page) == {"p4": {"gain_db": 0, "pan": 0}}


def test_tracks_are_heard_together_through_the_faders_of_the_recipe(page) -> None:
    page.get_by_role("radio", name="tracks").check()
    assert heard(page) == {"p2": {"gain_db": -3, "pan": 0}, "p3": {"gain_db": 0, "pan": 0}}
    page.get_by_role("button", name="Before stages").click()
    assert set(heard(page)) == {"p1", "p3"}


def test_solo_is_what_is_heard_whatever_is_listened_to(page) -> None:
    page.keyboard.press("1")
    page.keyboard.press("3")
    assert set(heard(page)) == {"p0", "p3"}
    page.get_by_role("button", name="Clear solo").click()
    assert set(heard(page)) == {"p4"}


def test_a_fader_or_mute_of_a_track_turns_from_the_master_to_the_tracks(page) -> None:
    page.get_by_role("button", name="Mute vocals").click()
    assert set(heard(page)) == {"p2"}
    gain = page.get_by_role("slider", name="Gain of drums")
    gain.fill("-10")
    assert heard(page) == {"p2": {"gain_db": -10, "pan": 0}}
    assert gain.get_attribute("aria-valuetext") == f"{MINUS}10.0 dB"


def test_m_and_s_go_to_the_lane_that_was_touched(page) -> None:
    box = wave(page, 2)
    page.mouse.click(box["x"] + 30, box["y"] + 20)
    page.keyboard.press("s")
    assert set(heard(page)) == {"p3"}
    page.keyboard.press("m")
    assert heard(page) == {}


def test_what_is_heard_is_what_the_engine_plays_and_the_position_moves(page) -> None:
    page.keyboard.press("Space")
    until(page, "stemfx.page.position > 0.2")
    assert page.evaluate("stemfx.page.isPlaying")
    page.keyboard.press("2")
    page.keyboard.press("Space")
    assert not page.evaluate("stemfx.page.isPlaying")


def test_tracks_of_one_signal_are_heard_as_the_sum_of_what_they_give_to_each_side(
    open_page, tmp_path
) -> None:
    source, track, *_ = song()["lanes"]
    sides = [
        track | {"id": f"track/{pan}", "label": f"side {pan}", "after": "p1", "pan": pan}
        for pan in (-1, 1)
    ]
    page = open_page(written(tmp_path, song(lanes=[source, *sides])), viewport=DESK)
    (at,) = heard(page).values()
    # Left alone and right alone, each at -3 dB and sqrt 2 of it: both sides, 3.01 dB up.
    assert at["gain_db"] == pytest.approx(-3 + 3.0103, abs=1e-3)
    assert at["pan"] == pytest.approx(0, abs=1e-9)


# ---- A/B -----------------------------------------------------------------------------------


def test_a_step_before_the_song_was_aligned_can_be_compared(open_page, tmp_path) -> None:
    data = song()
    drums = data["lanes"][1] | {"points": ["p3"], "before": "p3", "early": ["p1", "p2"]}
    for point in data["points"]:
        point["has_own_time"] = point["id"] in drums["early"]
    page = open_page(written(tmp_path, data | {"lanes": [data["lanes"][0], drums]}), viewport=DESK)
    page.get_by_role("button", name="A/B: before and after drums/gain").click()
    assert page.get_by_label("Point A").input_value() == "p1"
    assert page.get_by_label("Point B").input_value() == "p2"
    assert "not in step" not in page.locator(".levels").inner_text()
    page.get_by_label("Point B").select_option("p0")
    assert "not in step" in page.locator(".levels").inner_text()
    page.get_by_role("button", name="Pause").click()


def test_a_point_without_sound_says_why_wherever_it_could_be_played(open_page, tmp_path) -> None:
    data = song()
    data["points"][2] |= {"n_segments": 0}
    page = open_page(written(tmp_path, data), viewport=DESK)
    for place in (".lane[data-lane='track/drums'] .note", ".steps .act .note"):
        assert "no room for the sound" in page.locator(place).text_content()
    assert "1 point has no sound" in page.locator("#ab").inner_text()


def test_a_step_is_compared_with_what_came_before_at_equal_loudness(page) -> None:
    page.get_by_role("button", name="A/B: before and after drums/gain").click()
    page.keyboard.press("Space")
    gains = {}
    for _ in range(2):
        gains |= {name: one["gain_db"] for name, one in heard(page).items()}
        page.keyboard.press("x")
    # The stage halves the level: before it is turned down by as much, and nothing is turned up.
    assert gains["p1"] == pytest.approx(20 * -0.30103, abs=0.02)
    assert gains["p2"] == 0
    page.get_by_text("Equal loudness").click()
    assert heard(page)["p2"]["gain_db"] == 0
    page.keyboard.press("x")
    assert heard(page)["p1"]["gain_db"] == 0
    page.get_by_role("button", name="Back to the lanes").click()
    assert set(heard(page)) == {"p4"}


def test_a_blind_test_shows_nothing_of_what_x_is_and_counts(page) -> None:
    page.locator(".blind summary").click()
    page.get_by_role("button", name="Start a blind test").click()
    for _ in range(10):
        x = page.evaluate("stemfx.page.listening.ab.x")
        point = page.evaluate(f"stemfx.page.listening.ab.{x}")
        assert set(heard(page)) == {point}
        assert page.locator(".lane.is-heard").count() == 0
        assert page.locator(".what").inner_text() == "X"
        page.get_by_role("button", name=f"X is {x.upper()}").click()
    # Ten of ten by chance: 1 in 1024.
    assert "10 of 10 answers right, p < 0.001" in page.locator(".score").inner_text()


# ---- time ----------------------------------------------------------------------------------


def test_a_click_on_a_waveform_seeks_and_a_drag_loops(page) -> None:
    box = wave(page, 1)
    second = box["width"] / SECONDS
    page.mouse.click(box["x"] + second, box["y"] + 20)
    assert page.evaluate("stemfx.page.position") == pytest.approx(1.0, abs=0.02)
    page.mouse.move(box["x"] + second, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 2 * second, box["y"] + 20, steps=4)
    page.mouse.move(box["x"] + 3 * second, box["y"] + 20, steps=4)
    page.mouse.up()
    loop = page.evaluate("stemfx.page.range")
    assert [loop["start_s"], loop["end_s"]] == pytest.approx([1.0, 3.0], abs=0.02)
    assert page.evaluate("stemfx.page.position") == pytest.approx(1.0, abs=0.02)
    page.keyboard.press("l")
    assert (
        page.get_by_role("button", name="Loop", exact=True).get_attribute("aria-pressed") == "false"
    )


def test_the_ruler_snaps_a_dragged_loop_to_bars(page) -> None:
    page.get_by_role("button", name="Snap loops to bars").click()
    ticks = page.locator(".ruler .ticks").bounding_box()
    second = ticks["width"] / SECONDS
    page.mouse.move(ticks["x"] + 0.2 * second, ticks["y"] + 20)
    page.mouse.down()
    page.mouse.move(ticks["x"] + 2.3 * second, ticks["y"] + 20, steps=3)
    page.mouse.up()
    assert page.evaluate("stemfx.page.range") == {"start_s": 0, "end_s": 2}
    page.mouse.move(ticks["x"] + 0.2 * second, ticks["y"] + 20)
    page.mouse.down()
    page.mouse.move(ticks["x"] + 0.6 * second, ticks["y"] + 20, steps=3)
    page.mouse.up()
    assert page.evaluate("stemfx.page.range") == {"start_s": 0, "end_s": 2}  # a bar at least


def test_bars_are_those_of_the_page_whatever_beats_are_shown(open_page, tmp_path) -> None:
    data = song()
    own = data["grids"][0] | {"is_aligned": False, "downbeats_s": [0.3, 1.1, 1.9]}
    data["points"][0]["has_own_time"] = True  # the song was aligned then
    page = open_page(written(tmp_path, data | {"grids": [own, *data["grids"]]}), viewport=DESK)
    page.get_by_label("Whose beats the ruler shows").select_option("beats of song (own time)")
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("stemfx.page.position") == 2


def test_keys_seek_by_seconds_and_bars_and_set_the_ends_of_the_loop(page) -> None:
    press = page.keyboard.press
    press("Shift+ArrowRight")
    assert page.evaluate("stemfx.page.position") == 2
    press("i")
    press("End")
    assert page.evaluate("stemfx.page.position") == SECONDS
    press("Home")
    press("ArrowRight")
    assert page.evaluate("stemfx.page.position") == SECONDS  # five seconds on, but no further
    assert page.evaluate("stemfx.page.range") == {"start_s": 2, "end_s": SECONDS}


def test_the_slider_is_the_position_in_words(page) -> None:
    slider = page.get_by_role("slider", name="Position")
    slider.focus()
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("stemfx.page.position") == 2
    assert slider.get_attribute("aria-valuetext") == "0:02.0 of 0:04, bar 2, beat 1"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("stemfx.page.position") == 0  # five seconds back, but no further


def test_all_lanes_scroll_and_zoom_together(page) -> None:
    wave(page, 3)  # so that each of them is drawn
    scroll = "wave => wave.firstChild?.shadowRoot.querySelector('.scroll')"
    scrollers = f"[...document.querySelectorAll('.wave')].map({scroll})"
    until(page, f"{scrollers}.every(one => one?.querySelector('canvas'))")
    for _ in range(4):
        page.keyboard.press("+")
    page.evaluate(f"{scrollers}[1].scrollLeft = 300")
    until(page, f"{scrollers}.every(one => one.scrollLeft === 300)")
    page.keyboard.press("0")
    until(page, f"{scrollers}.every(one => one.scrollLeft === 0)")


def test_quiet_tracks_are_drawn_larger_by_one_factor_and_it_is_told(open_page, tmp_path) -> None:
    data = song()
    peaks_dbtp = {"p0": -1.0, "p1": -3.0, "p2": -10.0, "p3": -16.0, "p4": -1.0}
    for point in data["points"]:
        point["true_peak_dbtp"] = peaks_dbtp[point["id"]]
    page = open_page(written(tmp_path, data), viewport=DESK)
    readouts = page.locator(".lane .readout")
    # The louder of the tracks leaves room for a factor of 10 ** (10 / 20) = 3.16.
    assert [f" · drawn {TIMES}3" in told for told in readouts.all_inner_texts()] == [
        *(False, True, True, False)
    ]
    page.get_by_label("Which point of drums").select_option("p1")  # 3 dB of room: a factor of 1.41
    assert "drawn" not in readouts.nth(1).inner_text()
    page.get_by_role("button", name="Taller").click()
    assert readouts.nth(2).inner_text().endswith(f"drawn {TIMES}6")


# ---- keys that are not taken ---------------------------------------------------------------


def test_keys_with_ctrl_and_keys_in_inputs_are_left_alone(page) -> None:
    page.keyboard.press("Control+m")
    page.keyboard.press("Alt+2")
    assert set(heard(page)) == {"p4"}
    gain = page.get_by_role("slider", name="Gain of drums")
    gain.focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("stemfx.page.position") == 0
    assert gain.input_value() == "-3.5"


def test_space_after_tab_presses_the_button_and_after_a_click_plays(page) -> None:
    solo = page.get_by_role("button", name="Solo drums")
    page.keyboard.press("Tab")
    solo.focus()
    page.keyboard.press("Space")
    assert solo.get_attribute("aria-pressed") == "true"
    assert not page.evaluate("stemfx.page.isPlaying")
    solo.click()
    page.keyboard.press("Space")
    assert solo.get_attribute("aria-pressed") == "false"
    assert page.evaluate("stemfx.page.isPlaying")
