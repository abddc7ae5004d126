"""What is wrong between the records for training and those for validation, and with their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from detectnet.errors import UserError
from detectnet.network.preflight.finding import Finding, error, share, warning
from detectnet.network.records import Frame, Records

SAMPLE = 8
_SPLIT = "Look at the split: validation_fold, validation_data_source, or the shards on the command line."


def fold_findings(training: Records, validation: Records | None) -> Iterator[Finding]:
    """A validation that is empty, or that asks for pictures that were trained on."""
    if validation is None:
        text = "there are no pictures to validate on: no mAP, and the last weights are kept"
        yield warning("validation-empty", text, "validation records", _SPLIT)
        return
    trained = {frame.picture_sha256 for frame in training.frames}
    names = {_name(frame) for frame in training.frames}
    again = [frame.picture_sha256 in trained for frame in validation.frames]
    namesakes = [_name(frame) in names for frame in validation.frames]
    count = sum(again)
    if count == len(validation):
        text = f"all {count} validation pictures are trained on as well, so their mAP says nothing"
        yield error("validation-is-training", text, "validation records", _SPLIT)
    elif count:
        text = f"{count} of {len(validation)} validation pictures are trained on as well"
        yield warning("validation-overlap", text, "validation records", _SPLIT)
    same = sum(name and not seen for name, seen in zip(namesakes, again, strict=True))
    if same:
        text = f"{same} of {len(validation)} validation pictures have names, not bytes, of training pictures"
        remedy = f"If they are copies: {_SPLIT[0].lower()}{_SPLIT[1:]}"
        yield warning("validation-namesakes", text, "validation records", remedy)


def _name(frame: Frame) -> tuple[Path, str, str]:
    """Data sets that all count their pictures from 0 have records in different folders, or of other names."""
    return frame.shard.parent, frame.source, frame.frame_id


def picture_findings(records: Records, what: str) -> list[Finding]:
    """Pictures of a small sample that cannot be decoded, or have another size than the labels say."""
    sample = np.unique(np.linspace(0, len(records) - 1, SAMPLE).astype(int))
    problems = []
    for index in sample:
        try:
            records.frames[index].picture()
        except UserError as caught:
            problems.append(str(caught))
    text = (
        f"{what} pictures of a sample cannot be used; the first: {problems[0].rstrip('.')}"
        if problems
        else ""
    )
    remedy = "Write the records again from the pictures that are used."
    return share("picture-unusable", len(problems), len(sample), text, f"{what} records", remedy)
