"""A web server on this machine with the manners that a test wants."""

from __future__ import annotations

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """A server on this machine whose manners a test chooses; keeps what it was asked."""

    def __init__(self) -> None:
        self.body = b""
        self.others: dict[str, bytes] = {}  # by path, beside /weights.th
        self.etag = '"one"'
        self.knows_ranges = True
        self.knows_if_range = True
        self.says_length: int | None = -1  # -1: the true one
        self.breaks_after: list[int] = []  # bytes of each answer in turn, before it hangs up
        self.redirects_to = ""
        self.redirects_by = "Location"  # the header
        self.coding = ""
        self.cuts_chunks = False  # hangs up in the middle of a chunk
        self.status = 200
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.sent_bytes = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                server.answer(self)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.root = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.url = f"{self.root}/weights.th"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(dict(handler.headers))
        self.paths.append(handler.path)
        if self.redirects_to and handler.path == "/weights.th":
            handler.send_response(302)
            handler.send_header(self.redirects_by, self.redirects_to)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if self.status != 200:
            handler.send_error(self.status)
            return
        whole = self.others.get(handler.path, self.body)
        start = self._start(handler)
        if start > len(whole) or (start and start == len(whole)):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(whole)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = whole[start:]
        handler.send_response(206 if start else 200)
        if start:
            last = len(whole) - 1
            handler.send_header("Content-Range", f"bytes {start}-{last}/{len(whole)}")
        if self.says_length is not None:
            told = len(body) if self.says_length == -1 else self.says_length
            handler.send_header("Content-Length", str(told))
        if self.etag:
            handler.send_header("ETag", self.etag)
        if self.coding:
            handler.send_header("Content-Encoding", self.coding)
        if self.cuts_chunks:
            handler.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n" % (len(body) + 1) + body
        handler.end_headers()
        body = body[: self.breaks_after.pop(0)] if self.breaks_after else body
        self.sent_bytes += len(body)
        with suppress(ConnectionError):  # the other side has seen enough
            handler.wfile.write(body)

    def _start(self, handler: BaseHTTPRequestHandler) -> int:
        asked = handler.headers.get("Range")
        version = handler.headers.get("If-Range", self.etag)
        if not asked or not self.knows_ranges or (self.knows_if_range and version != self.etag):
            return 0
        return int(asked.removeprefix("bytes=").rstrip("-"))
