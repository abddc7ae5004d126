"""Which record files a training reads and which it is validated on, as ``dataset_config`` says."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.data.data_root import places, say_working_directory
from detectnet.errors import UserError
from detectnet.logs import log

if TYPE_CHECKING:
    from detectnet.spec import Message

COMPANIONS = ("_warning.json", "_corrections.json", ".manifest.csv")
"""Ends of the names of the lists that stand beside record files and that ``folder/*`` matches as well."""


def chosen_files(dataset_config: Message) -> tuple[list[Path], list[Path]]:
    """The record files for training and for validation; a file is never listed twice in one of them.

    With ``validation_fold: N`` the files of all ``data_sources`` whose *name* contains ``fold-N-of-``
    (three digits) are for validation, all others for training; TAO looks at the whole path, where a
    folder of that name would match, too. With ``validation_data_source`` its files, of every fold, are for
    validation and all of ``data_sources`` for training. Of both, the last one in the spec is in effect;
    with neither there is no validation. A list that comes out empty is said in the log: a conversion
    with ``val_split: 0`` writes its training pictures as fold 0.

    Raises:
        UserError: a ``tfrecords_path`` matches no file.
    """
    every = _unique([file for source in dataset_config.data_sources for file in files_of(source)])
    if dataset_config.has("validation_data_source"):
        return every, files_of(dataset_config.validation_data_source)
    if not dataset_config.has("validation_fold"):
        return every, []
    part = f"fold-{dataset_config.validation_fold:03d}-of-"
    validation = [file for file in every if part in file.name]
    training = [file for file in every if part not in file.name]
    for name, files in (("train", training), ("validate", validation)):
        if not files:
            log.warning(
                "%s: none of the %d record files is left to %s on: validation is on those with '%s' in "
                "their names, training on the others",
                dataset_config.where("validation_fold"),
                len(every),
                name,
                part,
            )
    return training, validation


def files_of(data_source: Message) -> list[Path]:
    """The files that a source's ``tfrecords_path`` (a glob) matches, sorted by path.

    Folders and the lists beside record files (`COMPANIONS`) are passed over. A relative path is looked
    for as in `detectnet.data.data_root.places`.

    Raises:
        UserError: there is no such file.
    """
    pattern = data_source.tfrecords_path
    tried = places(pattern)
    for place in tried:
        found = sorted(glob.glob(str(place)))  # noqa: PTH207 - refuses patterns that TAO takes, "a**"
        files = [path for path in map(Path, found) if _is_record_file(path)]
        if files:
            if place is not tried[0]:
                say_working_directory(pattern)
            return files
    is_folder = any(place.is_dir() for place in tried)
    raise UserError(
        f"no record file matches '{pattern}'",
        where=data_source.where("tfrecords_path"),
        remedy=f"It is a folder: write '{pattern.rstrip('/')}/*'."
        if is_folder
        else f"Looked for: {', '.join(map(str, tried))}. Convert the data set first, or mend the path.",
    )


def _is_record_file(path: Path) -> bool:
    return path.is_file() and not path.name.endswith(COMPANIONS)


def _unique(files: list[Path]) -> list[Path]:
    return list(dict.fromkeys(files))
