"""What a dataset conversion spec asks for, whichever of its two formats it describes."""

from __future__ import annotations

from detectnet.spec.message import Message


def shards_of(dataset: Message) -> tuple[int, int]:
    """``num_shards`` of the validation and of the training fold; 0 is one file whose name has no number.

    ``coco_config`` gives one number for both folds, one for each, or none, which is 0.
    """
    if not dataset.has("coco_config"):
        return (dataset.kitti_config.num_shards,) * 2
    counts = dataset.coco_config.num_shards or [0]
    return counts[0], counts[-1]


def share_of(dataset: Message) -> float:
    """Percent (0..100) of the pictures that are for validation.

    0 for ``coco_config``, which has no share: there the sources with a fixed fold make the validation part.
    """
    return 0.0 if dataset.has("coco_config") else dataset.kitti_config.val_split


def mode_of(dataset: Message) -> str:
    """``partition_mode``: ``grouped``, ``random`` or ``sequence``; always ``grouped`` for ``coco_config``."""
    return "grouped" if dataset.has("coco_config") else dataset.kitti_config.partition_mode
