"""Which requests are answered: those of the page itself, in a browser on this machine.

Any page in any browser can send requests to this machine, and any program on it can, too. A request
is answered only if all of this holds:

- its path begins with a token that nobody can guess (256 bits), compared in constant time: other
  pages and programs do not know it;
- `Host` is this server by its number or as `localhost`: a name that a stranger has made to mean
  127.0.0.1 (DNS rebinding) is refused, so no foreign page becomes "the same origin";
- `Origin` and `Sec-Fetch-Site`, where a browser sends them, say that the page itself asks; what
  changes something must have an `Origin`.

With what a program was started, every user of a machine can read. A browser is therefore started
with an invitation: it leads to the page once and is worth nothing afterwards.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Literal

MAX_BODY_BYTES = 65_536

_AUDIO = re.compile(r"audio/([0-9]{1,9})/([A-Za-z0-9_-]{1,64})/([0-9]{1,6})")

Name = Literal["page", "data", "events", "params", "audio", "welcome"]


@dataclass(frozen=True)
class Route:
    """What is asked for; of `audio` a version, a point and a segment of it."""

    name: Name
    version: int = 0
    point: str = ""
    segment: int = 0


class RefusedError(Exception):
    """A request that is not answered; `status` says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Guard:
    """Knows the token of a server with this port, and an invitation until it is used."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.token = secrets.token_urlsafe(32)
        self.invitation = secrets.token_urlsafe(32)
        self._lock = threading.Lock()

    def route(self, method: str, path: str, headers: Message) -> Route:
        """Return what a request asks for.

        Raises:
            RefusedError: it is not to be answered.
        """
        self._check_place(method, headers)
        if method == "GET" and self._is_invited(path):
            return Route("welcome")
        given, _, rest = path.removeprefix("/").partition("/")
        is_ours = _are_equal(given, self.token)
        if not is_ours or not path.startswith(f"/{given}/"):
            raise RefusedError(HTTPStatus.NOT_FOUND)
        if method == "POST":
            if rest != "params":
                raise RefusedError(HTTPStatus.NOT_FOUND)
            return Route("params")
        if rest in ("", "data", "events"):
            return Route({"": "page", "data": "data", "events": "events"}[rest])  # type: ignore[arg-type]
        if found := _AUDIO.fullmatch(rest):
            return Route("audio", int(found[1]), found[2], int(found[3]))
        raise RefusedError(HTTPStatus.NOT_FOUND)

    def _is_invited(self, path: str) -> bool:
        with self._lock:
            is_invited = bool(self.invitation) and _are_equal(path, f"/{self.invitation}")
            if is_invited:
                self.invitation = ""
            return is_invited

    def _check_place(self, method: str, headers: Message) -> None:
        hosts = [host.lower() for host in headers.get_all("Host", [])]
        own = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        if self.port == 80:  # browsers leave it out
            own |= {"127.0.0.1", "localhost"}
        if len(hosts) != 1 or hosts[0] not in own:
            raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST)
        origins = [origin.lower() for origin in headers.get_all("Origin", [])]
        if any(origin != f"http://{hosts[0]}" for origin in origins) or len(origins) > 1:
            raise RefusedError(HTTPStatus.FORBIDDEN)
        if method == "POST" and not origins:
            raise RefusedError(HTTPStatus.FORBIDDEN)
        # `none`: typed or opened from outside the browser
        sites = set(headers.get_all("Sec-Fetch-Site", []))
        if not sites <= ({"same-origin"} if method == "POST" else {"same-origin", "none"}):
            raise RefusedError(HTTPStatus.FORBIDDEN)


def _are_equal(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode())


def told_length(headers: Message) -> int | None:
    """Return how many bytes follow the headers; None where that is not told, or too many."""
    lengths = headers.get_all("Content-Length", [])
    if len(lengths) != 1 or not re.fullmatch("[0-9]{1,9}", lengths[0]):
        return None
    return length if (length := int(lengths[0])) <= MAX_BODY_BYTES else None


def check_body(headers: Message) -> None:
    """Refuse what is no JSON, of no told length, or too long.

    Raises:
        RefusedError: it is.
    """
    kind = headers.get_content_type() if headers.get("Content-Type") else ""
    if kind != "application/json":  # what a form of a foreign page cannot send
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    lengths = headers.get_all("Content-Length", [])
    if headers.get("Transfer-Encoding") or len(lengths) != 1:
        raise RefusedError(HTTPStatus.LENGTH_REQUIRED)
    if not re.fullmatch("[0-9]+", lengths[0]):
        raise RefusedError(HTTPStatus.BAD_REQUEST)
    if told_length(headers) is None:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
