"""Running an engine on pictures: what it answers, how long it takes, and how the device fares."""

import resource
import time
from pathlib import Path
from typing import Callable, List

import numpy as np

import board
import tensorrt_api
from build import check_stale, sha256
from device_error import DeviceError
from gpu_memory import Buffers

PERCENTILES = (50, 90, 95, 99)
OUTPUTS = "outputs.npz"


def measure(job: dict, say: Callable[[str], None]) -> dict:
    """Run the job's engine on its pictures and write what it answers to ``outputs.npz``.

    That file holds ``cov`` (N, C, h, w) and ``bbox`` (N, 4C, h, w), float32, in the order of the pictures.

    Args:
        job: ``engine`` (file) and ``key``; ``pictures``: files of uint8 (K, C, H, W); ``scale`` and
            ``offsets``: input = scale * (pixel - offset); ``input``, ``cov``, ``bbox``: names of the tensors;
            ``warm_up``: runs before the first that counts; ``runs``: how many count at least.
        say: takes lines of progress.

    Returns:
        ``with_copies`` and ``without_copies`` (see ``summary``), ``fps`` (with copies), ``runs``,
        ``warm_up``, ``pictures``, ``outputs_sha256``, ``before`` and ``after`` (``board.state``),
        ``memory``: bytes.

    Raises:
        DeviceError: the engine is stale or cannot run, or pycuda or TensorRT's bindings are missing.
    """
    check_stale(job)
    trt = tensorrt_api.load()
    with Buffers() as buffers:
        engine = tensorrt_api.Engine(trt, Path(job["engine"]).read_bytes(), job["key"]["batch"], say)
        places = _places(engine.tensors, job)
        for _, _, shape, _ in engine.tensors:
            buffers.add(shape)
        before = board.state()
        outputs, seconds = _run_all(engine, buffers, places, job, say)
        after = board.state()
        used = buffers.used()
        memory = engine.memory
        del engine
    with open(OUTPUTS, "wb") as handle:
        np.savez(handle, **outputs)
    with_copies, without_copies = summary(seconds.sum(axis=1)), summary(seconds[:, 1])
    return {
        "with_copies": with_copies,
        "without_copies": without_copies,
        "fps": with_copies["fps"],
        "runs": len(seconds),
        "warm_up": job["warm_up"],
        "pictures": len(outputs["cov"]),
        "outputs_sha256": sha256(Path(OUTPUTS)),
        "before": before,
        "after": after,
        "memory": {
            "process_peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            "gpu_in_use_bytes": used,
            "engine_scratch_bytes": memory,
        },
    }


def summary(seconds: np.ndarray) -> dict:
    """Latency in milliseconds of (N,) seconds: ``mean``, ``min``, ``max``, ``p50`` .. ``p99``; ``fps``."""
    milliseconds = 1e3 * seconds
    found = {"p{}".format(one): float(np.percentile(milliseconds, one)) for one in PERCENTILES}
    found.update(
        mean=float(milliseconds.mean()),
        min=float(milliseconds.min()),
        max=float(milliseconds.max()),
        fps=float(1e3 / milliseconds.mean()),
    )
    return found


def to_input(picture: np.ndarray, scale: float, offsets: List[float]) -> np.ndarray:
    """uint8 (C, H, W) as the network's input, float32: ``scale * (pixel - offset)``."""
    shift = np.array(offsets[: len(picture)], np.float32)[:, None, None]
    return (picture - shift) * np.float32(scale)


def _places(tensors: List[tuple], job: dict) -> dict:
    """Position of the input and of the two outputs among the engine's tensors."""
    names = [name for name, _, _, _ in tensors]
    if not all(kind for _, _, _, kind in tensors):
        raise DeviceError("the engine's inputs and outputs are not float32", "Export the model again.")
    found = {role: names.index(job[role]) for role in ("input", "cov", "bbox") if job[role] in names}
    if len(found) < 3 or len(names) != 3:
        raise DeviceError(
            "the engine's tensors are {}".format(", ".join(names)),
            "Allowed: {}, {} and {}; export the model again.".format(job["input"], job["cov"], job["bbox"]),
        )
    return found


def _run_all(engine, buffers, places: dict, job: dict, say: Callable[[str], None]):
    """Outputs of every picture, and (runs, 3) seconds of copying in, running, copying out."""
    cov, bbox, seconds = [], [], []
    count = sum(len(np.load(name, mmap_mode="r")) for name in job["pictures"])
    rounds = -(-max(job["runs"], count) // count)
    for turn in range(rounds):
        for name in job["pictures"]:
            for picture in np.load(name, mmap_mode="r"):
                buffers.hosts[places["input"]][0] = to_input(picture, job["scale"], job["offsets"])
                for _ in range(0 if seconds else job["warm_up"]):
                    _run(engine, buffers, places)
                seconds.append(_run(engine, buffers, places))
                if turn == 0:
                    cov.append(buffers.hosts[places["cov"]][0].copy())
                    bbox.append(buffers.hosts[places["bbox"]][0].copy())
        say("{} of {} runs".format(len(seconds), rounds * count))
    return {"cov": np.stack(cov), "bbox": np.stack(bbox)}, np.array(seconds)


def _run(engine, buffers, places: dict) -> List[float]:
    start = time.perf_counter()
    buffers.send(places["input"])
    sent = time.perf_counter()
    engine.execute(buffers.addresses)
    done = time.perf_counter()
    buffers.fetch(places["cov"])
    buffers.fetch(places["bbox"])
    return [sent - start, done - sent, time.perf_counter() - done]
