"""Where the pictures of records lie that hold none themselves, as those of NVIDIA's converter."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.data.data_root import located
from detectnet.data.record_files import files_of
from detectnet.errors import UserError

if TYPE_CHECKING:
    from detectnet.spec import Message

EXTENSIONS = ("png", "jpg", "jpeg")


class PictureFiles:
    """The pictures of a ``dataset_config``; nothing is looked at before a picture is asked for."""

    def __init__(self, dataset_config: Message) -> None:
        """Read ``data_sources``, ``validation_data_source`` and ``image_extension``.

        The extension counts with a dot and without; where it is not given, any of ``EXTENSIONS`` will do.
        """
        self._config = dataset_config
        extension = dataset_config.image_extension.removeprefix(".")
        self._extensions = (extension,) if extension else EXTENSIONS
        self._folders = lru_cache(maxsize=None)(self._folders_of)  # a shard has thousands of records

    def find(self, shard: Path, frame_id: str) -> Path | None:
        """The picture file of a record, None where there is none.

        Looked for in the folder of the shard's own data source; in all folders where the shard belongs to
        no data source of the spec.

        Raises:
            UserError: several files could be meant.
        """
        found = [path for path in self.candidates(shard, frame_id) if path.is_file()]
        if len(found) > 1:
            raise UserError(
                f"the record of {frame_id} holds no picture, and several files could be it",
                where=shard,
                allowed=found,
                remedy="Set image_extension in dataset_config, and a tfrecords_path that has this shard.",
            )
        return found[0] if found else None

    def candidates(self, shard: Path, frame_id: str) -> list[Path]:
        """The files that are looked for, whether they exist or not."""
        folders = self._folders(shard)
        return [folder / f"{frame_id}.{extension}" for folder in folders for extension in self._extensions]

    def _folders_of(self, shard: Path) -> tuple[Path, ...]:
        own = [folder for files, folder in self._sources if shard.resolve() in files]
        return tuple(dict.fromkeys(own or [folder for _, folder in self._sources]))

    @cached_property
    def _sources(self) -> list[tuple[frozenset[Path], Path]]:
        """The record files of every data source, and the folder that its ``frame/id`` start from."""
        config = self._config
        return [
            (_record_files(one), located(one.image_directory_path))
            for one in (*config.data_sources, config.validation_data_source)
            if one.image_directory_path
        ]


def missing_pictures(missing: Sequence[tuple[Path, str]], records: int, files: PictureFiles) -> UserError:
    """The error that names the pictures that were not found.

    Args:
        missing: (shard, frame id) of every record without a picture.
        records: number of all records.
        files: where they were looked for.
    """
    shard, frame_id = missing[0]
    looked = files.candidates(shard, frame_id)
    beside = sorted({path for one in looked for path in one.parent.glob(f"{glob.escape(one.stem)}.*")})
    remedy = "Set image_directory_path and image_extension in dataset_config."
    if beside:
        remedy = f'There is {beside[0]}: set image_extension: "{beside[0].suffix.removeprefix(".")}".'
    return UserError(
        f"{len(missing)} of {records} records hold no picture, and there is no picture file for them; "
        f"the first is {frame_id}, looked for as {', '.join(map(str, looked)) or 'no file at all'}",
        where=shard,
        remedy=remedy,
    )


def _record_files(source: Message) -> frozenset[Path]:
    try:
        return frozenset(path.resolve() for path in files_of(source))
    except UserError:  # the shards were named on the command line, and lie where the spec knows nothing of
        return frozenset()
