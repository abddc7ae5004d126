"""Downloads that go on where they stopped and are checked when they are whole."""

from __future__ import annotations

import http.client
import math
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from detectnet.errors import UserError
from detectnet.files import sha256
from detectnet.logs import log, progress

CHUNK = 1 << 20  # bytes
ATTEMPTS = 5
TIMEOUT = 60  # seconds without a byte


def download(url: str, path: Path, expected: str, field: str = "sha256", pause: float = 2.0) -> None:
    """Download ``url`` to ``path``; ``path.part`` holds what has come so far and survives a stop.

    Args:
        url: http, https or file.
        path: appears only when the file is whole.
        expected: hex sha256 of the file.
        field: where ``expected`` stands in the config.
        pause: seconds before a second attempt; doubled before each further one.

    Raises:
        UserError: there is no such file, the network keeps failing, or the hash is another one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    resumed = part.exists() and part.stat().st_size > 0
    _complete(url, part, pause)
    actual = sha256(part)
    if actual != expected and resumed:  # the beginning may be of an older file
        log.warning("%s: the hash is wrong after going on, so it is downloaded from the start", url)
        part.unlink()
        _complete(url, part, pause)
        actual = sha256(part)
    if actual != expected:
        part.unlink()
        raise UserError(f"its sha256 is {actual}, {field} is {expected}", where=url)
    part.replace(path)


def _complete(url: str, part: Path, pause: float) -> None:
    for attempt in range(ATTEMPTS):
        try:
            _go_on(url, part)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise UserError(f"the server answers {error.code} {error.reason}", where=url) from error
            reason = f"{error.code} {error.reason}"
        except (urllib.error.URLError, ValueError) as error:
            reason = str(getattr(error, "reason", error))
            if not _may_pass(error):
                raise UserError(f"it cannot be opened ({reason})", where=url) from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(error)
        if attempt + 1 < ATTEMPTS:
            log.warning("%s: %s; trying again in %.0f s", url, reason, pause * 2**attempt)
            time.sleep(pause * 2**attempt)
    raise UserError(
        f"the download keeps failing ({reason})", where=url, remedy="The next run goes on from here."
    )


def _may_pass(error: Exception) -> bool:
    """Whether trying again may help: not for a missing local file, nor for an address of no known kind."""
    reason = getattr(error, "reason", None)
    return isinstance(reason, OSError) and not isinstance(reason, FileNotFoundError)


def _go_on(url: str, part: Path) -> None:
    """One attempt: append what is missing. Raises OSError where the connection ends too early."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is missing, or the file is another one: the hash tells
            return
        raise
    with response:
        goes_on = response.status == 206
        total = int(response.headers.get("Content-Length") or 0)
        with part.open("ab" if goes_on else "wb") as handle:
            steps = math.ceil(total / CHUNK) or None
            for chunk in progress(
                _chunks(response), total=steps, what=f"downloading {part.stem}", unit="MiB"
            ):
                handle.write(chunk)
            written = handle.tell() - (have if goes_on else 0)
    if total and written < total:
        raise OSError(f"the connection ended after {written} of {total} bytes")


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(CHUNK):
        yield chunk
