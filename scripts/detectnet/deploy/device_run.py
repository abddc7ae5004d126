"""Running an engine on its device: validation pictures there, the network's outputs and timings back."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from detectnet.contract import Contract
from detectnet.deploy.bundle import contract_of_onnx
from detectnet.deploy.device_engine import ask, check_fresh, probe, read_build
from detectnet.deploy.hosts import Host
from detectnet.deploy.runtime import to_input
from detectnet.detection.collecting import PictureResult
from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path, write_json
from detectnet.logs import log
from detectnet.network.inputs import InputSettings, fit_picture
from detectnet.network.predict import picture_result, records_of
from detectnet.network.records import Frame

if TYPE_CHECKING:
    from detectnet.spec import Message

OUTPUTS, BENCHMARK = "outputs.npz", "benchmark.json"
_AT_ONCE = 32
"""Pictures in a file: what is copied again after a lost connection."""
_AGAIN = "Remove it and run the engine again."


@dataclass(frozen=True)
class RunSettings:
    """How an engine is measured.

    Attributes:
        pictures: of the validation fold, evenly over it; all where there are fewer.
        warm_up: runs before the first that counts.
        runs: how many count at least; whole rounds over the pictures.
    """

    pictures: int = 200
    warm_up: int = 20
    runs: int = 400


def measure(
    model: PathLike,
    build_json: PathLike,
    shards: Sequence[PathLike],
    experiment: Message,
    host: Host,
    out_dir: PathLike,
    settings: RunSettings | None = None,
) -> dict[str, Any]:
    """Run an engine on its device and write ``outputs.npz`` and ``benchmark.json``.

    ``outputs.npz`` holds ``cov`` (N, C, h, w) and ``bbox`` (N, 4C, h, w), float32, ``pictures`` (N, 3):
    source, frame_id and sha256 of each, ``contract`` (JSON) and ``seconds_per_image``.

    Args:
        model: ``model.onnx`` that the engine was built of.
        build_json: of ``device_engine.build``.
        shards: record files of the validation fold.
        experiment: the spec of the training.
        host: the device.
        out_dir: folder for both files.
        settings: see there.

    Returns:
        The content of ``benchmark.json``: the device's answer (``scripts/device/measure.py``), and
        ``backend``, ``engine``, ``sha256``, ``key``.

    Raises:
        UserError: the engine is stale, the device cannot be reached, or it cannot run the engine.
    """
    settings = settings or RunSettings()
    built = read_build(build_json)
    check_fresh(built, build_json, model)
    contract = _contract(model)
    inputs = InputSettings.from_spec(experiment)
    frames = evenly(records_of(experiment, shards).frames, settings.pictures)
    probe(host, built["backend"])
    with _picture_files(frames, inputs, contract) as files:
        host.send(files)
        answer = ask(host, "measure", _job(built, files, contract, settings))
    out = Path(out_dir)
    _keep_outputs(host, answer, frames, contract, out / OUTPUTS)
    benchmark = {**answer, **{name: built[name] for name in ("backend", "engine", "sha256", "key")}}
    write_json(out / BENCHMARK, benchmark)
    _say(benchmark)
    return benchmark


def evenly(frames: Sequence[Frame], count: int) -> list[Frame]:
    """At most ``count`` pictures, the first and the last among them, with even gaps."""
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[place] for place in places]


def pixels(picture: np.ndarray, contract: Contract) -> np.ndarray:
    """What ``to_input`` makes of a letterboxed picture, but for scale and offsets: uint8 (C, H, W)."""
    bare = dataclasses.replace(contract, scale=1.0, offsets=(0.0, 0.0, 0.0))
    return to_input(picture, bare).astype(np.uint8)


class EnginePredictions:
    """Iterates over one ``PictureResult`` per picture that the engine ran on.

    Attributes:
        contract: of the file that the engine was built of.
        seconds_per_image: mean on the device, with copies.
    """

    def __init__(
        self, content: dict[str, np.ndarray], frames: Sequence[Frame], settings: InputSettings
    ) -> None:
        self.contract = Contract.from_json(json.loads(str(content["contract"])))
        self.seconds_per_image = float(content["seconds_per_image"])
        self._content, self._frames, self._settings = content, frames, settings

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[PictureResult]:
        for frame, cov, bbox in zip(self._frames, self._content["cov"], self._content["bbox"], strict=True):
            outputs = (np.moveaxis(cov, 0, -1), np.moveaxis(bbox, 0, -1))
            yield picture_result(frame, *outputs, self._settings, self.contract.classes)


@contextmanager
def predict_engine(
    outputs: PathLike, shards: Sequence[PathLike], experiment: Message, *, threads: int = 2
) -> Iterator[EnginePredictions]:
    """What an engine answered on its device, with the ground truth of the same pictures.

    Args:
        outputs: ``outputs.npz``.
        shards: record files with the pictures; others among them are left out.
        experiment: the spec of the training.
        threads: unused beside reading.

    Raises:
        UserError: the file is none of ``measure``'s, or a picture is not in the records as it was.
    """
    try:
        with np.load(outputs) as stored:
            content = {name: stored[name] for name in stored.files}
        rows = [tuple(row) for row in content["pictures"].tolist()]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"no outputs of an engine ({error})", where=outputs, remedy=_AGAIN) from error
    frames = {_identity(frame): frame for frame in records_of(experiment, shards).frames}
    missing = [row for row in rows if row not in frames]
    if missing:
        raise UserError(
            f"the outputs are stale: {len(missing)} pictures are not in the records as they were,"
            f" {missing[0][1]} of {missing[0][0]} the first",
            where=outputs,
            remedy=_AGAIN,
        )
    settings = InputSettings.from_spec(experiment, threads)
    yield EnginePredictions(content, [frames[row] for row in rows], settings)


def _job(
    built: dict[str, Any], files: Sequence[Path], contract: Contract, settings: RunSettings
) -> dict[str, Any]:
    """What ``measure`` of ``scripts/device`` is given."""
    return {
        "engine": built["engine"],
        "key": built["key"],
        "pictures": [path.name for path in files],
        "scale": contract.scale,
        "offsets": list(contract.offsets),
        "input": contract.input_name,
        "cov": contract.cov_name,
        "bbox": contract.bbox_name,
        "warm_up": settings.warm_up,
        "runs": settings.runs,
    }


def _identity(frame: Frame) -> tuple[str, str, str]:
    return frame.source, frame.frame_id, frame.picture_sha256


def _contract(model: PathLike) -> Contract:
    properties = onnx.load(model).metadata_props
    return contract_of_onnx(model, {one.key: one.value for one in properties})


@contextmanager
def _picture_files(
    frames: Sequence[Frame], settings: InputSettings, contract: Contract
) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for start in range(0, len(frames), _AT_ONCE):
            files.append(Path(folder) / f"pictures-{start // _AT_ONCE:03d}.npy")
            part = frames[start : start + _AT_ONCE]
            np.save(files[-1], np.stack([pixels(fit_picture(frame, settings), contract) for frame in part]))
        yield files


def _keep_outputs(
    host: Host, answer: dict[str, Any], frames: Sequence[Frame], contract: Contract, target: Path
) -> None:
    """Fetch the outputs and write them together with what they are of."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / OUTPUTS
        host.fetch(OUTPUTS, raw, answer["outputs_sha256"])
        with np.load(raw) as stored:
            outputs = {name: stored[name] for name in ("cov", "bbox")}
    if len(outputs["cov"]) != len(frames):
        raise UserError(
            f"{len(outputs['cov'])} outputs came back for {len(frames)} pictures", where=host.name
        )
    with atomic_path(target) as temporary, temporary.open("wb") as handle:
        np.savez(
            handle,
            **outputs,
            pictures=np.array([_identity(frame) for frame in frames]),
            contract=np.array(json.dumps(contract.to_json(), sort_keys=True)),
            seconds_per_image=np.float64(answer["with_copies"]["mean"] / 1e3),
        )


def _say(benchmark: dict[str, Any]) -> None:
    row, bare = benchmark["with_copies"], benchmark["without_copies"]
    log.info(
        "%s: %.1f FPS with copies (p50 %.2f ms, p99 %.2f ms), %.1f without, over %d runs",
        benchmark["key"]["device"], row["fps"], row["p50"], row["p99"], bare["fps"], benchmark["runs"],
    )  # fmt: skip
    if benchmark["after"]["throttled"]:
        log.warning("The device throttled itself: it is too hot, or its power supply too weak.")
    if benchmark["before"]["clocks_fixed"] is False:
        log.warning("Clocks were not fixed (sudo jetson_clocks): latencies vary more than they need to.")
