"""Plain Python inference: any picture in, boxes in its own pixels out, with ONNX Runtime and the contract."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as refusals

from detectnet.contract import Contract
from detectnet.data.boxes import area, clip
from detectnet.data.letterbox import Letterbox, letterbox
from detectnet.deploy.bundle import contract_of_onnx
from detectnet.detection.cluster import detect, detect_deepstream
from detectnet.detection.detections import Detections
from detectnet.detection.settings import DeepStreamClustering
from detectnet.errors import UserError
from detectnet.files import PathLike

MODE = "tlt-infer"
"""TLT's own stand-alone inference, which knows HYBRID too."""
DEEPSTREAM = "deepstream"
"""What DeepStream does with the settings that the contract has for it."""

KERAS_SUFFIXES = (".keras", ".hdf5", ".h5")

# ONNX Runtime's errors about a file have no common class of their own.
_REFUSALS = (
    refusals.Fail,
    refusals.InvalidArgument,
    refusals.InvalidGraph,
    refusals.InvalidProtobuf,
    refusals.NotImplemented,
    refusals.RuntimeException,
)


class Network(Protocol):
    """What computes the two output tensors; each stage of the pipeline has one."""

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From (B, channels, H, W) float32 to coverage (B, C, h, w) and boxes (B, 4C, h, w), float32."""
        ...


@dataclass(frozen=True)
class Found:
    """Objects found in one picture, best first.

    Attributes:
        names: M class names.
        boxes: float64 (M, 4), x1 y1 x2 y2 in pixels of the picture, within it.
        confidence: float64 (M,); a sum of coverages with DBSCAN, so it may be above 1.
        seconds: letterbox, network and clustering.
    """

    names: tuple[str, ...]
    boxes: np.ndarray
    confidence: np.ndarray
    seconds: float

    def __len__(self) -> int:
        return len(self.names)


class OnnxNetwork:
    """An exported network in ONNX Runtime on the CPU."""

    def __init__(self, onnx_path: PathLike, threads: int | None = None) -> None:
        """Open the file.

        Args:
            onnx_path: with a contract in it or beside it.
            threads: for one picture; None takes all cores.

        Raises:
            UserError: the file is missing or no ONNX model, or has no contract.
        """
        suffix = Path(onnx_path).suffix.lower()
        if suffix in KERAS_SUFFIXES:
            raise UserError(
                f"a {suffix} file is a Keras model",
                where=onnx_path,
                allowed=".onnx",
                remedy="Export it first (tlt-export, export_onnx.py), or run it as it is with tlt-infer.",
            )
        if not Path(onnx_path).is_file():
            raise UserError("the ONNX file does not exist", where=onnx_path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(onnx_path), options, providers=["CPUExecutionProvider"]
            )
        except _REFUSALS as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"not an ONNX model that can be run ({reason})", where=onnx_path) from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.contract = contract_of_onnx(onnx_path, metadata)
        self._batch = self._session.get_inputs()[0].shape[0]

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run a batch of any size; a file of a fixed batch as often as needed, filled up the last time."""
        step = self._batch if isinstance(self._batch, int) else len(inputs)
        count = len(inputs)
        if missing := -count % step:
            inputs = np.concatenate([inputs, np.zeros_like(inputs, shape=(missing, *inputs.shape[1:]))])
        parts = [self._run(inputs[start : start + step]) for start in range(0, count, step)]
        cov, bbox = (np.concatenate(part)[:count] for part in zip(*parts))
        return cov, bbox

    def _run(self, inputs: np.ndarray) -> list[np.ndarray]:
        wanted = self.contract
        return self._session.run([wanted.cov_name, wanted.bbox_name], {wanted.input_name: inputs})


class Detector:
    """A network with its contract: from pictures to boxes."""

    def __init__(self, network: Network, contract: Contract, mode: str = MODE) -> None:
        """Join a network to a contract.

        Args:
            network: of any stage.
            contract: sizes, classes and clustering.
            mode: one of TLT's of ``detection.cluster.cluster``, or ``DEEPSTREAM``.
        """
        self.network, self.contract, self.mode = network, contract, mode

    @classmethod
    def from_onnx(cls, onnx_path: PathLike, *, threads: int | None = None, mode: str = MODE) -> Detector:
        """The detector of an exported file, with the contract in it or beside it."""
        network = OnnxNetwork(onnx_path, threads)
        return cls(network, network.contract, mode)

    def detect(self, picture: np.ndarray) -> Found:
        """Find objects in one picture, uint8 RGB (H, W, 3) of any size."""
        return self.detect_batch([picture])[0]

    def detect_batch(self, pictures: Sequence[np.ndarray]) -> list[Found]:
        """Find objects in pictures that may differ in size, uint8 RGB (H, W, 3) each.

        The seconds of each are the batch's, shared out evenly.
        """
        if not pictures:
            return []
        started = time.perf_counter()
        boxed = [fitted(picture, self.contract) for picture in pictures]
        inputs = np.stack([to_input(inside, self.contract) for inside, _ in boxed])
        cov, bbox = self.network(inputs)
        made = [self._found(*one) for one in zip(cov, bbox, (geometry for _, geometry in boxed), pictures)]
        seconds = (time.perf_counter() - started) / len(pictures)
        return [dataclasses.replace(one, seconds=seconds) for one in made]

    def _found(self, cov: np.ndarray, bbox: np.ndarray, geometry: object, picture: np.ndarray) -> Found:
        by_class = _clustered(cov, bbox, self.contract, self.mode)
        names = np.repeat(list(by_class), [len(one) for one in by_class.values()])
        confidence = np.concatenate([one.confidence for one in by_class.values()])
        height, width = picture.shape[:2]
        boxes = np.concatenate([one.boxes for one in by_class.values()])
        boxes = clip(geometry.inverse(boxes), width, height)
        order = np.argsort(-confidence, kind="stable")
        # Nothing is left of a box that lay in the padding.
        order = order[area(boxes[order]) > 0]
        return Found(tuple(names[order].tolist()), boxes[order], confidence[order], 0.0)


def _clustered(cov: np.ndarray, bbox: np.ndarray, contract: Contract, mode: str) -> dict[str, Detections]:
    """Objects of one picture by class, in network-input pixels."""
    if mode != DEEPSTREAM:
        return detect(cov, bbox, contract, mode)
    chosen = {
        name: DeepStreamClustering.from_dict(contract.deepstream.get(name, {})) for name in contract.classes
    }
    modes = {one.mode for one in chosen.values()}
    if len(modes) > 1:
        raise UserError(
            f"the classes have the cluster-modes {', '.join(sorted(modes))}",
            where="contract.json deepstream",
            allowed="one for all, as in nvinfer",
        )
    settings = {name: one.settings for name, one in chosen.items()}
    return detect_deepstream(cov, bbox, contract, settings, f"deepstream-{modes.pop()}")


def fitted(picture: np.ndarray, contract: Contract) -> tuple[np.ndarray, Letterbox]:
    """A picture, uint8 RGB (H, W, 3) of any size, at the contract's size and in its place there."""
    how = (contract.interpolation, contract.letterbox, contract.padding)
    return letterbox(picture, contract.width, contract.height, *how)


def to_input(picture: np.ndarray, contract: Contract) -> np.ndarray:
    """One letterboxed picture as the network's input: ``scale * (pixel - offset)``.

    Args:
        picture: uint8 RGB (H, W, 3) of the contract's size, or grey (H, W, 1) for a network of one channel.

    Returns:
        float32 (channels, H, W).
    """
    if picture.shape[2] > contract.channels:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
    elif contract.channel_order == "BGR":
        picture = picture[..., ::-1]
    offsets = np.float32(contract.offsets[: contract.channels])
    return np.ascontiguousarray(((picture - offsets) * np.float32(contract.scale)).transpose(2, 0, 1))
