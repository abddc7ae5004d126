"""Building with ``trtexec``, for a device that has TensorRT without its Python bindings."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Callable, List, Optional

from device_error import DeviceError

PLACES = ("/usr/src/tensorrt/bin/trtexec",)


def find() -> Optional[str]:
    """Where trtexec is; None where it is not installed."""
    return next((place for place in PLACES if Path(place).is_file()), shutil.which("trtexec"))


def version(program: str) -> str:
    """TensorRT's version as trtexec says it, such as ``8.2.1``.

    Raises:
        DeviceError: it says none.
    """
    done = subprocess.run(
        [program, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    # [TensorRT v8201], from version 10 on with two digits a part: [TensorRT v100300].
    found = re.search(r"TensorRT[ .]v(\d+)", done.stdout)
    if not found:
        raise DeviceError("trtexec does not say its version", "Install JetPack's TensorRT again.")
    parts = re.match(r"(\d)(\d)(\d\d)$|(\d+)(\d\d)(\d\d)$", found.group(1))
    if not parts:
        raise DeviceError("trtexec says an unknown version {}".format(found.group(1)), "Allowed: 8.0 to 11.")
    return ".".join(str(int(part)) for part in parts.groups() if part)


def arguments(
    program: str, trt_version: str, model: str, engine: str, fp16: bool, workspace_mb: int, cache: str
) -> List[str]:
    """The command line that builds an engine of a file with a fixed batch."""
    major = int(trt_version.split(".")[0])
    # The workspace is a named pool from version 10 on; before, 16 MB are taken where nothing is said.
    workspace = "--workspace={}" if major < 10 else "--memPoolSize=workspace:{}"
    only = "--buildOnly" if major < 10 else "--skipInference"
    words = [program, "--onnx=" + model, "--saveEngine=" + engine, workspace.format(workspace_mb), only]
    words.append("--timingCacheFile=" + cache)
    # From 11 on the types of the file decide.
    return words + (["--fp16"] if fp16 and major < 11 else [])


def build(words: List[str], say: Callable[[str], None]) -> List[str]:
    """Run the command line; says each line.

    Returns:
        its warnings.

    Raises:
        DeviceError: it failed; its errors are in it.
    """
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        say(lines[-1])
    if process.wait() == -9:
        raise DeviceError(
            "the device ran out of memory while building the engine (Killed)",
            "Close the desktop (sudo init 3), lower workspace_mb, or add swap; then give the command again.",
        )
    if process.returncode:
        errors = tuple(line for line in lines if "[E]" in line) or tuple(lines[-5:])
        raise DeviceError("trtexec cannot build an engine of the model", "Its messages say why.", errors)
    return [line for line in lines if "[W]" in line]
