"""Names of converted pictures: one stem each, however the source names them."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from detectnet.errors import UserError
from detectnet.files import printable


def unique_stems(pictures: Iterable[str]) -> dict[str, str]:
    """A stem for each picture path of a source.

    A picture keeps its own stem where no other has it. Pictures that share one get, all of them, the first
    of these that tells them apart: stem_suffix, folders_stem, folders_stem_suffix, stem_hash-of-the-path.
    So the stems do not depend on the order, and new pictures change no stem that was unique.
    """
    sharing: dict[str, list[str]] = defaultdict(list)
    for picture in sorted(pictures):
        sharing[_stem(picture)].append(picture)
    stems = {group[0]: stem for stem, group in sharing.items() if len(group) == 1}
    taken = set(sharing)
    for _, group in sorted(sharing.items()):
        if len(group) > 1:
            chosen = _told_apart(group, taken)
            taken.update(chosen.values())
            stems.update(chosen)
    return stems


def group_of(picture: str, stem: str, video_pattern: str | None) -> str:
    """The video that the file name tells (first group of the pattern), else the picture's own stem."""
    found = re.search(video_pattern, PurePosixPath(picture).name) if video_pattern else None
    return (found.group(1) if found else None) or stem


def check_pattern(video_pattern: str | None) -> None:
    """Raise UserError unless the pattern is a regular expression with a group."""
    if video_pattern is None:
        return
    try:
        groups = re.compile(video_pattern).groups
    except re.error as error:
        raise UserError(f"not a regular expression ({error})", where="video_pattern") from error
    if groups < 1:
        raise UserError(
            "the pattern has no group", where="video_pattern", remedy="Put the video's name in ( )."
        )


def _told_apart(group: list[str], taken: set[str]) -> dict[str, str]:
    for form in (_with_suffix, _with_folders, _with_both):
        names = [form(picture) for picture in group]
        if len(set(names)) == len(group) and taken.isdisjoint(names):
            return dict(zip(group, names, strict=True))
    return {picture: f"{_stem(picture)}_{_hash(picture)}" for picture in group}


def _stem(picture: str) -> str:
    return printable(PurePosixPath(picture).stem)


def _with_suffix(picture: str) -> str:
    return f"{_stem(picture)}_{printable(PurePosixPath(picture).suffix[1:])}"


def _with_folders(picture: str) -> str:
    return "_".join([*map(printable, PurePosixPath(picture).parent.parts), _stem(picture)])


def _with_both(picture: str) -> str:
    return f"{_with_folders(picture)}_{printable(PurePosixPath(picture).suffix[1:])}"


def _hash(picture: str) -> str:
    return hashlib.sha256(printable(picture).encode()).hexdigest()[:16]
