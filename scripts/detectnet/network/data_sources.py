"""Which entry of ``dataset_config.data_sources`` a record file belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from detectnet.data.data_root import places
from detectnet.data.tfrecord import source_of


def entries_of(shard: Path, patterns: Sequence[str]) -> tuple[int, ...]:
    """The entries whose record files ``shard`` may be one of, as ascending indices.

    A path that matches decides. Where none does, the end of the path decides, so that a pattern also holds
    below another folder, and then the name up to ``-fold-``: a workflow may keep records where the spec
    does not know of.

    Args:
        shard: a record file.
        patterns: ``tfrecords_path`` of every entry.
    """
    own = shard.absolute()
    tests = (
        lambda pattern: any(own.match(str(place.absolute())) for place in places(pattern)),
        own.match,
        lambda pattern: fnmatchcase(source_of(shard), source_of(pattern)),
    )
    for test in tests:
        found = tuple(
            index for index, pattern in enumerate(patterns) if PurePath(pattern).parts and test(pattern)
        )
        if found:
            return found
    return ()
