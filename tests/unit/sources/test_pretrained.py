"""Fetching the weights that a training starts from: a file, the mirror, a server on this machine."""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from detectnet.errors import UserError
from detectnet.files import sha256
from detectnet.sources.pretrained import fetch_pretrained

ROOT = Path(__file__).resolve().parents[3]
CONTENT = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 50


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "served" / "resnet 18.hdf5"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def server(stored: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(stored.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def by_url(url: str, stored: Path) -> dict[str, str]:
    return {"url": url, "sha256": sha256(stored)}


def test_a_file_of_this_machine_is_copied(stored: Path, tmp_path: Path) -> None:
    out = tmp_path / "pretrained" / "start.hdf5"
    fetch_pretrained({"file": str(stored)}, out)
    assert out.read_bytes() == CONTENT
    fetch_pretrained({"file": str(stored), "sha256": sha256(stored)}, out)
    assert [one.name for one in out.parent.iterdir()] == ["start.hdf5"]


def test_a_file_with_another_hash_is_refused(stored: Path, tmp_path: Path) -> None:
    out = tmp_path / "start.hdf5"
    with pytest.raises(UserError, match=f"sha256 is {sha256(stored)}, pretrained.sha256 is 000"):
        fetch_pretrained({"file": str(stored), "sha256": "0" * 64}, out)
    with pytest.raises(UserError, match="does not exist"):
        fetch_pretrained({"file": str(tmp_path / "none.hdf5")}, out)
    assert not out.exists()


def test_a_server_is_asked(server: str, stored: Path, tmp_path: Path) -> None:
    out = tmp_path / "pretrained" / "start.hdf5"
    fetch_pretrained(by_url(f"{server}/resnet%2018.hdf5", stored), out)
    assert out.read_bytes() == CONTENT


def test_the_mirror_comes_first(stored: Path, tmp_path: Path) -> None:
    out = tmp_path / "pretrained" / stored.name
    # The port is closed: a request would fail.
    fetch_pretrained(by_url("http://127.0.0.1:9/resnet.hdf5", stored), out, str(stored.parent))
    assert out.read_bytes() == CONTENT


def test_a_mirror_with_another_file_is_passed_over(server: str, stored: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "start.hdf5").write_bytes(b"older")
    out = tmp_path / "pretrained" / "start.hdf5"
    fetch_pretrained(by_url(f"{server}/resnet%2018.hdf5", stored), out, str(mirror))
    assert out.read_bytes() == CONTENT


def test_a_file_that_no_place_has_is_an_error_with_all_places(stored: Path, tmp_path: Path) -> None:
    out = tmp_path / "pretrained" / "start.hdf5"
    missing = by_url((tmp_path / "none.hdf5").as_uri(), stored)
    (tmp_path / "mirror").mkdir()
    with pytest.raises(UserError, match=r"start\.hdf5.*no such file.*pretrained\.file") as caught:
        fetch_pretrained(missing, out, str(tmp_path / "mirror"))
    assert "none.hdf5" in str(caught.value) and str(tmp_path / "mirror") in str(caught.value)
    assert not out.exists()


def test_a_file_with_the_wrong_hash_is_not_kept(server: str, tmp_path: Path) -> None:
    out = tmp_path / "pretrained" / "start.hdf5"
    wrong = {"url": f"{server}/resnet%2018.hdf5", "sha256": "0" * 64}
    with pytest.raises(UserError, match=r"pretrained\.sha256 is 000"):
        fetch_pretrained(wrong, out)
    assert not list(out.parent.iterdir())


def test_the_script_needs_a_hash_for_an_address() -> None:
    command = [
        sys.executable,
        "scripts/fetch_pretrained.py",
        "--url",
        "http://127.0.0.1:9/a.hdf5",
        "--out",
        "a",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--url needs --sha256" in done.stderr
