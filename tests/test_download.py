from __future__ import annotations

import errno
import gc
import hashlib
import io
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from http.client import HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import pytest
from serving import Server

from stemfx import download as module
from stemfx import https
from stemfx.download import Remote, download, download_all
from stemfx.errors import DiskFullError, ModelError

BODY = bytes(range(256)) * 8000  # 2 MB: several pieces
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    running = Server()
    running.body = BODY
    yield running
    running.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models" / "weights.th"


def left(path: Path) -> set[str]:
    return {entry.name for entry in path.parent.iterdir()}


@pytest.mark.parametrize("sha256", [DIGEST, DIGEST.upper(), DIGEST[:8], None])
def test_a_download_is_the_file_and_leaves_nothing_else(
    server: Server, path: Path, sha256: str | None
) -> None:
    told: list[tuple[int, int]] = []
    given = download(
        server.url,
        path,
        sha256=sha256,
        size_bytes=len(BODY),
        progress=lambda *numbers: told.append(numbers),
    )
    assert given == path
    assert path.read_bytes() == BODY
    assert left(path) == {"weights.th"}
    assert told[0] == (0, len(BODY))
    assert told[-1] == (len(BODY), len(BODY))
    assert told == sorted(told)


@pytest.mark.parametrize("sha256", [DIGEST, DIGEST[:8]])
def test_what_is_whole_is_not_fetched_again(server: Server, path: Path, sha256: str) -> None:
    download(server.url, path, sha256=sha256)
    download(server.url, path, sha256=sha256)
    assert len(server.asked) == 1
    path.write_bytes(b"something else")
    download(server.url, path, sha256=sha256)
    assert path.read_bytes() == BODY


def test_a_connection_that_breaks_goes_on_where_it_stopped(server: Server, path: Path) -> None:
    server.breaks_after = [700_000, 500_000]
    download(server.url, path)
    assert path.read_bytes() == BODY
    assert [asked.get("Range") for asked in server.asked] == [
        None,
        "bytes=700000-",
        "bytes=1200000-",
    ]
    assert server.asked[1]["If-Range"] == '"one"'
    assert server.sent_bytes == len(BODY)  # no byte came twice


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EHOSTUNREACH, "No route to host"),
        OSError(errno.ENETUNREACH, "Network is unreachable"),
        ssl.SSLError(1, "record layer failure"),
        TimeoutError("timed out"),
        IncompleteRead(b""),
    ],
    ids=repr,
)
def test_whatever_breaks_a_connection_it_goes_on(
    server: Server, path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, failures = HTTPResponse.read, [error]

    def failing(answer: HTTPResponse, n: int) -> bytes:
        if failures and path.with_name("weights.th.part").stat().st_size >= 500_000:
            raise failures.pop()
        return read(answer, n)

    monkeypatch.setattr(HTTPResponse, "read", failing)
    download(server.url, path)
    assert path.read_bytes() == BODY
    kept = int(server.asked[1]["Range"].removeprefix("bytes=").rstrip("-"))
    assert kept >= 500_000


class Full(io.BufferedRandom):
    """A file on a disk that is full."""

    def __init__(self, fd: int, _mode: str) -> None:
        super().__init__(io.FileIO(fd, "r+"))

    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_be_written_is_not_fetched_again(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fdopen", Full)
    with pytest.raises(OSError, match="No space left"):
        download(server.url, path)
    assert len(server.asked) == 1


def interrupted(server: Server, path: Path, sha256: str | None = None) -> None:
    """Leave what a download leaves that breaks again and again."""
    server.breaks_after = [300_000] * module.TRIES
    with pytest.raises(ModelError, match="run the same command again to go on from there"):
        download(server.url, path, sha256=sha256)
    server.asked.clear()
    server.sent_bytes = 0


def test_an_interrupted_one_leaves_nothing_that_looks_whole_and_the_next_goes_on(
    server: Server, path: Path
) -> None:
    interrupted(server, path)
    assert left(path) == {"weights.th.part", "weights.th.part.json"}
    assert not list(path.parent.glob("*.th"))
    download(server.url, path)
    assert path.read_bytes() == BODY
    assert server.asked[0]["Range"] == "bytes=1500000-"
    assert server.sent_bytes == len(BODY) - 1_500_000
    assert left(path) == {"weights.th"}


def test_an_existing_file_stays_until_its_successor_is_whole(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"the old one")
    interrupted(server, path)
    assert path.read_bytes() == b"the old one"
    server.body = b"not it"
    with pytest.raises(ModelError, match="SHA-256"):
        download(server.url, path, sha256=DIGEST)
    assert path.read_bytes() == b"the old one"


def test_another_version_begins_anew(server: Server, path: Path) -> None:
    interrupted(server, path)
    server.body, server.etag = BODY[::-1], '"two"'
    download(server.url, path)
    assert path.read_bytes() == BODY[::-1]


def test_another_version_begins_anew_where_the_server_does_not_know_if_range(
    server: Server, path: Path
) -> None:
    interrupted(server, path)
    server.body, server.etag, server.knows_if_range = BODY[::-1], '"two"', False
    download(server.url, path)
    assert path.read_bytes() == BODY[::-1]


def test_a_server_without_ranges_begins_anew(server: Server, path: Path) -> None:
    interrupted(server, path)
    server.knows_ranges = False
    download(server.url, path)
    assert path.read_bytes() == BODY
    assert server.sent_bytes == len(BODY)


def test_without_a_version_only_a_hash_allows_to_go_on(server: Server, path: Path) -> None:
    server.etag = ""
    server.breaks_after = [300_000]
    download(server.url, path)
    assert [asked.get("Range") for asked in server.asked] == [None, None]
    path.unlink()
    server.asked.clear()
    server.breaks_after = [300_000]
    download(server.url, path, sha256=DIGEST)
    assert [asked.get("Range") for asked in server.asked] == [None, "bytes=300000-"]
    assert path.read_bytes() == BODY


def test_a_start_of_another_file_is_noticed_by_the_hash(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("weights.th.part").write_bytes(b"x" * 1000)
    download(server.url, path, sha256=DIGEST)
    assert path.read_bytes() == BODY


def test_all_but_the_last_step_was_done_before(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("weights.th.part").write_bytes(BODY)
    download(server.url, path, sha256=DIGEST)
    assert path.read_bytes() == BODY
    assert server.sent_bytes == 0
    # and longer than all of it: another file's
    path.rename(path.with_name("weights.th.part"))
    with path.with_name("weights.th.part").open("ab") as file:
        file.write(b"more")
    download(server.url, path, sha256=DIGEST)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("n_digits", [64, 8])
def test_a_wrong_hash_keeps_nothing(server: Server, path: Path, n_digits: int) -> None:
    with pytest.raises(ModelError, match=r"not the file that is wanted: its SHA-256 is .*nothing"):
        download(server.url, path, sha256="0" * n_digits)
    assert left(path) == {"weights.th.part"}
    assert path.with_name("weights.th.part").stat().st_size == 0


@pytest.mark.parametrize("says_length", [-1, None])
def test_nothing_larger_than_was_told_is_written(
    server: Server, path: Path, says_length: int | None
) -> None:
    server.says_length = says_length
    with pytest.raises(ModelError, match="expected"):
        download(server.url, path, sha256=DIGEST, size_bytes=1_000_000)
    assert not path.exists()
    assert path.with_name("weights.th.part").stat().st_size == 0


def test_all_files_together_are_no_larger_than_was_told(server: Server, path: Path) -> None:
    first, second, n = path, path.with_name("other.th"), len(BODY)
    files = {first: Remote(server.url), second: Remote(server.url)}  # nobody says how large each is
    with pytest.raises(ModelError, match=r"2 MB .* where at most 1 MB"):
        download_all(files, told_bytes=n * 3 // 2)
    assert not second.exists()
    assert sum(entry.stat().st_size for entry in path.parent.iterdir()) <= n * 3 // 2
    download_all(files, told_bytes=2 * n)
    assert first.read_bytes() == second.read_bytes() == BODY


def test_files_that_are_announced_larger_than_was_told_are_not_asked_for(
    server: Server, path: Path
) -> None:
    files = {path: Remote(server.url), path.with_name("other.th"): Remote(server.url, 10**9)}
    with pytest.raises(ModelError, match="has 1000000000 bytes now where 9000000 were told"):
        download_all(files, told_bytes=9_000_000)
    assert server.asked == []


def test_an_announced_length_that_is_too_short_gives_no_more_than_that(
    server: Server, path: Path
) -> None:
    server.says_length = 1000
    with pytest.raises(ModelError, match="SHA-256"):
        download(server.url, path, sha256=DIGEST)
    assert not path.exists()


def test_an_announced_length_that_is_too_long_is_never_whole(server: Server, path: Path) -> None:
    server.says_length = len(BODY) + 1
    server.knows_ranges = False
    with pytest.raises(ModelError, match="broke again and again"):
        download(server.url, path)
    assert not path.exists()


def test_without_length_and_hash_nobody_could_tell(server: Server, path: Path) -> None:
    server.says_length = None
    with pytest.raises(ModelError, match="does not say how long"):
        download(server.url, path)
    assert download(server.url, path, sha256=DIGEST).read_bytes() == BODY


def test_packed_bodies_are_refused(server: Server, path: Path) -> None:
    server.coding = "gzip"
    with pytest.raises(ModelError, match="packed"):
        download(server.url, path, sha256=DIGEST)


def test_a_full_disk_is_told_before_anything_is_fetched(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 8, 1))
    with pytest.raises(DiskFullError, match="2 MB are still to be fetched and 1 bytes are free"):
        download(server.url, path)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/w.th",  # neither encrypted nor this machine
        "http://127.0.0.1.example.org/w.th",
        "http://localhost@example.org/w.th",
        "file:///etc/passwd",
        "ftp://example.org/w.th",
        "data:,x",
        "w.th",
        "https:///w.th",
    ],
)
def test_only_https_is_asked(url: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ModelError, match="only https"):
        download(url, path)


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "ftp://example.org/w", "http://example.org/w.th", "data:,x"]
)
@pytest.mark.parametrize("header", ["Location", "URI"])  # urllib follows both
def test_a_redirect_leads_only_to_https(
    server: Server, path: Path, to: str, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, hosts = socket.create_connection, set()

    def watched(address: tuple[str, int], *more: Any, **named: Any) -> socket.socket:
        hosts.add(address[0])
        assert address[0] == "127.0.0.1", "what the redirect names was asked"
        return connect(address, *more, **named)

    monkeypatch.setattr(socket, "create_connection", watched)
    server.redirects_to, server.redirects_by = to, header
    with pytest.raises(ModelError, match=r"answers 302 \(.*only https is followed"):
        download(server.url, path)
    assert hosts == {"127.0.0.1"}
    assert not path.exists()


def test_https_never_leads_to_this_machine() -> None:
    assert not https._is_allowed("http://127.0.0.1/w", "https://example.org/w")
    assert https._is_allowed("https://cdn.example.org/w", "https://example.org/w")


def test_a_redirect_is_followed_and_a_circle_is_not(server: Server, path: Path) -> None:
    server.redirects_to = "/elsewhere"
    assert download(server.url, path, sha256=DIGEST).read_bytes() == BODY
    server.redirects_to = server.url
    with pytest.raises(ModelError, match="answers 302"):
        download(server.url, path.with_name("other"))


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_names_host_and_status(server: Server, path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(ModelError, match=rf"127\.0\.0\.1:\d+ answers {status}"):
        download(server.url, path)


def test_nobody_waits_for_a_server_that_says_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    monkeypatch.setattr(https, "ANSWER_S", 0.2)
    monkeypatch.setattr(https, "SILENCE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        with pytest.raises(ModelError, match="no answer from 127"):
            download(f"http://127.0.0.1:{mute.getsockname()[1]}/w.th", path)
        assert time.monotonic() - began < 2
    with pytest.raises(ModelError, match=r"no connection to 127\.0\.0\.1:9"):
        download("http://127.0.0.1:9/w.th", path)


def test_proxies_of_the_environment_are_asked(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An https address goes to the proxy as CONNECT, which this one does not know: 501.
    monkeypatch.setenv("https_proxy", server.url.removesuffix("/weights.th"))
    with pytest.raises(ModelError, match=r"no connection to weights\.invalid: Tunnel connection"):
        download("https://weights.invalid/w.th", path)
    # Before 3.11.4 http.client leaves the socket of a refused tunnel to the collector
    # (cpython issue 103472), and its warning would be an error in whatever test runs then.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.skipif(os.name == "nt", reason="file locks of POSIX")
def test_two_at_once_do_not_write_into_one_file(server: Server, path: Path) -> None:
    path.parent.mkdir()
    part = module._Part(server.url, path, 10**9, is_proven=True)
    with part.held(), pytest.raises(ModelError, match="another process is fetching it"):
        download(server.url, path, sha256=DIGEST)


@pytest.mark.skipif(os.name == "nt", reason="file locks of POSIX")
def test_a_whole_file_gets_its_name_before_another_process_may_write_into_it(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, tried = Path.replace, []

    def watched(part: Path, target: Path) -> Path:
        with pytest.raises(ModelError, match="another process is fetching it"):
            download(server.url, path, sha256=DIGEST)
        tried.append(part)
        return rename(part, target)

    monkeypatch.setattr(Path, "replace", watched)
    download(server.url, path)
    assert tried == [path.with_name("weights.th.part")]
    assert path.read_bytes() == BODY


@pytest.mark.skipif(os.name == "nt", reason="file locks of POSIX")
def test_a_file_that_became_whole_while_it_was_opened_stays_whole(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    path.parent.mkdir()
    part = path.with_name("weights.th.part")
    part.write_bytes(BODY)
    lock = fcntl.flock

    def late(file: Any, how: int) -> None:
        part.rename(path)  # by the process that had the lock until now
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(ModelError, match="another process is fetching it"):
        download(server.url, path)
    assert path.read_bytes() == BODY


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_leaves_a_part_from_which_the_next_goes_on(server: Server, path: Path) -> None:
    server.breaks_after = [900_000]
    code = (
        "import os, pathlib, signal, sys\n"
        "from stemfx.download import download\n"
        "def stop(n, total):\n"
        "    if n >= 500_000: os.kill(os.getpid(), signal.SIGINT)\n"
        f"download({server.url!r}, pathlib.Path({str(path)!r}), progress=stop)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in done.stderr
    assert not path.exists()
    kept = path.with_name("weights.th.part").stat().st_size
    assert kept >= 500_000
    server.asked.clear()
    download(server.url, path)
    assert server.asked[0]["Range"] == f"bytes={kept}-"
    assert path.read_bytes() == BODY
