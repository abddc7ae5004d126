"""An engine on the device: built once for a key, and found again by it."""

import fcntl
import hashlib
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import board
import tensorrt_api
import trtexec
from device_error import DeviceError

CACHE = "timing.cache"


def probe() -> dict:
    """What the device is and has.

    Returns:
        ``device``, ``slug``, ``release`` (L4T), ``python``, ``tensorrt`` (version), ``bindings`` (whether it
        has those for Python), ``strongly_typed`` (FP16 needs a file of FP16 weights), ``pycuda``.

    Raises:
        DeviceError: it has neither TensorRT's bindings nor trtexec, or an unsupported version.
    """
    import platform

    import gpu_memory

    trt, program = tensorrt_api.find(), trtexec.find()
    if trt is None and program is None:
        raise DeviceError(
            "this device has neither TensorRT's Python bindings nor trtexec",
            "On a Jetson Nano install JetPack 4.6.x (sudo apt-get install nvidia-jetpack); "
            "elsewhere pip3 install tensorrt.",
        )
    version = trt.__version__ if trt else trtexec.version(program)
    tensorrt_api.check_version(version)
    device = board.name()
    return {
        "device": device,
        "slug": board.slug(device),
        "release": board.release(),
        "python": platform.python_version(),
        "tensorrt": version,
        "bindings": trt is not None,
        "strongly_typed": tensorrt_api.strongly_typed(trt) if trt else int(version.split(".")[0]) >= 11,
        "pycuda": gpu_memory.find() is not None,
    }


def build(job: dict, say: Callable[[str], None]) -> dict:
    """Build the job's engine, unless it lies here already.

    A second call, after a lost connection say, waits for the first one and then finds its engine.

    Args:
        job: ``model`` (file), ``sent_sha256`` (of it), ``engine`` (file), ``key``: all that decides the
            engine: ``model_sha256`` (of the exported file), ``tensorrt``, ``device``, ``precision``,
            ``batch``, ``workspace_mb``.
        say: takes lines of progress.

    Returns:
        ``engine``, ``sha256``, ``bytes``, ``key``, ``seconds``, ``layers`` (None of trtexec), ``log``
        (warnings), ``builder``: bindings or trtexec, ``reused``: whether it was there.

    Raises:
        DeviceError: the model is not the one of the key, the device is not, or the build fails.
    """
    with _alone(Path("build.lock"), say):
        found = _found(job)
        if found:
            say("the engine is there already: {}".format(job["engine"]))
            return dict(found, reused=True)
        _check(job)
        started = time.time()
        trt = tensorrt_api.find()
        built = _with_bindings(trt, job, say) if trt else _with_trtexec(job, say)
        built.update(
            engine=job["engine"],
            sha256=sha256(Path(job["engine"])),
            bytes=Path(job["engine"]).stat().st_size,
            key=job["key"],
            seconds=round(time.time() - started, 3),
        )
        write(_record(job), json.dumps(built, indent=2, sort_keys=True).encode())
        return dict(built, reused=False)


def check_stale(job: dict) -> None:
    """Raise DeviceError where the engine that lies here is not that of the job's key."""
    found = _found(job)
    now = probe()
    for name in ("tensorrt", "device"):
        if now[name] != job["key"][name]:
            raise DeviceError(
                "the engine is stale: it was built with {} {}, and here is {}".format(
                    name, job["key"][name], now[name]
                ),
                "Remove build.json of this backend and build it again on this device.",
            )
    if found is None:
        raise DeviceError(
            "the engine {} is not here, or not as it was built".format(job["engine"]),
            "Remove build.json of this backend and build it again.",
        )


def sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def write(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    os.replace(str(temporary), str(path))


def _record(job: dict) -> Path:
    return Path(job["engine"] + ".json")


def _found(job: dict) -> Optional[dict]:
    """What was written when the engine was built; None where it is not that of the job's key."""
    engine = Path(job["engine"])
    try:
        record = json.loads(_record(job).read_text())
        whole = record["sha256"] == sha256(engine)
    except (OSError, ValueError, KeyError):
        return None
    return record if whole and record["key"] == job["key"] else None


def _check(job: dict) -> None:
    if sha256(Path(job["model"])) != job["sent_sha256"]:
        raise DeviceError("the model that arrived is not the one that was sent", "Give the command again.")
    now = probe()
    for name in ("tensorrt", "device"):
        if now[name] != job["key"][name]:
            raise DeviceError(
                "the engine is wanted for {} {}, and here is {}".format(name, job["key"][name], now[name]),
                "Give the command again.",
            )


def _with_bindings(trt: Any, job: dict, say: Callable[[str], None]) -> dict:
    cache = Path(CACHE)
    built = tensorrt_api.build(
        trt,
        Path(job["model"]).read_bytes(),
        job["key"]["precision"] == "fp16",
        job["key"]["workspace_mb"] << 20,
        job["key"]["batch"],
        cache.read_bytes() if cache.is_file() else b"",
        say,
    )
    write(Path(job["engine"]), built["engine"])
    if built["cache"]:
        write(cache, built["cache"])
    return {"layers": built["layers"], "log": built["log"], "builder": "bindings"}


def _with_trtexec(job: dict, say: Callable[[str], None]) -> dict:
    temporary = job["engine"] + ".part"
    words = trtexec.arguments(
        trtexec.find(),
        job["key"]["tensorrt"],
        job["model"],
        temporary,
        job["key"]["precision"] == "fp16",
        job["key"]["workspace_mb"],
        CACHE,
    )
    warnings = trtexec.build(words, say)
    os.replace(temporary, job["engine"])
    return {"layers": None, "log": warnings, "builder": "trtexec"}


@contextmanager
def _alone(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Only one build at a time; the kernel drops the lock with the process that holds it."""
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another build is at work here; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
