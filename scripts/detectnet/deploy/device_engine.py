"""Backends ``nano`` and ``tensorrt``: an engine built and run on the device that it is for.

What the device runs lies in ``scripts/device``; it is sent along, and a few lines of JSON go to and fro.
Everything is kept there under names that hold its hash, so that a second try does only what is missing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectnet.deploy.hosts import Host
from detectnet.errors import UserError
from detectnet.files import PathLike, read_json, sha256, write_json, write_text
from detectnet.logs import log

NANO, TENSORRT = "nano", "tensorrt"
BACKENDS = (NANO, TENSORRT)
PRECISIONS = ("fp16", "fp32")
SCRIPTS = Path(__file__).resolve().parents[2] / "device"
_JETPACK = "R32."
"""L4T of JetPack 4, the last that a Jetson Nano takes."""
_NO_MEMORY = "Close the desktop (sudo init 3), lower workspace_mb, or add swap; then give the command again."
_KILLED, _NO_PROGRAM = 128 + 9, 127


@dataclass(frozen=True)
class DeviceSettings:
    """What an engine is built for.

    Attributes:
        precision: ``fp16`` or ``fp32``; inputs and outputs are float32 in both.
        workspace_mb: memory that a kernel may use, MiB.
    """

    precision: str = "fp16"
    workspace_mb: int = 1024

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UserError(f"unknown precision '{self.precision}'", allowed=PRECISIONS)


def build(
    onnx_path: PathLike, out_dir: PathLike, host: Host, backend: str, settings: DeviceSettings | None = None
) -> dict[str, Any]:
    """Build an engine on the device, or find it there, and fetch it and its log.

    The timing cache stays on the device.

    The engine's name holds what it depends on: model and hash, TensorRT's version, device, precision, batch.

    Args:
        onnx_path: ``model.onnx``.
        out_dir: folder for the engine and ``build.json``.
        host: the device.
        backend: ``nano``, which takes a Jetson Nano's JetPack only, or ``tensorrt``.
        settings: see there.

    Returns:
        The content of ``build.json``: ``engine`` (file name beside it), ``sha256``, ``bytes``, ``backend``,
        ``model``, ``key`` (``model_sha256``, ``tensorrt``, ``device``, ``precision``, ``batch``,
        ``workspace_mb``), these once more at the top, ``seconds``, ``layers``, ``log`` (warnings),
        ``builder``, ``release`` (L4T). ``build.log`` beside it holds the warnings as text.

    Raises:
        UserError: the device cannot be reached or is another one, or TensorRT refuses the model.
    """
    settings = settings or DeviceSettings()
    path, out = Path(onnx_path), Path(out_dir)
    batch = _batch_of(path)
    probed = probe(host, backend)
    key = {
        "model_sha256": sha256(path),
        "tensorrt": probed["tensorrt"],
        "device": probed["device"],
        "batch": batch,
        "precision": settings.precision,
        "workspace_mb": settings.workspace_mb,
    }
    job = {"key": key, "engine": engine_name(path.stem, key, probed["slug"])}
    # There the types of the file decide.
    half = probed["strongly_typed"] and settings.precision == "fp16"
    with _model_to_send(path, key["model_sha256"], half) as sent:
        host.send([sent])
        built = ask(host, "build", {**job, "model": sent.name, "sent_sha256": sha256(sent)})
    out.mkdir(parents=True, exist_ok=True)
    host.fetch(built["engine"], out / built["engine"], built["sha256"])
    reused = built.pop("reused")
    write_text(out / "build.log", "".join(f"{line}\n" for line in built["log"]))
    content = {**built, **key, "backend": backend, "model": path.name, "release": probed["release"]}
    write_json(out / "build.json", content)
    how = "was there already" if reused else f"built in {built['seconds']:.1f} s"
    log.info("%s (%.1f MB): %s", out / built["engine"], built["bytes"] / 1e6, how)
    return content


def probe(host: Host, backend: str) -> dict[str, Any]:
    """Send what the device runs, and ask what it is and has; see ``probe`` of ``scripts/device/build.py``.

    Raises:
        UserError: it has no TensorRT of a supported version, or is no Jetson Nano where one is wanted.
    """
    host.send(sorted(SCRIPTS.glob("*.py")))
    found = ask(host, "probe")
    if backend == NANO and not str(found["release"]).startswith(_JETPACK):
        release = found["release"] or "no L4T"
        raise UserError(
            f"the device is '{found['device']}' with {release}: not a Jetson Nano's JetPack",
            where=host.name,
            allowed="L4T R32.6 (JetPack 4.6) and R32.7 (JetPack 4.6.1 and later)",
            remedy=f"Install JetPack 4.6.x there, or use the backend {TENSORRT} for another device.",
        )
    log.info("%s: TensorRT %s, L4T %s", found["device"], found["tensorrt"], found["release"] or "none")
    return found


def ask(host: Host, action: str, job: dict[str, Any] | None = None) -> dict[str, Any]:
    """Let the device do something and return its answer; its lines of progress are logged.

    Args:
        action: of ``scripts/device/device.py``.
        job: what it is given.

    Raises:
        UserError: it refuses, is killed, or has no Python.
    """
    words = f"PYTHONIOENCODING=utf-8 python3 -B device.py {action}"
    if job is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{action}-job.json"
            write_json(path, job)
            host.send([path])
        words += f" {path.name}"
    code, lines = host.run(words, _say)
    for line in reversed(lines):
        kind, _, content = line.partition(" ")
        if kind == "ANSWER" and code == 0:
            return json.loads(content)
        if kind == "REFUSED":
            raise _refusal(json.loads(content), host)
    raise _failure(code, lines, host, action)


def check_fresh(built: dict[str, Any], build_json: PathLike, onnx_path: PathLike) -> None:
    """Raise UserError where an engine was not built of this model, or its file is not as it was built."""
    engine = Path(build_json).with_name(built["engine"])
    if built["key"]["model_sha256"] != sha256(onnx_path):
        what = f"the engine is stale: it was built of another file than {onnx_path}"
    elif not engine.is_file() or sha256(engine) != built["sha256"]:
        what = f"{engine.name} is missing or not as it was built"
    else:
        return
    raise UserError(what, where=build_json, remedy="Remove build.json and build the engine again.")


def read_build(path: PathLike) -> dict[str, Any]:
    """The content of a ``build.json`` of these backends.

    Raises:
        UserError: it is another file.
    """
    built = read_json(path)
    if not {"engine", "sha256", "key", "backend"} <= built.keys():
        raise UserError(
            f"no engine on a device is described there; allowed backends: {', '.join(BACKENDS)}", where=path
        )
    return built


def engine_name(stem: str, key: dict[str, Any], slug: str) -> str:
    """An engine's file name, of all that a change of makes another engine.

    Args:
        stem: of the model's file.
        key: see ``build``.
        slug: the device's name in letters, digits and hyphens.
    """
    parts = [stem, key["model_sha256"][:12], f"trt{key['tensorrt']}", slug, key["precision"]]
    return f"{'_'.join(parts)}_b{key['batch']}.engine"


def _batch_of(path: Path) -> int:
    import onnx

    if not path.is_file():
        raise UserError("the ONNX file does not exist", where=path)
    first = onnx.load(path).graph.input[0]
    # A file of any batch is built for what a camera gives: one picture at a time.
    return first.type.tensor_type.shape.dim[0].dim_value or 1


@contextmanager
def _model_to_send(path: Path, digest: str, half: bool) -> Iterator[Path]:
    """The model, or its copy of half precision, under a name that holds its hash."""
    with tempfile.TemporaryDirectory() as folder:
        sent = Path(folder) / f"{path.stem}_{digest[:12]}{'_half' if half else ''}.onnx"
        content = path.read_bytes()
        if half:
            import onnx

            from detectnet.deploy.float16 import to_float16

            content = to_float16(onnx.load_from_string(content)).SerializeToString()
        sent.write_bytes(content)
        yield sent


def _say(line: str) -> None:
    if not line.startswith(("ANSWER ", "REFUSED ")):
        log.debug("device: %s", line)


def _refusal(said: dict[str, Any], host: Host) -> UserError:
    listed = "".join(f"\n  {message}" for message in said["messages"])
    return UserError(said["what"] + (f":{listed}" if listed else ""), where=host.name, remedy=said["remedy"])


def _failure(code: int, lines: Sequence[str], host: Host, action: str) -> UserError:
    if code == _KILLED or any(line.startswith("Killed") for line in lines[-2:]):
        return UserError(
            "the device ran out of memory and ended the work (Killed)", where=host.name, remedy=_NO_MEMORY
        )
    if code == _NO_PROGRAM:
        return UserError(
            "the device has no python3", where=host.name, remedy="There: sudo apt-get install python3"
        )
    if any("No space left on device" in line for line in lines):
        return UserError(
            "the device's disk is full",
            where=host.name,
            remedy="Make room there, then give the command again.",
        )
    listed = "".join(f"\n  {line}" for line in lines[-8:]) or " it said nothing"
    return UserError(f"{action} failed on the device (exit status {code}):{listed}", where=host.name)
