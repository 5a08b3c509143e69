"""The harness sees what it must not let pass."""

from __future__ import annotations

from pathlib import Path

import browsing
import pytest


def page_that(script: str, tmp_path: Path) -> Path:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><title>t</title><script>{script}</script>", encoding="utf-8")
    return page


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("console.error('lost')", "console: lost"),
        ("undefined_name()", "uncaught: undefined_name is not defined"),
        ("Promise.reject(new Error('nobody waits'))", "uncaught: nobody waits"),
        ("new Image().src = 'http://127.0.0.1:9/a.png'", "asked for http://127.0.0.1:9/a.png"),
    ],
)
def test_errors_and_requests_are_complaints(open_page, tmp_path, script, complaint) -> None:
    page = open_page(page_that(script, tmp_path))
    page.wait_for_timeout(50)
    assert any(line.startswith(complaint) for line in page.watch.complaints)
    page.watch.complaints.clear()


def test_files_data_and_blobs_are_the_page_s_own(open_page, tmp_path) -> None:
    script = "new Image().src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw='; console.warn('warm')"
    page = open_page(page_that(script, tmp_path))
    page.wait_for_timeout(50)
    assert page.watch.complaints == []


def test_a_served_page_may_ask_its_own_origin_only() -> None:
    url, origin = browsing.address("http://127.0.0.1:81/remix?token=x")
    watch = browsing.Watch(origin)
    for asked in (url, "http://127.0.0.1:81/a.js", "http://127.0.0.1:82/", "https://127.0.0.1:81/"):
        watch._asked(asked)
    assert watch.complaints == [
        "asked for http://127.0.0.1:82/",
        "asked for https://127.0.0.1:81/",
    ]
