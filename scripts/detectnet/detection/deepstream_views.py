"""Pictures as DeepStream shows them to the network, decoded as nvinfer does, ready for its clustering."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from detectnet.contract import Contract
from detectnet.detection.cluster import cluster
from detectnet.detection.decode import decode_deepstream
from detectnet.detection.detections import Detections
from detectnet.detection.scoring import Picture
from detectnet.detection.settings import DeepStreamSettings
from detectnet.logs import progress

LEAST_COVERAGE = 0.01
"""Cells below it are no candidates, whatever the thresholds: nobody shows so unsure a detection."""
CLUSTERING = "deepstream"
OWN_FRAME = "source"


@dataclass(frozen=True)
class View:
    """One way to bring a picture into the network.

    Attributes:
        scaling: of nvinfer, ``bilinear`` or ``nearest``.
        frame: size of nvstreammux, ``1920x1080``; ``source`` where it has the picture's own.
    """

    scaling: str
    frame: str = OWN_FRAME


@dataclass(frozen=True)
class Seen:
    """The network's outputs for a picture in one view.

    Attributes:
        cov: float (C, h, w), after the sigmoid.
        bbox: float (4C, h, w).
        factors: (x, y), from this view's input pixels to those that ground truth is in.
    """

    cov: np.ndarray
    bbox: np.ndarray
    factors: tuple[float, float] = (1.0, 1.0)


class Camera(Protocol):
    """What shows pictures to the network as DeepStream does."""

    views: Sequence[View]

    def __call__(self, source: str, frame_id: str) -> Sequence[Seen]:
        """The network's outputs for a picture, in the order of ``views``."""
        ...


@dataclass(frozen=True)
class Decoded:
    """A picture's candidates in one view.

    Attributes:
        candidates: class -> boxes (N, 4) in the view's input pixels, and coverage (N,).
        factors: from these pixels to those that ground truth is in, as in ``Seen``.
    """

    candidates: Mapping[str, tuple[np.ndarray, np.ndarray]]
    factors: tuple[float, float]

    def clustered(self, name: str, settings: DeepStreamSettings, mode: str) -> Detections:
        """What nvinfer makes of one class, in the ground truth's pixels.

        Args:
            name: of the class.
            settings: candidates are those of ``LEAST_COVERAGE`` and more, whatever they ask for.
            mode: a name of ``CLUSTER_MODES``.
        """
        found = cluster(*self.candidates[name], settings, f"deepstream-{mode}")
        return dataclasses.replace(found, boxes=found.boxes * (self.factors * 2))


def look(pictures: Sequence[Picture], camera: Camera, contract: Contract) -> dict[View, list[Decoded]]:
    """Every picture in every view of the camera, in the order of the pictures."""
    least = np.full(len(contract.classes), LEAST_COVERAGE)
    made: dict[View, list[Decoded]] = {view: [] for view in camera.views}
    for one in progress(pictures, what="looking as DeepStream does", unit="pictures"):
        for view, seen in zip(camera.views, camera(one.source, one.frame_id), strict=True):
            found = decode_deepstream(seen.cov, seen.bbox, contract, least)
            by_class = {name: found.of_class(index) for index, name in enumerate(contract.classes)}
            made[view].append(Decoded(by_class, seen.factors))
    return made


def detected(
    pictures: Sequence[Picture],
    decoded: Sequence[Decoded],
    settings: Mapping[str, DeepStreamSettings],
    mode: str,
) -> list[Picture]:
    """The pictures with what nvinfer finds of some classes on them, as the clustering ``deepstream``.

    Args:
        pictures: with ground truth.
        decoded: of the same pictures.
        settings: of the classes.
        mode: a name of ``CLUSTER_MODES``.
    """
    return [
        dataclasses.replace(
            one,
            found={
                CLUSTERING: {name: own.clustered(name, values, mode) for name, values in settings.items()}
            },
        )
        for one, own in zip(pictures, decoded, strict=True)
    ]
