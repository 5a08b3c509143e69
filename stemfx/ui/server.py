"""Hands the page of a desk to a browser on this machine; see `guard` for who else gets nothing.

No path of a request touches the file system: what can be asked for is in memory, or found in the
cache by the number of a point. A request is small, comes within seconds, and there are only so many
at a time.
"""

from __future__ import annotations

import errno
import io
import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from stemfx.errors import UsageError
from stemfx.shown import json_text
from stemfx.ui.desk import Desk, KnobFaultError, state_json
from stemfx.ui.guard import MAX_BODY_BYTES, Guard, RefusedError, Route, check_body, told_length

ADDRESS = "127.0.0.1"
MAX_CONNECTIONS = 48
MAX_STREAMS = 16
"""Pages that may listen at a time; each of them is one of the connections."""

MAX_HEAD_BYTES = 32_768
REQUEST_S = 10.0
"""Seconds that a request may take to arrive, however slowly it trickles, and an answer to go."""

EVENT_INTERVAL_S = 0.1
_LOOK_S = 1.0  # how often a stream looks whether its page is gone

_ON_EVERY_ANSWER = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_PAGE = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Both hold: this, and the page's own, which allows no script but those it names by their hash."""


class PageServer(ThreadingHTTPServer):
    """Serves a desk on this machine.

    Args:
        desk: what is served.
        port: 0 for any that is free.

    Raises:
        UsageError: the port cannot be had.
    """

    daemon_threads = True
    # Windows would let another program listen at the same port.
    allow_reuse_address = os.name == "posix"
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, desk: Desk, port: int = 0) -> None:
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            is_taken = error.errno == errno.EADDRINUSE
            reason = "is in use" if is_taken else f"cannot be had ({error.strerror or error})"
            raise UsageError(
                f"port {port} {reason}; give another one, or leave --port out for a free one",
                where="--port",
            ) from None
        self.desk = desk
        self.guard = Guard(self.server_address[1])
        self.streams = threading.BoundedSemaphore(MAX_STREAMS)
        self.is_closing = threading.Event()
        self._connections = threading.BoundedSemaphore(MAX_CONNECTIONS)

    @property
    def url(self) -> str:
        """The address of the page; whoever has it can use it."""
        return f"http://{ADDRESS}:{self.guard.port}/{self.guard.token}/"

    @property
    def invitation(self) -> str:
        """The address to start a browser with: it leads to the page once (see `guard`)."""
        return f"http://{ADDRESS}:{self.guard.port}/{self.guard.invitation}"

    def server_bind(self) -> None:
        """Bind without asking a name server who this is, as HTTPServer would."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, unless there are too many."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that hangs up; anything else is a bug, for the terminal."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: PageServer) -> Iterator[None]:
    """Serve in the background while the block runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.is_closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Incoming(io.RawIOBase):
    """What a client sends, up to a number of bytes and of seconds."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._bytes_left = MAX_HEAD_BYTES + MAX_BODY_BYTES
        self._ends_s = time.monotonic() + REQUEST_S

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._ends_s - time.monotonic()
        if left_s <= 0 or self._bytes_left <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        with memoryview(buffer) as view:
            n_bytes = self._connection.recv_into(view[: self._bytes_left])
        self._bytes_left -= n_bytes
        return n_bytes


class _Handler(BaseHTTPRequestHandler):
    """Answers one request and hangs up (HTTP/1.0): no connection waits for a second one."""

    server: PageServer
    server_version = "stemfx"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Incoming(self.connection))

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        # Before all else: to hang up on what was not read would lose the answer, a refusal too.
        length = told_length(self.headers)
        self._body = self.rfile.read(length) if length else b""
        try:
            route = self.server.guard.route(self.command, self.path, self.headers)
            self.connection.settimeout(REQUEST_S)
            getattr(self, f"_{route.name}")(route)
        except RefusedError as refused:
            self.send_error(refused.status)
        except OSError:
            raise
        except Exception:  # the answer to a bug names no file and no line
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            raise

    # --- what there is -----------------------------------------------------------------------

    def _welcome(self, _: Route) -> None:
        self._head(HTTPStatus.SEE_OTHER, "text/plain", _NOTHING, 0, Location=self.server.url)

    def _page(self, _: Route) -> None:
        self._send(self.server.desk.newest.html, "text/html; charset=utf-8", policy=_PAGE)

    def _data(self, _: Route) -> None:
        self._send_json(self.server.desk.newest.data)

    def _audio(self, route: Route) -> None:
        page = self.server.desk.page(route.version)
        content = None if page is None else page.audio(route.point, route.segment)
        if content is None:
            raise RefusedError(HTTPStatus.NOT_FOUND)
        self._send(content, "audio/ogg")

    def _params(self, _: Route) -> None:
        check_body(self.headers)
        try:
            values = json.loads(self._body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise RefusedError(HTTPStatus.BAD_REQUEST) from None
        if not isinstance(values, dict):
            raise RefusedError(HTTPStatus.BAD_REQUEST)
        try:
            state = self.server.desk.turn(values)
        except KnobFaultError as fault:
            self._send_json({"error": str(fault)}, HTTPStatus.UNPROCESSABLE_ENTITY)
        else:
            self._send_json(state_json(state))

    def _events(self, _: Route) -> None:
        """Tell the state at once and whenever it changes, as server-sent events (HTML standard)."""
        if not self.server.streams.acquire(blocking=False):
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            self._head(HTTPStatus.OK, "text/event-stream", _NOTHING)
            serial = -1
            while not self.server.is_closing.is_set() and not self._is_gone():
                seen, state = self.server.desk.wait(serial, _LOOK_S)
                if seen != serial:
                    serial = seen
                    text = json_text(state_json(state))
                    self.wfile.write(f"event: {state.phase}\ndata: {text}\n\n".encode())
                    self.server.is_closing.wait(EVENT_INTERVAL_S)
        finally:
            self.server.streams.release()

    def _is_gone(self) -> bool:
        """Tell whether the page has hung up: it sends nothing more, so what comes is the end."""
        return bool(select.select([self.connection], [], [], 0)[0])

    # --- how it is sent ----------------------------------------------------------------------

    def _send_json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json_text(value).encode(), "application/json", status)

    def _send(
        self,
        content: bytes,
        kind: str,
        status: HTTPStatus = HTTPStatus.OK,
        *,
        policy: str = _NOTHING,
    ) -> None:
        self._head(status, kind, policy, len(content))
        self.wfile.write(content)

    def _head(
        self,
        status: HTTPStatus,
        kind: str,
        policy: str,
        n_bytes: int | None = None,
        **more: str,
    ) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Security-Policy": policy, **_ON_EVERY_ANSWER}
        headers |= more
        if n_bytes is not None:
            headers["Content-Length"] = str(n_bytes)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with nothing but a status; what a stranger has sent is not sent back."""
        del message, explain
        status = HTTPStatus(code)
        with suppress(OSError):
            self._send(f"{status.phrase}\n".encode(), "text/plain; charset=utf-8", status)

    def log_message(self, *_: object) -> None:
        """Write no log: it would hold the token."""


def _no_constant(name: str) -> None:
    raise ValueError(name)
