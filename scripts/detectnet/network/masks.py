"""Loss masks: how strongly each cell of a picture takes part in the cost of a class and an objective.

The filters of ``loss_mask_label_filter`` choose objects, whose rectangles are then masked, and a data
source's ``source_weight`` weighs its pictures as a whole. Other than in NVIDIA's DetectNet_v2, the class
names of a filter are those of the records, so that an object without a target class (``dontcare``) can
be masked, and a source's weight also holds for batches of one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from detectnet.errors import UserError
from detectnet.network.loss import OBJECTIVES
from detectnet.network.records import Frame, Records
from detectnet.network.targets import Targets
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message

SAMPLES = 5  # sample points per cell and axis, at 1/10, 3/10 ... 9/10 of the cell
_FILTERS = ("bbox_dimensions_label_filter", "bbox_crop_label_filter", "source_class_label_filter")


@dataclass(frozen=True)
class LabelFilter:
    """Chooses objects. One of ``size``, ``crop`` and ``names`` is given, the others are None.

    Attributes:
        masked: pairs of class and objective, as indices, whose cost is masked.
        size: smallest width and height, largest width and height, pixels, all inclusive.
        crop: x1, y1, x2, y2 in pixels; what overlaps it by more than an edge is chosen.
        names: classes in the records, lower case; the filter is not limited to objects of the masked class.
    """

    masked: tuple[tuple[int, int], ...]
    size: tuple[float, float, float, float] | None = None
    crop: tuple[float, float, float, float] | None = None
    names: frozenset[str] | None = None

    def chosen(self, boxes: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Which objects, (N,) bool, of these boxes (N, 4) in input pixels and these record classes."""
        if self.names is not None:
            return np.array([name.lower() in self.names for name in names], bool)
        near, far = boxes[:, :2], boxes[:, 2:]
        if self.size is not None:
            return np.all((far - near >= self.size[:2]) & (far - near <= self.size[2:]), axis=1)
        return np.all((near < self.crop[2:]) & (far > self.crop[:2]), axis=1)


@dataclass(frozen=True)
class MaskSettings:
    """What masks are made of; the defaults mask nothing.

    Attributes:
        grid: rows and columns of the output grid. stride: pixels per cell. classes: number of them.
        filters: whose objects are masked; an object needs one of them.
        multiplier: of the cost inside their rectangles.
        preserve: whether cells in which an object of the class is drawn count in full nevertheless.
        weights: ``source_weight`` of every data source; empty where all weigh 1.
        hides: cells of an object of which too little is seen do not count for its class.
    """

    grid: tuple[int, int] = (1, 1)
    stride: int = 16
    classes: int = 1
    filters: tuple[LabelFilter, ...] = ()
    multiplier: float = 0.0
    preserve: bool = False
    weights: tuple[float, ...] = ()
    hides: bool = False

    @property
    def active(self) -> bool:
        """Whether there is anything to mask or weigh."""
        return bool(self.spatial or self.weights)

    @property
    def spatial(self) -> bool:
        """Whether the cells of a picture can count differently."""
        return bool(self.filters or self.hides)

    @classmethod
    def from_spec(cls, experiment: Message) -> MaskSettings:
        """Read ``loss_mask_label_filter`` and ``dataset_config.data_sources``.

        Raises:
            UserError: a filter is empty, or for a class or an objective that there is not.
        """
        contract, given = contract_of(experiment), experiment.loss_mask_label_filter
        weights = [one.source_weight for one in experiment.dataset_config.data_sources]
        return cls(
            grid=(contract.height // contract.stride, contract.width // contract.stride),
            stride=contract.stride,
            classes=len(contract.classes),
            filters=tuple(_filter(one, contract.classes) for one in given.objective_label_filter_configs),
            multiplier=given.mask_multiplier,
            preserve=given.preserve_ground_truth,
            weights=tuple(weights) if any(weight != 1 for weight in weights) else (),
        )


def _filter(config: Message, classes: Sequence[str]) -> LabelFilter:
    wanted = (
        _indices(config, "target_class_names", classes),
        _indices(config, "objective_names", OBJECTIVES),
    )
    masked = tuple((kind, objective) for kind in wanted[0] for objective in wanted[1])
    given = config.label_filter
    size, crop = given.bbox_dimensions_label_filter, given.bbox_crop_label_filter
    if given.has("bbox_dimensions_label_filter"):
        least, most = (size.min_width, size.min_height), (size.max_width, size.max_height)
        return LabelFilter(masked, size=(*least, *_limits(*most)))
    if given.has("bbox_crop_label_filter"):
        return LabelFilter(
            masked, crop=(crop.crop_left, crop.crop_top, *_limits(crop.crop_right, crop.crop_bottom))
        )
    names = given.source_class_label_filter.source_class_names
    if not names:
        raise UserError("the filter is empty", where=config.where("label_filter"), allowed=_FILTERS)
    return LabelFilter(masked, names=frozenset(name.lower() for name in names))


def _limits(*values: float) -> tuple[float, ...]:
    """An upper limit of 0 is one that is not set."""
    return tuple(value or np.inf for value in values)


def _indices(config: Message, field: str, names: Sequence[str]) -> list[int]:
    """Indices of the names that the field gives, all where it gives none."""
    given = getattr(config, field) or names
    unknown = [name for name in given if name not in names]
    if unknown:
        raise UserError(f"there is no '{unknown[0]}'", where=config.where(field), allowed=names)
    return [names.index(name) for name in given]


def draw_mask(
    boxes: np.ndarray,
    classes: np.ndarray,
    names: Sequence[str],
    settings: MaskSettings,
    hidden: np.ndarray | None = None,
) -> np.ndarray:
    """The mask of one picture, (h, w, C, 2) float32: 1, and the multiplier inside chosen objects.

    Args:
        boxes: (N, 4) x1 y1 x2 y2 in input pixels.
        classes: (N,) target classes, -1 for none.
        names: N classes in the records.
        hidden: (N,) bool, objects that are neither objects nor background: the mask is 0 inside, where no
            other of their class is; none by default.

    Filters by size and by crop mask the objects of a class for that class; filters by name mask whatever
    has the name. Where no cell can differ the mask is (1, 1, 1, 2), which stands for any.
    """
    if not settings.spatial:
        return np.ones((1, 1, 1, len(OBJECTIVES)), np.float32)
    chosen = np.zeros((len(boxes), settings.classes, len(OBJECTIVES)), bool)
    for one in settings.filters:
        found = one.chosen(boxes, names)
        for kind, objective in one.masked:
            chosen[:, kind, objective] |= found & ((classes == kind) | (one.names is not None))
    mask = np.ones((*settings.grid, settings.classes, len(OBJECTIVES)), np.float32)
    for box, pairs in zip(boxes, chosen, strict=True):
        rows, columns = _cells_of(box, settings)
        mask[rows, columns, pairs] = settings.multiplier
    if hidden is not None and hidden.any():
        mask[_cells_of_all(boxes, classes, hidden, settings)] = 0
    return mask


def _cells_of_all(
    boxes: np.ndarray, classes: np.ndarray, hidden: np.ndarray, settings: MaskSettings
) -> np.ndarray:
    """The cells, (h, w, C) bool, of hidden objects and of no other object of their class."""
    found = np.zeros((2, *settings.grid, settings.classes), bool)
    for box, kind, out in zip(boxes, classes, hidden, strict=True):
        if kind >= 0:
            found[(int(out), *_cells_of(box, settings), kind)] = True
    return found[1] & ~found[0]


def _cells_of(box: np.ndarray, settings: MaskSettings) -> tuple[slice, slice]:
    """Rows and columns of a box (4,), pixels."""
    x1, y1, x2, y2 = box
    return (
        _cells(y1, y2, settings.stride, settings.grid[0]),
        _cells(x1, x2, settings.stride, settings.grid[1]),
    )


def _cells(start: float, end: float, stride: int, count: int) -> slice:
    """The cells, of ``count``, with a sample point from ``start`` to before ``end``, pixels."""
    first, last = (
        int(np.clip(np.ceil(one * SAMPLES / stride - 0.5), 0, count * SAMPLES)) for one in (start, end)
    )
    return slice(first // SAMPLES, (last - 1) // SAMPLES + 1) if last > first else slice(0, 0)


def with_mask(targets: Targets, masks: tf.Tensor, weights: tf.Tensor, settings: MaskSettings) -> Targets:
    """The targets of a batch with its masks (B, h, w, C, 2) and its pictures' weights (B,), float32."""
    if settings.preserve:
        masks = tf.where(targets.cov[..., tf.newaxis] > 0, 1.0, masks)
    return targets._replace(mask=masks * tf.reshape(weights, (-1, 1, 1, 1, 1)))


def weights_of(records: Records, settings: MaskSettings) -> np.ndarray:
    """The weight of every picture, (N,) float32.

    Raises:
        UserError: it is not clear which data source a picture comes from, and they weigh differently.
    """
    if not settings.weights:
        return np.ones(len(records), np.float32)
    one_of_each = {frame.data_source: frame for frame in records.frames}
    known = {source: _weight(frame, settings) for source, frame in one_of_each.items()}
    return np.array([known[frame.data_source] for frame in records.frames], np.float32)


def _weight(frame: Frame, settings: MaskSettings) -> float:
    found = {settings.weights[index] for index in frame.data_sources}
    if len(found) == 1:
        return found.pop()
    raise UserError(
        f"the source_weight of the pictures of '{frame.source}' is not clear: "
        + (f"it could be {' or '.join(f'{one:g}' for one in sorted(found))}" if found else "there is none"),
        where="dataset_config.data_sources",
        remedy=f"Write tfrecords_path so that one source alone matches the shards {frame.source}-fold-*.",
    )
