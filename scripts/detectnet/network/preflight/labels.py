"""Labels that never reach the network, or that no evaluation looks at."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectnet.data.boxes import height, width
from detectnet.detection.metrics import inside
from detectnet.errors import nearest
from detectnet.logs import log
from detectnet.network import augmentation
from detectnet.network.inputs import InputSettings, fit_sizes, moved
from detectnet.network.preflight.finding import Finding, Share, error, of_classes, share, warning
from detectnet.network.records import Records
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message

MAPPING = "target_class_mapping"
_ALIKE = 0.8  # ratio of difflib from which on two class names are one name with a slip


@dataclass(frozen=True)
class Labels:
    """All boxes of the target classes in a set of records.

    Attributes:
        frame: (N,) int64, index of the picture.
        classes: (N,) int32, index of the class.
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the picture at network size, before any cut.
        cut: (N, 4) the same, cut to the network's frame.
        kept: (N,) bool, large enough after the cut to be trained and evaluated.
        names: N classes in the records.
        sizes: (F, 2) width and height of what every picture fills, before any cut, from the top left corner.
    """

    frame: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    cut: np.ndarray
    kept: np.ndarray
    names: list[str]
    sizes: np.ndarray

    @classmethod
    def of(cls, records: Records, inputs: InputSettings) -> Labels:
        """Gather them."""
        frames = records.frames
        given = np.array([one.size for one in frames])
        frame = np.repeat(np.arange(len(frames)), [len(one.boxes) for one in frames])
        boxes = moved(np.concatenate([one.boxes for one in frames]), given[frame], inputs)
        cut, kept = augmentation.clip_boxes(boxes, inputs.augmentation)
        classes = np.concatenate([one.classes for one in frames])
        names = [name for one in frames for name in one.names]
        return cls(frame, classes, boxes, cut, kept, names, fit_sizes(given, inputs) - inputs.corner)

    def of_class(self, index: int) -> np.ndarray:
        """The boxes (n, 4) of a class that training and evaluation see."""
        return self.cut[self.kept & (self.classes == index)]


@dataclass(frozen=True)
class Losses:
    """What pictures and boxes lose on their way to the network, before any augmentation.

    Attributes:
        cut: pictures that are larger than the network.
        padded: pictures that are smaller than the network in one direction, and larger in none.
        outside: boxes that leave the picture, so that too little of them is left.
        small: boxes below ``min_bbox_width`` or ``min_bbox_height`` as they are.
    """

    cut: int
    padded: int
    outside: int
    small: int


def losses_of(records: Records, inputs: InputSettings) -> Losses:
    """Count them over all pictures."""
    return _losses(Labels.of(records, inputs), inputs)


def _losses(labels: Labels, inputs: InputSettings) -> Losses:
    goal = inputs.targets.width, inputs.targets.height
    larger, smaller = (np.any(test(labels.sizes, goal), axis=1) for test in (np.greater, np.less))
    sides = labels.boxes[:, 2:] - labels.boxes[:, :2]
    large = np.all(sides >= inputs.augmentation.minimum_box, axis=1)
    return Losses(
        cut=int(larger.sum()),
        padded=int((smaller & ~larger).sum()),
        outside=int((~labels.kept & large).sum()),
        small=int((~labels.kept & ~large).sum()),
    )


def warn_of_losses(records: Records, inputs: InputSettings) -> None:
    """Log what training and evaluation will not see of these records, if there is anything."""
    for one in loss_findings(Labels.of(records, inputs), inputs, "records"):
        log.warning("%s", one.sentence())


def loss_findings(labels: Labels, inputs: InputSettings, where: str) -> Iterator[Finding]:
    """Pictures that do not fit the network, and boxes that are lost with it or for being small."""
    lost, size, boxes = _losses(labels, inputs), inputs.targets, len(labels.boxes)
    resize = (
        "Resize the pictures before they are packed, or set "
        "augmentation_config.preprocessing.enable_auto_resize: true."
    )
    of_all = f"of {len(labels.sizes)} pictures are"
    goal = f"the network's {size.width} x {size.height}"
    if lost.cut and inputs.cropped:
        if lost.outside:
            text = (
                f"{lost.outside} of {boxes} boxes lie outside the crop and are neither trained nor evaluated"
            )
            yield warning("picture-cut", text, where, "Widen crop_left to crop_bottom if they are meant.")
    elif lost.cut:
        text = (
            f"{lost.cut} {of_all} larger than {goal} and are cut; {lost.outside} of {boxes} boxes lie "
            "outside what is left and are neither trained nor evaluated"
        )
        yield warning("picture-cut", text, where, resize)
    elif lost.outside:
        text = "boxes lie outside their pictures and are neither trained nor evaluated"
        yield from share("box-outside", lost.outside, boxes, text, where, "Mend the labels.")
    if lost.padded:
        text = f"{lost.padded} {of_all} smaller than {goal} and are padded, while inference enlarges pictures"
        yield warning("picture-padded", text, where, resize)
    if lost.small:
        least = "{:g} x {:g}".format(*inputs.augmentation.minimum_box)
        text = f"boxes are smaller than {least} pixels and are neither trained nor evaluated"
        remedy = (
            "To keep them, lower min_bbox_width and min_bbox_height in augmentation_config.preprocessing, "
            "or resize the pictures to a larger network input."
        )
        yield from share("box-small", lost.small, boxes, text, where, remedy)


def class_findings(experiment: Message, labels: Labels, what: str) -> Iterator[Finding]:
    """Target classes without a box that the network sees in the ``what`` records."""
    names = contract_of(experiment).classes
    where = experiment.dataset_config.where(MAPPING)
    empty = [name for index, name in enumerate(names) if not len(labels.of_class(index))]
    if not empty:
        return
    make = error if len(empty) == len(names) and what == "training" else warning
    listed = ", ".join(f"'{name}'" for name in empty)
    text = (
        f"the {what} records hold {len(labels.sizes)} pictures with {len(labels.boxes)} objects, "
        f"and not one object of {listed} that the network gets to see"
    )
    if what == "validation":
        text += ": no mAP, and the last weights are kept" if len(empty) == len(names) else ": no AP for it"
    remedy = "Look at target_class_mapping, at the split, and at what was dropped on the way to the records."
    yield make("class-without-boxes", text, where, remedy)


def mapping_findings(experiment: Message, *sets: Records | None) -> Iterator[Finding]:
    """Keys that match nothing, and names that differ from a key by a slip."""
    dataset = experiment.dataset_config
    where = dataset.where(MAPPING)
    keys = [key.lower() for key in dataset.target_class_mapping]
    mapped = {name for one in sets if one for frame in one.frames for name in frame.names}
    unmapped = sum((Counter(one.unmapped) for one in sets if one), Counter())
    unused = [key for key in keys if key not in mapped]
    if unused:
        close = {key: nearest(key, unmapped) for key in unused}
        listed = ", ".join(
            f"'{key}'" + (f" (the records have '{near}')" if near else "") for key, near in close.items()
        )
        text = f"{len(unused)} of {len(keys)} keys match no object: {listed}"
        yield warning("mapping-key", text, where, "Keys are the class names of the records, lower case.")
    for name, count in sorted(unmapped.items()):
        alike = difflib.get_close_matches(name, keys, n=1, cutoff=_ALIKE)
        if alike:
            text = f"{count} objects '{name}' are background, though the name is near the key '{alike[0]}'"
            yield warning("mapping-near-miss", text, where, f"Map '{name}' as well if it is meant.")


def filter_findings(experiment: Message, labels: Labels) -> Iterator[Finding]:
    """Ground truth that no evaluation looks at, or whose detections are dropped for their size."""
    evaluation, contract = experiment.evaluation_config, contract_of(experiment)
    neutral = evaluation.minimum_width_neutral
    every = labels.cut[labels.kept]
    text = f"boxes to evaluate are narrower than {neutral:g} pixels and neutral"
    where = evaluation.where("minimum_width_neutral")
    count = int((width(every) < neutral).sum())
    yield from share("neutral-width", count, len(every), text, where, "Lower minimum_width_neutral.")
    seen = {name: labels.of_class(index) for index, name in enumerate(contract.classes)}
    for of_one in (_size_filter, _height_filter):
        yield from of_classes([of_one(experiment, name, boxes) for name, boxes in seen.items()])


def _size_filter(experiment: Message, name: str, boxes: np.ndarray) -> Share:
    evaluation = experiment.evaluation_config
    limits = evaluation.evaluation_box_config[name]
    allowed = (limits.minimum_width, limits.maximum_width, limits.minimum_height, limits.maximum_height)
    spoken = "{} to {} wide and {} to {} high".format(*allowed)
    return Share(
        "size-filter",
        int((~inside(boxes, allowed)).sum()),
        len(boxes),
        f"boxes of '{name}' are not {spoken} in network pixels: the AP of TAO's kinds does not count them",
        evaluation.where(f"evaluation_box_config[{name}]"),
        "Set the limits in pixels of the network's input, not of the original pictures.",
    )


def _height_filter(experiment: Message, name: str, boxes: np.ndarray) -> Share:
    config = experiment.postprocessing_config.target_class_config[name].clustering_config
    least = config.minimum_bounding_box_height
    return Share(
        "height-filter",
        int((height(boxes) <= least).sum()),
        len(boxes),
        f"boxes of '{name}' are not higher than {least} network pixels: detections like them are dropped",
        config.where("minimum_bounding_box_height"),
        "Lower minimum_bounding_box_height.",
    )


def slip_findings(labels: Labels, where: str) -> Iterator[Finding]:
    """Boxes that stand twice."""
    rows = np.column_stack([labels.frame, labels.classes, labels.boxes])
    twice = len(rows) - len(np.unique(rows, axis=0))
    if twice:
        text = f"{twice} of {len(rows)} boxes stand twice on their pictures with the same class"
        yield warning("box-twice", text, where, "Mend the labels: one of two equal boxes is never found.")
