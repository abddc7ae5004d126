"""`dvc push` and `dvc pull` against real servers, and what happens when something goes wrong half-way."""

import os
import random
import shutil
import signal
import subprocess
import time
from hashlib import md5
from pathlib import Path

import pytest
from calling import call, environment, git
from servers import HOST, s3_server, web_server
from sshd import Server

pytestmark = pytest.mark.slow

SHARDS = 60


def dvc(folder, *words, check=True):
    return call(folder, "dvc", *words, check=check)


def make_repository(folder, seed=1):
    """A repository with record shards and one larger file, as a run leaves them."""
    draw = random.Random(seed)
    (folder / "records").mkdir(parents=True)
    for number in range(SHARDS):
        (folder / f"records/shard-{number:05d}-of-{SHARDS:05d}").write_bytes(draw.randbytes(20_000))
    (folder / "model.onnx").write_bytes(draw.randbytes(3_000_000))
    git(folder, "init", "-q", "-b", "main")
    dvc(folder, "init", "-q")
    dvc(folder, "config", "core.analytics", "false")
    dvc(folder, "add", "-q", "records", "model.onnx")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "data")
    return folder


def contents(folder):
    paths = [folder / "model.onnx", *sorted((folder / "records").glob("shard-*"))]
    return {path.name: md5(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def author(tmp_path_factory):
    return make_repository(tmp_path_factory.mktemp("author") / "repository")


@pytest.fixture
def repository(author, tmp_path):
    """A copy of the author's repository, with its own cache."""
    return Path(shutil.copytree(author, tmp_path / "repository", symlinks=True))


def clone_of(repository, tmp_path):
    git(tmp_path, "clone", "-q", str(repository), str(tmp_path / "clone"))
    return tmp_path / "clone"


def add_folder(repository, url, **options):
    """Name the remote as docs/versions.md does; credentials stay out of git."""
    dvc(repository, "remote", "add", "-q", "--local", "--default", "release", url)
    for name, value in options.items():
        dvc(repository, "remote", "modify", "-q", "--local", "release", name, str(value))


def travels(repository, clone, url, **options):
    """Push from one repository and pull in the other; files are equal, a second push does nothing."""
    for one in (repository, clone):
        add_folder(one, url, **options)
    assert "pushed" in dvc(repository, "push")
    assert "up to date" in dvc(repository, "push")
    dvc(clone, "pull")
    assert contents(clone) == contents(repository)
    assert "up to date" in dvc(clone, "status")


def test_a_folder(repository, tmp_path):
    travels(repository, clone_of(repository, tmp_path), str(tmp_path / "remote"))


@pytest.fixture
def ssh(tmp_path):
    """OpenSSH's own server."""
    (tmp_path / "ssh").mkdir()
    server = Server(tmp_path / "ssh")
    with server.running():
        yield server


def ssh_options(server):
    return {"user": server.host.user, "keyfile": server.folder / "user_key", "allow_agent": "false"}


def test_ssh(repository, ssh, tmp_path):
    url = f"ssh://{HOST}:{ssh.port}{tmp_path}/remote"
    travels(repository, clone_of(repository, tmp_path), url, **ssh_options(ssh))


def test_s3(repository, tmp_path):
    with s3_server(tmp_path / "s3") as server:
        travels(
            repository,
            clone_of(repository, tmp_path),
            f"s3://{server.bucket}/detectnet",
            endpointurl=server.url,
            access_key_id=server.access_key,
            secret_access_key=server.secret_key,
        )


def test_http_to_read(repository, tmp_path):
    clone = clone_of(repository, tmp_path)
    add_folder(repository, str(tmp_path / "remote"))
    dvc(repository, "push")
    with web_server(tmp_path / "web", tmp_path / "remote") as url:
        add_folder(clone, url)
        dvc(clone, "pull")
        assert contents(clone) == contents(repository)
        (clone / "model.onnx").write_bytes(b"new")
        dvc(clone, "add", "-q", "model.onnx")
        assert "ERROR" in dvc(clone, "push", check=False)


def objects(remote):
    return [path for path in remote.rglob("*") if path.is_file() and len(path.name) >= 30]


def kill_when(command, folder, reached):
    """Start a DVC command and kill it and all its children as soon as something is reached."""
    process = subprocess.Popen(
        ["dvc", *command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 120
    while process.poll() is None and not reached() and time.monotonic() < until:
        time.sleep(0.002)
    killed = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return killed


def test_a_killed_push_and_a_killed_pull_go_on(repository, ssh, tmp_path):
    clone, remote = clone_of(repository, tmp_path), tmp_path / "remote"
    for one in (repository, clone):
        add_folder(one, f"ssh://{HOST}:{ssh.port}{remote}", **ssh_options(ssh))
    assert kill_when(["push", "-j", "1"], repository, lambda: len(objects(remote)) > 5)
    assert 5 < len(objects(remote)) < SHARDS
    assert "pushed" in dvc(repository, "push")
    cache = clone / ".dvc/cache/files"
    assert kill_when(["pull", "-j", "1"], clone, lambda: len(objects(cache)) > 5)
    dvc(clone, "pull")
    assert contents(clone) == contents(repository)


def test_a_missing_object_is_named_and_the_rest_arrives(repository, tmp_path):
    clone, remote = clone_of(repository, tmp_path), tmp_path / "remote"
    for one in (repository, clone):
        add_folder(one, str(remote))
    dvc(repository, "push")
    name = md5((repository / "model.onnx").read_bytes()).hexdigest()
    (remote / "files/md5" / name[:2] / name[2:]).unlink()
    said = dvc(clone, "pull", check=False)
    assert "model.onnx" in said
    assert "missing" in said.lower()
    assert len(list((clone / "records").glob("shard-*"))) == SHARDS
    # The author's second push mends it.
    dvc(repository, "push")
    dvc(clone, "pull")
    assert contents(clone) == contents(repository)


def test_a_damaged_object_of_the_cache_is_found_and_fetched_again(repository, tmp_path):
    add_folder(repository, str(tmp_path / "remote"))
    dvc(repository, "push")
    before = contents(repository)
    name = before["model.onnx"]
    cached = repository / ".dvc/cache/files/md5" / name[:2] / name[2:]
    cached.chmod(0o644)
    cached.write_bytes(b"damaged")
    (repository / "model.onnx").unlink()
    dvc(repository, "pull", check=False)
    dvc(repository, "pull")
    assert contents(repository) == before


def test_two_pushes_at_the_same_time(repository, tmp_path):
    other = make_repository(tmp_path / "other", seed=2)
    remote = tmp_path / "remote"
    for one in (repository, other):
        add_folder(one, str(remote))
    pushes = [
        subprocess.Popen(
            ["dvc", "push"],
            cwd=one,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for one in (repository, other)
    ]
    assert [one.wait(120) for one in pushes] == [0, 0], [one.stdout.read() for one in pushes]
    for number, one in enumerate((repository, other)):
        (tmp_path / str(number)).mkdir()
        clone = clone_of(one, tmp_path / str(number))
        add_folder(clone, str(remote))
        dvc(clone, "pull")
        assert contents(clone) == contents(one)


def test_without_a_remote_the_message_names_it(author, tmp_path):
    clone = clone_of(author, tmp_path)
    dvc(clone, "config", "core.remote", "release")
    assert "remote 'release' doesn't exist" in dvc(clone, "pull", check=False)
