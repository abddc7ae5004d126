from __future__ import annotations

import hashlib
import http.server
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_sources import CONTENT, archived, files_of, names_in, tar, text

from detectnet.errors import UserError
from detectnet.sources.download import download
from detectnet.sources.fetch import fetch


class _Server(http.server.ThreadingHTTPServer):
    """Serves ``content``; answers ranges when ``ranges``; hangs up after each number of ``cuts`` bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.ranges, self.cuts = content, True, []
        self.seen: list[str | None] = []
        self.failures = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.seen.append(asked)
        if self.server.failures:
            self.server.failures -= 1
            self.send_error(503)
            return
        if not self.path.endswith(("made.tar", "made%20it.tar")):
            self.send_error(404)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.ranges else 0
        if start and start >= len(self.server.content):
            self.send_error(416)
            return
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    content = os.urandom(3_000_000)
    made = _Server(content)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def _hash(server: _Server) -> str:
    return hashlib.sha256(server.content).hexdigest()


def test_an_interrupted_download_goes_on(tmp_path: Path, server: _Server) -> None:
    server.cuts = [1_000_000, 500_000]
    download(f"{server.url}/made.tar", tmp_path / "made.tar", _hash(server), pause=0)
    assert (tmp_path / "made.tar").read_bytes() == server.content
    assert server.seen == [None, "bytes=1000000-", "bytes=1500000-"]
    assert names_in(tmp_path) == ["made.tar"]


def test_a_later_run_goes_on_where_the_first_was_stopped(tmp_path: Path, server: _Server) -> None:
    text(tmp_path / "made.tar.part", server.content[:2_000_000])
    download(f"{server.url}/made.tar", tmp_path / "made.tar", _hash(server), pause=0)
    assert (tmp_path / "made.tar").read_bytes() == server.content
    assert server.seen == ["bytes=2000000-"]


def test_a_server_without_ranges_starts_again(tmp_path: Path, server: _Server) -> None:
    server.ranges = False
    text(tmp_path / "made.tar.part", server.content[:2_000_000])
    download(f"{server.url}/made.tar", tmp_path / "made.tar", _hash(server), pause=0)
    assert (tmp_path / "made.tar").read_bytes() == server.content


@pytest.mark.parametrize("begun", [b"older" * 1000, os.urandom(3_000_001)])
def test_the_beginning_of_another_file_is_thrown_away(tmp_path: Path, server: _Server, begun: bytes) -> None:
    text(tmp_path / "made.tar.part", begun)
    download(f"{server.url}/made.tar", tmp_path / "made.tar", _hash(server), pause=0)
    assert (tmp_path / "made.tar").read_bytes() == server.content


def test_a_whole_part_is_only_checked(tmp_path: Path, server: _Server) -> None:
    text(tmp_path / "made.tar.part", server.content)
    download(f"{server.url}/made.tar", tmp_path / "made.tar", _hash(server), pause=0)
    assert server.seen == ["bytes=3000000-"]


def test_a_busy_server_is_asked_again(tmp_path: Path, server: _Server) -> None:
    server.failures = 3
    download(f"{server.url}/made.tar", tmp_path / "made.tar", _hash(server), pause=0)
    assert len(server.seen) == 4


def test_a_download_that_keeps_ending_early_fails_and_can_go_on(tmp_path: Path, server: _Server) -> None:
    server.cuts = [10] * 5
    with pytest.raises(UserError, match=r"keeps failing .*ended after 10 of"):
        download(f"{server.url}/made.tar", tmp_path / "made.tar", _hash(server), pause=0)
    assert (tmp_path / "made.tar.part").read_bytes() == server.content[:50]
    assert not (tmp_path / "made.tar").exists()


def test_wrong_files_and_missing_files_of_a_server(tmp_path: Path, server: _Server) -> None:
    with pytest.raises(UserError, match=f"sha256 is {_hash(server)}, sha256 is {'1' * 64}"):
        download(f"{server.url}/made.tar", tmp_path / "made.tar", "1" * 64, pause=0)
    with pytest.raises(UserError, match="404"):
        download(f"{server.url}/other", tmp_path / "other", "1" * 64, pause=0)
    assert names_in(tmp_path) == []


def test_a_mirror_may_be_a_url(tmp_path: Path, server: _Server) -> None:
    path = tar(tmp_path / "made it.tar", list(CONTENT.items()))
    server.content = path.read_bytes()
    fetch(archived(path), tmp_path / "raw/made", f"{server.url}/", tmp_path / "archives")
    assert sorted(files_of(tmp_path / "raw/made")) == ["LICENSE", "images/a#1 =b.jpg"]
    assert names_in(tmp_path / "archives") == ["made it.tar"]
    seen = len(server.seen)
    fetch(archived(path), tmp_path / "raw/made", f"{server.url}/", tmp_path / "archives")
    assert len(server.seen) == seen
