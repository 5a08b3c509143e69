"""Who gets an answer from a served page: the page itself and nobody else, whatever they send."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stemfx.errors import UsageError
from stemfx.page.making import Copy
from stemfx.recipe.model import Knob
from stemfx.ui import Desk, PageServer, ServedPage, empty_page, serving
from stemfx.ui import server as server_module


class Recipe:
    """What a desk reads of a recipe."""

    knobs = {  # noqa: RUF012
        "vocal_db": Knob("vocal_db", 1.5, -12.0, 12.0, "dB", "level", "r.yaml:3:3"),
        "quiet": Knob("quiet", False, None, None, "", "", "r.yaml:4:3"),
    }


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "copy").write_bytes(b"onetwo")
    made = Desk(empty_page("r.yaml"), lambda settings: f"stemfx run r.yaml {dict(settings)}")
    made.settings(Recipe())  # type: ignore[arg-type]
    copies = {"p1": Copy(tmp_path / "copy", (3, 6))}
    made.publish(ServedPage({"title": "T"}, b"<!doctype html>T", copies))
    return made


@pytest.fixture(scope="module")
def running() -> Iterator[PageServer]:
    made = PageServer(Desk(empty_page(""), str))
    with serving(made):
        yield made


@pytest.fixture
def server(running: PageServer, desk: Desk) -> PageServer:
    running.desk = desk
    return running


def ask(
    server: PageServer,
    path: str = "",
    method: str = "GET",
    body: bytes | None = None,
    **headers: str | None,
) -> tuple[int, bytes, dict[str, str]]:
    """Ask as the page does, but for the headers given (None leaves one out)."""
    port = server.guard.port
    own: dict[str, str | None] = {"host": f"127.0.0.1:{port}", "sec-fetch-site": "same-origin"}
    if method == "POST":
        length = str(len(body or b""))
        own |= {"origin": f"http://127.0.0.1:{port}", "content-type": "application/json"}
        own |= {"content-length": length}
    own |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        whole = path if path.startswith("/") else f"/{server.guard.token}/{path}"
        connection.putrequest(method, whole, skip_host=True, skip_accept_encoding=True)
        for name, value in own.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def turn(server: PageServer, values: Any, **headers: str | None) -> tuple[int, dict[str, Any]]:
    status, body, _ = ask(server, "params", "POST", json.dumps(values).encode(), **headers)
    return status, json.loads(body) if body.startswith(b"{") else {}


def test_the_page_gets_itself_its_data_and_its_sound(server: PageServer) -> None:
    assert ask(server)[:2] == (200, b"<!doctype html>T")
    assert json.loads(ask(server, "data")[1]) == {"title": "T"}
    assert ask(server, "audio/1/p1/1")[:2] == (200, b"two")
    for wrong in ("audio/1/p1/2", "audio/1/p2/0", "audio/2/p1/0", "audio/0/p1/0"):
        assert ask(server, wrong)[0] == 404


@pytest.mark.parametrize("path", ["", "data", "audio/1/p1/0", "params", "nothing"])
def test_every_answer_carries_what_keeps_it_to_itself(server: PageServer, path: str) -> None:
    headers = ask(server, path)[2]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert not [name for name in headers if name.startswith("access-control")]
    assert "python" not in headers["server"].lower()


def test_it_listens_on_this_machine_only_and_its_token_is_new_each_time(desk: Desk) -> None:
    one, other = PageServer(desk), PageServer(desk)
    try:
        assert one.server_address[0] == "127.0.0.1"
        assert one.guard.token != other.guard.token
        assert len(one.guard.token) >= 43  # 256 bits in base64
    finally:
        one.server_close()
        other.server_close()


def test_no_token_but_the_whole_one_opens_anything(server: PageServer) -> None:
    token = server.guard.token
    for path in (
        *("/", "//", f"/{token}", f"/{token[:-1]}/", f"/{token}x/", f"/{token.swapcase()}/"),
        *(f"/x/{token}/", f"/{token}//", f"/{token}/?a", f"/data?{token}", "/\xff/"),
    ):
        sent = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.guard.port}\r\n\r\n"
        assert raw(server, sent.encode("latin-1")).startswith(b"HTTP/1.0 404"), path


def test_an_invitation_leads_to_the_page_once(server: PageServer) -> None:
    path = f"/{server.invitation.rpartition('/')[2]}"
    assert server.guard.token not in path
    assert ask(server, path, host="evil.example")[0] == 421
    assert ask(server, path, "POST", b"{}")[0] == 404
    status, _, headers = ask(server, path, sec_fetch_site="none")
    assert (status, headers["location"]) == (303, server.url)
    for spent in (path, "/"):
        assert ask(server, spent, sec_fetch_site="none")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        *("audio/1/../../etc/passwd", "audio/1/p1/../0", "audio/1/..%2f..%2fcopy/0", "../copy"),
        *("audio/1/copy/0", "audio/1/%70%31/0", "audio/1/p1/-1", "audio/1/p1/0x0", "audio/1/p1/٣"),
        *("audio/1//0", "audio/1/p1/0/", "audio/1/p1/9999999", "data/..", "live.js", "params"),
    ],
)
def test_no_path_reaches_a_file(server: PageServer, path: str) -> None:
    port, token = server.guard.port, server.guard.token
    answer = raw(server, f"GET /{token}/{path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.0 404")
    assert answer.endswith(b"\r\n\r\nNot Found\n")  # of what was sent nothing comes back


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{}", 200),
        ("LocalHost:{}", 200),
        ("evil.example:{}", 421),
        ("127.0.0.1.evil.example:{}", 421),
        ("127.0.0.1", 421),
        ("localhost", 421),
        ("127.0.0.1:1", 421),
        ("[::1]:{}", 421),
        ("", 421),
        (None, 421),
    ],
)
def test_another_name_for_this_machine_is_refused(
    server: PageServer, host: str | None, status: int
) -> None:
    assert ask(server, host=host and host.format(server.guard.port))[0] == status


def test_two_hosts_are_refused(server: PageServer) -> None:
    port, token = server.guard.port, server.guard.token
    sent = f"GET /{token}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n"
    assert raw(server, sent.encode()).startswith(b"HTTP/1.0 421")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://{}", "http://{}.evil"])
def test_another_page_can_neither_read_nor_turn(server: PageServer, origin: str) -> None:
    origin = origin.format(f"127.0.0.1:{server.guard.port}")
    assert ask(server, "data", origin=origin)[0] == 403
    assert turn(server, {"vocal_db": 3}, origin=origin)[0] == 403
    assert not server.desk.turned.is_set()


def test_a_request_that_hides_where_it_comes_from_turns_nothing(server: PageServer) -> None:
    assert turn(server, {"vocal_db": 3}, origin=None)[0] == 403
    assert turn(server, {"vocal_db": 3}, sec_fetch_site="cross-site")[0] == 403
    assert turn(server, {"vocal_db": 3}, sec_fetch_site="none")[0] == 403
    assert ask(server, "data", sec_fetch_site="same-site")[0] == 403
    assert ask(server, "", sec_fetch_site="none")[0] == 200  # typed into the address bar
    localhost = f"http://localhost:{server.guard.port}"
    assert turn(server, {"vocal_db": 3}, origin=localhost)[0] == 403  # of another host's page
    assert not server.desk.turned.is_set()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"content_type": "text/plain"}, 415),
        (b"{}", {"content_type": None}, 415),
        (b"{}", {"content_length": None}, 411),
        (b"{}", {"content_length": "-1"}, 400),
        (b"{}", {"content_length": "+2"}, 400),
        (b"{}", {"content_length": "99999999999999"}, 413),
        (b"{}", {"transfer_encoding": "chunked"}, 411),
        (b" " * 70_000, {}, 413),
        (b"[" * 60_000, {}, 400),
        (b"[1]", {}, 400),
        (b"{", {}, 400),
        (b"\xff", {}, 400),
        (b'{"vocal_db": NaN}', {}, 400),
        (b'{"vocal_db": ' + b"9" * 5000 + b"}", {}, 400),
    ],
)
def test_what_is_no_small_json_is_refused(
    server: PageServer, body: bytes, headers: dict[str, str], status: int
) -> None:
    try:
        assert ask(server, "params", "POST", body, **headers)[0] == status
    except ConnectionError:  # it hung up while the rest was being sent
        assert status == 413
    assert not server.desk.turned.is_set()


def raw(server: PageServer, sent: bytes, wait_s: float = 5) -> bytes:
    with socket.create_connection(("127.0.0.1", server.guard.port), timeout=wait_s) as connection:
        received = b""
        try:
            connection.sendall(sent)
            while piece := connection.recv(65_536):
                received += piece
        except ConnectionError:
            pass
        return received


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "CONNECT", "<b>"])
def test_other_methods_are_not_known(server: PageServer, method: str) -> None:
    port, token = server.guard.port, server.guard.token
    sent = f"{method} /{token}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    answer = raw(server, sent)
    assert answer.startswith((b"HTTP/1.0 501", b"HTTP/1.0 400"))
    assert b"<b>" not in answer


def test_headers_without_end_and_long_lines_are_cut_off(server: PageServer) -> None:
    many = b"GET / HTTP/1.1\r\n" + b"".join(b"a%d: b\r\n" % k for k in range(200))
    assert raw(server, many + b"\r\n").startswith(b"HTTP/1.0 431")
    assert b" 200 " not in raw(server, b"GET /" + b"a" * 200_000)
    assert b" 200 " not in raw(server, b"GET / HTTP/1.1\r\na: " + b"a" * 200_000)


def test_a_request_that_trickles_in_is_given_up(
    server: PageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "REQUEST_S", 0.3)
    with socket.create_connection(("127.0.0.1", server.guard.port), timeout=5) as connection:
        began_s = time.monotonic()
        connection.sendall(b"GET / HTTP/1.1\r\n")
        connection.settimeout(0.05)
        while time.monotonic() - began_s < 5:
            try:
                connection.sendall(b"a")  # a byte at a time keeps each wait short
                if connection.recv(10) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - began_s < 2


def test_so_many_connections_at_a_time_and_room_again_when_they_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 3)
    server = PageServer(desk)
    with serving(server):
        address = ("127.0.0.1", server.guard.port)
        idle = [socket.create_connection(address, timeout=5) for _ in range(3)]
        try:
            with socket.create_connection(address, timeout=5) as further:
                assert further.recv(1) == b""
        finally:
            for one in idle:
                one.close()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                assert ask(server)[0] == 200
                break
            except (ConnectionError, http.client.HTTPException):
                time.sleep(0.02)
        else:
            pytest.fail("no room")


class Listener:
    """Reads the events of a page."""

    def __init__(self, server: PageServer) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.guard.port), timeout=5)
        head = (
            f"GET /{server.guard.token}/events HTTP/1.1\r\nHost: {{}}:{server.guard.port}\r\n\r\n"
        )
        self._socket.sendall(head.format("localhost").encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass

    def next(self) -> tuple[str, dict[str, Any]]:
        name = self._file.readline().decode().removeprefix("event: ").strip()
        data = json.loads(self._file.readline().removeprefix(b"data: "))
        assert self._file.readline() == b"\n"
        return name, data

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def test_a_page_is_told_the_state_at_once_and_what_becomes_of_it(server: PageServer) -> None:
    page = Listener(server)
    assert page.next()[0] == "rendered"
    server.desk.begin()
    server.desk.progress("mix", 0.25)
    seen = [page.next()]
    while seen[-1][1]["step"] != "mix":
        seen.append(page.next())
    assert (seen[-1][0], seen[-1][1]["share"]) == ("rendering", 0.25)
    server.desk.fault("r.yaml:3:1: <b>no</b>")
    name, told = page.next()
    assert (name, told["message"]) == ("fault", "r.yaml:3:1: <b>no</b>")
    assert told["version"] == 1
    page.close()


def test_pages_that_went_away_make_room_for_others(
    server: PageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_LOOK_S", 0.05)
    monkeypatch.setattr(server, "streams", threading.BoundedSemaphore(1))
    first, second = Listener(server), Listener(server)
    assert (first.status, second.status) == (200, 503)
    first.close()
    deadline = time.monotonic() + 5
    while second.status != 200:
        assert time.monotonic() < deadline
        second.close()
        time.sleep(0.02)
        second = Listener(server)
    second.close()


def test_a_knob_is_turned_within_its_range_or_one_sentence_says_why(server: PageServer) -> None:
    status, told = turn(server, {"vocal_db": -3.5, "quiet": True})
    assert status == 200
    assert told["settings"] == {"vocal_db": "-3.5", "quiet": "true"}
    assert "-3.5" in told["command"]
    assert server.desk.turned.is_set()
    for values, words in [
        ({"vocal_db": 13}, "vocal_db: 13 dB is outside [-12, 12] dB"),
        ({"vocal_db": "loud"}, "vocal_db: expects a number"),
        ({"quiet": 1}, "quiet: expects true or false"),
        ({"vocal_dB": 1}, "did you mean 'vocal_db'"),
        ({"vocal_db": [1]}, "a knob takes a number, true or false, or a text"),
        ({"quiet": False, "vocal_db": 99}, "outside"),
    ]:
        status, told = turn(server, values)
        assert status == 422
        assert words in told["error"]
        assert "\n" not in told["error"]
    assert server.desk.wait(-1, 0)[1].settings == {"vocal_db": "-3.5", "quiet": "true"}
    assert turn(server, {"quiet": None})[1]["settings"] == {"vocal_db": "-3.5"}


def test_a_port_in_use_is_one_sentence(server: PageServer) -> None:
    with pytest.raises(UsageError, match=r"port \d+ is in use; give another one"):
        PageServer(server.desk, server.guard.port)


def test_it_ends_at_once_while_pages_listen(desk: Desk) -> None:
    server = PageServer(desk)
    with serving(server):
        page = Listener(server)
        page.next()
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 2
    page.close()
