"""Ask a server for something: only over https, and never longer than somebody waits."""

from __future__ import annotations

import http
import ipaddress
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from stemfx import __version__
from stemfx.errors import ModelError

ANSWER_S = 10.0  # for the name, the connection and the first line of the answer
SILENCE_S = 20.0  # between two pieces of the body


def ask(
    url: str, headers: Mapping[str, str] | None = None, *, answer_s: float | None = None
) -> Any:
    """Send a request and return the answer (an `http.client.HTTPResponse`); close it afterwards.

    Proxies of the environment are honoured; redirects are followed as long as they are https.
    Plain http is for this machine alone. That there is no such stretch (416) is an answer too.

    Raises:
        ModelError: it is no https address, no answer came in `answer_s`, or a refusal.
    """
    if not _is_allowed(url, url):
        raise ModelError("only https addresses are fetched from", where=url)
    host = urllib.parse.urlsplit(url).netloc
    answer_s = ANSWER_S if answer_s is None else answer_s
    answer = _sent(urllib.request.Request(url, headers=dict(headers or {})), answer_s)  # noqa: S310  checked
    if answer is None:
        raise ModelError(f"no answer from {host} within {answer_s:g} s", where=url)
    if isinstance(answer, urllib.error.HTTPError):
        if answer.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return answer
        answer.close()
        is_redirect = answer.code // 100 == 3
        told = f"{answer.reason}, and only https is followed" if is_redirect else answer.reason
        raise ModelError(f"{host} answers {answer.code} ({told})", where=url)
    if isinstance(answer, Exception):
        raise ModelError(f"no connection to {host}{_detail(answer)}", where=url)
    return answer


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to where a download may go."""

    max_redirections = 5

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not _is_allowed(newurl, req.full_url):
            raise urllib.error.HTTPError(req.full_url, code, f"redirects to {newurl}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_allowed(url: str, asked_from: str) -> bool:
    """Say whether a download may go to `url`: https, or http from this machine to itself."""
    to = urllib.parse.urlsplit(url)
    if to.scheme == "https":
        return bool(to.hostname)
    return to.scheme == "http" and all(
        _is_loopback(urllib.parse.urlsplit(one).hostname) for one in (url, asked_from)
    )


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _sent(request: urllib.request.Request, answer_s: float) -> Any:
    """Return the answer, the error, or None when none of them came in time.

    In a thread of its own, since looking up a name cannot be given a time limit.
    """
    request.add_header("User-Agent", f"stemfx/{__version__}")
    opener = urllib.request.OpenerDirector()  # not the usual one, which also opens files
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
    ):
        opener.add_handler(handler())
    answers: list[Any] = []
    lock, given_up = threading.Lock(), threading.Event()

    def call() -> None:
        answer: Any
        try:
            answer = opener.open(request, timeout=SILENCE_S)
        except Exception as error:  # noqa: BLE001 - it is told, and the thread must not print
            answer = error
        with lock:
            if given_up.is_set() and hasattr(answer, "close"):
                answer.close()
            answers.append(answer)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    try:
        thread.join(answer_s)
    finally:
        with lock:
            given_up.set()
    return answers[0] if answers else None


def _detail(error: Exception) -> str:
    """Return what "no connection" does not say yet: a proxy, a certificate."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, socket.gaierror | TimeoutError | ConnectionError):
        return ""
    return f": {reason_of(cause)}"


def reason_of(error: object) -> str:
    """Return an error in one line, as the system words it."""
    with suppress(AttributeError):
        if strerror := error.strerror:  # type: ignore[attr-defined]
            return str(strerror)
    return str(error).strip().partition("\n")[0] or type(error).__name__
