"""The page's words: outcome, findings and fixes, record; strangers' text; phone and dark."""

from __future__ import annotations

import pytest
from report_page import FIX, HOSTILE, MINUS, song, written

DESK = {"width": 1280, "height": 900}
PHONE = {"viewport": {"width": 360, "height": 780}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def song_page(tmp_path_factory):
    return written(tmp_path_factory.mktemp("page"))


def test_the_outcome_says_at_a_glance_what_is_wrong_and_what_was_met(open_page, song_page) -> None:
    page = open_page(song_page, viewport=DESK)
    assert page.get_by_role("heading", level=1).inner_text() == "Night drums"
    assert page.locator(".verdict").inner_text() == "1 warning"
    assert page.locator(".meter .aim").all_inner_texts() == [
        f"target {MINUS}14.0 LUFS, met",
        f"ceiling {MINUS}1.0 dBTP, met",
    ]
    first = page.locator(".finding").first
    assert "mono loss" in first.inner_text()
    assert page.get_by_role("link", name="master").get_attribute("href") == "./night%20drums.wav"


def test_a_missed_target_is_said(open_page, tmp_path) -> None:
    told = written(tmp_path, song(target={"lufs": -9.0, "ceiling_dbtp": -2.0}))
    page = open_page(told, viewport=DESK)
    assert page.locator(".meter .aim").all_inner_texts() == [
        f"target {MINUS}9.0 LUFS, missed",
        f"ceiling {MINUS}2.0 dBTP, missed",
    ]


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_a_fix_is_copied_by_a_click_also_where_there_is_no_clipboard(
    open_page, song_page, has_clipboard
) -> None:
    page = open_page(song_page, viewport=DESK, permissions=["clipboard-read", "clipboard-write"])
    if not has_clipboard:
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("addEventListener('copy', () => (window.copied = document.activeElement.value))")
    page.get_by_role("button", name="Copy fix").click()
    page.get_by_text("Copied", exact=True).wait_for()
    copied = "navigator.clipboard.readText()" if has_clipboard else "window.copied"
    assert page.evaluate(copied) == FIX


def test_the_text_of_a_stranger_stays_text(open_page, tmp_path) -> None:
    finding = {"level": "error", "node": HOSTILE, "code": "x", "message": HOSTILE, "fix": HOSTILE}
    told = song(
        title=HOSTILE,
        findings=[finding],
        outputs={HOSTILE: "javascript:alert(3)"},
        recipe=[{"file": HOSTILE, "text": f"title: {HOSTILE} # {HOSTILE}\n</script>"}],
        models=[
            {"source": HOSTILE, "model": HOSTILE, "licence": "", "licence_class": "", "weights": ""}
        ],
    )
    for lane in told["lanes"]:
        lane["label"] = HOSTILE
    for grid in told["grids"]:
        grid["sections"][0]["label"] = HOSTILE
    page = open_page(written(tmp_path, told), viewport=DESK)
    page.on("dialog", lambda _: pytest.fail("a script of the recipe ran"))
    for summary in page.locator("#record summary").all():
        summary.click()
    assert page.locator("img").count() == 0
    assert page.get_by_role("heading", level=1).inner_text() == HOSTILE
    assert page.locator(".outputs a").evaluate("link => link.protocol") == "file:"


def test_a_run_without_sound_or_points_still_tells_its_story(open_page, tmp_path) -> None:
    told = song(points=[], lanes=[], grids=[], findings=[], checks=[], record=None, target=None)
    page = open_page(written(tmp_path, told), viewport=DESK)
    assert page.locator(".verdict").inner_text() == "Nothing is wrong."
    page.keyboard.press("x")
    page.keyboard.press("m")
    assert "nothing to compare" in page.locator("#ab").inner_text()


def test_a_point_without_sound_is_shown_and_says_so(open_page, tmp_path) -> None:
    told = song()
    for point in told["points"]:
        if point["id"] in {"p3", "p4"}:
            point["n_segments"] = 0
    page = open_page(written(tmp_path, told), viewport=DESK)
    note = page.locator(".lane[data-lane='track/vocals'] .note")
    assert "Only a picture" in note.inner_text()
    assert page.get_by_label("Point B").locator("option").count() == 3  # p0, p1, p2


def test_a_picture_is_drawn_when_it_comes_into_view_and_a_broken_one_says_so(
    open_page, song_page
) -> None:
    # A script of a test cannot run in the page before page.js: the policy allows hashes only.
    page = open_page("about:blank", viewport=DESK)
    page.add_init_script(
        """globalThis.stemfx = {pictures: [
          {id: "far", title: "Far", help: "", wants: () => true,
           draw: (element) => { element.textContent = "drawn"; element.style.height = "3000px"; }},
          {id: "broken", title: "Broken", help: "", wants: () => true,
           draw: async () => { throw new Error("no data"); }},
          {id: "no", title: "No", help: "", wants: () => false, draw: () => {}}]}"""
    )
    page.goto(song_page.as_uri())
    titles = page.locator("#pictures > details > summary h3").all_inner_texts()
    assert titles[:2] == ["Far", "Broken"]
    assert "No" not in titles
    assert page.locator("#picture-far .picture").inner_text() == ""
    page.locator("#picture-far").scroll_into_view_if_needed()
    page.get_by_text("drawn", exact=True).wait_for()
    page.locator("#picture-broken").scroll_into_view_if_needed()
    page.get_by_text("could not be drawn: no data").wait_for()


def test_the_recipe_keeps_its_lines_and_its_numbers(open_page, song_page) -> None:
    page = open_page(song_page, viewport=DESK)
    assert page.locator(".code li").all_inner_texts() == ["stemfx: 1", "# loud", "master: []"]


def test_on_a_phone_nothing_runs_over_the_edge_and_all_can_be_touched(open_page, song_page) -> None:
    page = open_page(song_page, **PHONE)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    small = page.evaluate(
        """[...document.querySelectorAll("button, select, summary, .pill, input[type=range]")]
          .filter(one => one.checkVisibility() && one.getBoundingClientRect().height < 40)
          .map(one => one.outerHTML.slice(0, 120))"""
    )
    assert small == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_it_is_chosen(open_page, song_page, scheme) -> None:
    page = open_page(song_page, viewport=DESK, color_scheme=scheme)
    light = "getComputedStyle(document.body).backgroundColor === 'rgb(238, 240, 243)'"
    assert page.evaluate(light) == (scheme == "light")
    page.locator("#theme").click()
    assert page.evaluate(light) == (scheme == "dark")
    page.reload()
    assert page.evaluate(light) == (scheme == "dark")


def test_the_same_key_list_for_question_mark_and_button(open_page, song_page) -> None:
    page = open_page(song_page, viewport=DESK)
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keys").wait_for()
    page.keyboard.press("m")  # not behind a dialog
    page.keyboard.press("Escape")
    assert page.evaluate("stemfx.page.listening.lanes.some(lane => lane.mute)") is False
