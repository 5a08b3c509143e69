"""A real browser for pages, which fails the test on any error and on any request elsewhere."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

CHROMIUM_NAMES = ("/usr/bin/chromium", "chromium", "google-chrome", "chromium-browser")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
)
LOCAL_SCHEMES = ("file", "data", "blob", "about")


def chromium() -> str | None:
    """Return the path of the system's Chromium, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def launched(playwright: Playwright, executable: str, *, gesture_needed: bool = False) -> Browser:
    """Start a headless browser; `gesture_needed`: pages sound after a gesture only."""
    needs = "document-user-activation-required" if gesture_needed else "no-user-gesture-required"
    arguments = [*ARGUMENTS, f"--autoplay-policy={needs}"]
    return playwright.chromium.launch(executable_path=executable, args=arguments)


@dataclass
class Watch:
    """Keeps what a page complained of and what it asked for from elsewhere."""

    origin: str | None = None  # of a served page: may be asked for anything
    complaints: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Keep console errors, uncaught errors, and requests beyond the page's own origin."""
        page.on("console", lambda m: self._said(m.type, f"{m.text} ({m.location.get('url', '')})"))
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("crash", lambda _: self.complaints.append("the page crashed"))

    def _said(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(f"console: {text}")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        own = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme not in LOCAL_SCHEMES and own != self.origin:
            self.complaints.append(f"asked for {url}")


def address(page: str | Path) -> tuple[str, str | None]:
    """Return the URL of a file or address, and the origin that it may ask (None for a file)."""
    if isinstance(page, Path):
        return page.resolve().as_uri(), None
    parts = urlsplit(page)
    served = parts.scheme in {"http", "https"}
    return page, f"{parts.scheme}://{parts.netloc}" if served else None
