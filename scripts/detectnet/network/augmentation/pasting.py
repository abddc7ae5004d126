"""Objects, cut out of one picture and pasted into another (after Ghiasi et al., 2021, with soft edges)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detectnet.network.augmentation.geometry import clip_boxes
from detectnet.network.augmentation.scene import Labels, Scene
from detectnet.network.augmentation.settings import AugmentationSettings

_MARGIN = 0.15  # of the object's width and height, on every side
_WIDTHS = (10.0, 160.0)  # pixels, of pasted objects
_LARGEST_GROWTH = 2.0  # beyond it there is nothing but blur to see
_LEAST = (6.0, 4.0)  # width and height, pixels, of objects worth pasting
_PLACES = 8  # tried before an object is left out
_GAINS = (0.5, 2.0)


@dataclass(frozen=True)
class Cutting:
    """An object with its margin.

    Attributes:
        picture: uint8 (h, w, channels), the object and what is around it.
        box: (4,) of the object in it, pixels.
        kind: target class. name: class in the records.
    """

    picture: np.ndarray
    box: np.ndarray
    kind: int
    name: str


def cut_out(scene: Scene, random: np.random.Generator) -> Cutting | None:
    """One of the objects of a scene, at a random size; None where there is none."""
    draws = random.random(2)
    found = scene.objects(_LEAST)
    if not len(found):
        return None
    index = found[int(draws[0] * len(found))]
    box = np.clip(scene.boxes[index].astype(np.float64), 0, scene.size * 2)
    extent = box[2:] - box[:2]
    least, most = _WIDTHS
    most = max(least, min(most, _LARGEST_GROWTH * extent[0]))
    factor = least * (most / least) ** draws[1] / extent[0]
    margin = _MARGIN * extent
    start = np.maximum(np.floor(box[:2] - margin), 0).astype(int)
    end = np.minimum(np.ceil(box[2:] + margin), scene.size).astype(int)
    part = scene.picture[start[1] : end[1], start[0] : end[0]]
    size = np.maximum(np.rint((end - start) * factor), 1).astype(int)
    resized = cv2.resize(
        part, size.tolist(), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    )
    scaled = (box - np.tile(start, 2)) * np.tile(size / (end - start), 2)
    return Cutting(
        resized.reshape(size[1], size[0], -1), scaled, int(scene.classes[index]), scene.names[index]
    )


def paste(
    picture: np.ndarray,
    boxes: np.ndarray,
    content: np.ndarray,
    cuttings: Sequence[Cutting],
    random: np.random.Generator,
    settings: AugmentationSettings,
) -> tuple[np.ndarray, Labels]:
    """The picture, uint8 (height, width, channels), with the objects in it, and their labels.

    Args:
        boxes: (N, 4), what no object may cover, pixels.
        content: (4,), the part of the picture in which they are placed, as far as they fit.
        random: of the places. An object that finds none is left out.
    """
    area = np.clip(content, 0, (settings.width, settings.height) * 2)
    taken, added = boxes, []
    for one in cuttings:
        corner = _place(one.picture.shape[1::-1], area, taken, random)
        if corner is None:
            continue
        picture = picture.copy() if not added else picture
        _blend(picture, one, corner)
        added.append((one, one.box + np.tile(corner, 2)))
        taken = np.vstack([taken, [*corner, *(corner + one.picture.shape[1::-1])]])
    pasted = np.array([box for _, box in added]).reshape(-1, 4)
    return picture, Labels(
        boxes=pasted,
        classes=np.array([one.kind for one, _ in added], np.int32),
        names=tuple(one.name for one, _ in added),
        kept=clip_boxes(pasted, settings)[1],
        hidden=np.zeros(len(added), bool),
    )


def _place(
    size: tuple[int, int], area: np.ndarray, taken: np.ndarray, random: np.random.Generator
) -> np.ndarray | None:
    """The corner, (2,) whole pixels, of a place of this size in the area that covers nothing; or None."""
    start, free = np.ceil(area[:2]), np.floor(area[2:]) - np.ceil(area[:2]) - size
    places = random.random((_PLACES, 2))
    if (free < 0).any():
        return None
    for u in places:
        corner = (start + np.floor(u * (free + 1))).astype(int)
        if not np.any(np.all((taken[:, :2] < corner + size) & (taken[:, 2:] > corner), axis=1)):
            return corner
    return None


def _blend(picture: np.ndarray, cutting: Cutting, corner: np.ndarray) -> None:
    """Write the cutting into the picture, as bright as the place is, with an edge that fades."""
    (x, y), (height, width) = corner.tolist(), cutting.picture.shape[:2]
    place = picture[y : y + height, x : x + width]
    gain = np.clip((place.mean() + 1) / (cutting.picture.mean() + 1), *_GAINS) ** 0.5
    share = _feather(cutting.box, width, height)[..., np.newaxis]
    mixed = place + share * (np.minimum(cutting.picture * np.float32(gain), 255) - place)
    place[:] = np.rint(mixed).astype(np.uint8)


def _feather(box: np.ndarray, width: int, height: int) -> np.ndarray:
    """1 on the object, and falling to 0 at the edge of its margin, (height, width) float32."""
    across, along = (
        np.clip(np.minimum((at + 0.5) / max(low, 0.5), (extent - at - 0.5) / max(extent - high, 0.5)), 0, 1)
        for at, low, high, extent in (
            (np.arange(width), box[0], box[2], width),
            (np.arange(height), box[1], box[3], height),
        )
    )
    return np.outer(along, across).astype(np.float32)
