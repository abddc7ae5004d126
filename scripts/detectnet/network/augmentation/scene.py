"""A picture with its objects, before and after a change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectnet.network.augmentation.geometry import clip_boxes, transform_boxes
from detectnet.network.augmentation.settings import AugmentationSettings


@dataclass(frozen=True)
class Scene:
    """A picture and everything that is labelled in it.

    Attributes:
        picture: uint8 (h, w, channels), the top left corner of the network's input; beyond it is 0. Not to be
            written to.
        boxes: (N, 4) float, x1 y1 x2 y2 in pixels of the network's input.
        classes: (N,) int32, -1 for objects without a target class.
        names: N classes in the records.
    """

    picture: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self.picture.shape[1], self.picture.shape[0]

    def objects(self, least: tuple[float, float]) -> np.ndarray:
        """Indices of those with a target class and at least this width and height inside of the picture."""
        cut = _inside(self.boxes, self.size)
        large = np.all(cut[:, 2:] - cut[:, :2] >= least, axis=1)
        return np.flatnonzero(large & (self.classes >= 0))


@dataclass(frozen=True)
class Labels:
    """The objects of a changed picture.

    Attributes:
        boxes: (N, 4) float64, cut to the picture.
        classes: (N,) int32, -1 for objects without a target class.
        names: N classes in the records.
        kept: (N,) bool, those to be found.
        hidden: (N,) bool, those of which too little is seen: neither objects nor background.
    """

    boxes: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]
    kept: np.ndarray
    hidden: np.ndarray

    def __add__(self, other: Labels) -> Labels:
        """Both, in one picture."""
        parts = ("boxes", "classes", "kept", "hidden")
        joined = {part: np.concatenate([getattr(self, part), getattr(other, part)]) for part in parts}
        return Labels(names=self.names + other.names, **joined)


@dataclass(frozen=True)
class Seen:
    """A changed picture.

    Attributes:
        picture: uint8 (height, width, channels).
        labels: of its objects.
        sources: numbers of the pictures that it was made from, the sample's own first; those that only
            lent an object are left out.
    """

    picture: np.ndarray
    labels: Labels
    sources: tuple[int, ...]


def labels_of(scene: Scene, matrix: np.ndarray, settings: AugmentationSettings) -> Labels:
    """The objects of a scene after the change with this matrix, (3, 3)."""
    cut, kept = clip_boxes(transform_boxes(scene.boxes, matrix), settings)
    hidden = np.zeros(len(cut), bool)
    if settings.visible_share:
        # what a label claims beyond the picture was never to be seen
        whole = _area(transform_boxes(_inside(scene.boxes, scene.size), matrix))
        little = _area(cut) < settings.visible_share * whole
        kept, hidden = kept & ~little, little & (_area(cut) > 0) & (scene.classes >= 0)
    return Labels(cut, scene.classes, scene.names, kept, hidden)


def _inside(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.clip(boxes, 0, np.array(size * 2, boxes.dtype))


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
