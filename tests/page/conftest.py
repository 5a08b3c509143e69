"""Fixtures of the page's tests: one browser for all of them, one tab for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import browsing
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

Opener = Callable[..., "Page"]


@pytest.fixture(scope="session")
def executable() -> str:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed: stemfx[test]")
    found = browsing.chromium()
    if found is None:
        pytest.skip(f"no Chromium here; looked for {', '.join(browsing.CHROMIUM_NAMES)}")
    return found


@pytest.fixture(scope="session")
def driver(executable: str) -> Iterator[Playwright]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(driver: Playwright, executable: str) -> Iterator[Browser]:
    started = browsing.launched(driver, executable)
    yield started
    started.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Return a function that opens a file or URL in a fresh tab, sized and coloured by options.

    The test fails where the page wrote an error to the console, left one uncaught, or asked for
    anything but itself. Options are Playwright's: viewport, color_scheme, has_touch, ...
    `page.watch.complaints.clear()` forgives what a test provoked.
    """
    opened: list[tuple[Any, browsing.Watch]] = []

    def open_it(page: str | Path, **options: Any) -> Page:
        url, origin = browsing.address(page)
        watch = browsing.Watch(origin)
        context = browser.new_context(**options)
        opened.append((context, watch))
        context.set_default_timeout(10_000)
        tab = context.new_page()
        watch.follow(tab)
        tab.watch = watch
        tab.goto(url)
        return tab

    yield open_it
    complaints = [line for context, watch in opened for line in watch.complaints]
    for context, _ in opened:
        context.close()
    assert complaints == []
