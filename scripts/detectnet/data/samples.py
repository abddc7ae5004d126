"""NVIDIA's ``sample_modifier_config``: which training pictures are left out, repeated, or too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.data import kitti

if TYPE_CHECKING:
    from detectnet.spec import Message


@dataclass(frozen=True)
class Picture:
    """A picture to pack.

    ``frame_id`` is ``images/<stem>``; ``image`` and ``label`` are its files, ``width`` and ``height`` its
    size in pixels. ``given`` holds the labels where they are known already, else they are read from
    ``label``. ``listed_as`` names the labels where one of them is listed as left out.
    """

    frame_id: str
    image: Path
    label: Path
    width: int
    height: int
    listed_as: str
    given: tuple[kitti.Label, ...] | None = None

    def labels(self) -> list[kitti.Label]:
        """The labels; raises UserError where the file is missing or damaged."""
        return kitti.read_labels(self.label) if self.given is None else list(self.given)


def modified(pictures: list[Picture], config: Message) -> list[Picture]:
    """The training pictures as ``sample_modifier_config`` wants them, in the order given.

    A picture that has objects, but only of ``filter_samples_containing_only``, is left out. Where a class
    outnumbers the ``dominant_target_classes`` of the picture by more than its
    ``minimum_target_class_imbalance`` (1.0 where none is given) the picture comes ``num_duplicates``
    times more. After ``max_training_samples`` (0: no limit) it ends. ``source_to_target_class_mapping``
    renames classes for these rules only. Class names match in any case, like those of label files.
    """
    limit = config.max_training_samples or None
    if not config.filter_samples_containing_only and not config.num_duplicates:
        return pictures[:limit]
    return [picture for one in pictures for picture in _copies(one, config)][:limit]


def _copies(picture: Picture, config: Message) -> Iterator[Picture]:
    renamed = {key.lower(): value.lower() for key, value in config.source_to_target_class_mapping.items()}
    names = (label.name for label in picture.labels())
    counts = Counter(renamed.get(name, name) for name in names)
    if counts and set(counts) <= _lower(config.filter_samples_containing_only):
        return
    yield picture
    if _is_rare(counts, config):
        yield from [picture] * config.num_duplicates


def _is_rare(counts: Counter, config: Message) -> bool:
    dominant = _lower(config.dominant_target_classes)
    common = sum(counts[name] for name in dominant)
    ratios = {name.lower(): ratio for name, ratio in config.minimum_target_class_imbalance.items()}
    return bool(dominant) and any(
        count > ratios.get(name, 1.0) * common for name, count in counts.items() if name not in dominant
    )


def _lower(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}
