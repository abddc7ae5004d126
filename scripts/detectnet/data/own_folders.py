"""The pictures and labels of a user's own KITTI or COCO folders, as a conversion spec names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.data import pictures
from detectnet.data.coco import CocoFile, Entry, box_of, read_coco_file
from detectnet.data.data_root import located, places
from detectnet.data.hashes import reduced_hash
from detectnet.data.kitti import Label, read_class_names, read_labels
from detectnet.errors import UserError, did_you_mean
from detectnet.files import read_json
from detectnet.logs import log

if TYPE_CHECKING:
    from detectnet.spec import Message

NAMED = 5  # of many files, so many are named in an error


@dataclass(frozen=True)
class Found:
    """A picture of the folders.

    ``frame_id`` is ``<image folder>/<stem>``, ``image`` and ``label`` its files, ``listed_as`` the name of
    its labels in the list of warnings. ``given`` holds the labels and ``classes`` their names as written,
    where they come from a COCO file; None where they stand in ``label``.
    """

    frame_id: str
    image: Path
    label: Path
    listed_as: str
    given: tuple[Label, ...] | None = None
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Seen:
    """What a look at a picture and its labels told.

    ``size`` is width and height of the stored pixels, ``turned`` whether EXIF asks to show them otherwise,
    ``phash`` and ``mirrored`` the perceptual hashes of the picture and its mirror image, ``classes`` the
    class names as the labels write them, ``problem`` what is wrong ("" for nothing; the rest is then empty).
    """

    size: tuple[int, int] = (0, 0)
    turned: bool = False
    phash: str = ""
    mirrored: str = ""
    classes: frozenset[str] = frozenset()
    problem: str = ""


def look(found: Found) -> Seen:
    """Read a picture and its labels; raises nothing, so that all problems can be told at once."""
    try:
        picture = pictures.inspect(found.image)
        if found.given is None:
            read_labels(found.label)
            classes = read_class_names(found.label)
        else:
            classes = set(found.classes or ())
    except UserError as error:
        return Seen(problem=str(error))
    hashes = reduced_hash(picture.rgb), reduced_hash(picture.rgb, mirrored=True)
    return Seen(picture.stored, picture.orientation != 1, *hashes, frozenset(classes))


def kitti_pictures(config: Message) -> list[Found]:
    """The pictures of ``kitti_config`` in NVIDIA's order: by file name.

    Raises:
        UserError: a folder does not exist, no picture has the extension, or a picture has no label file
            (an empty one says that a picture holds no object).
    """
    root = _root(config)
    images = _folder(root, config, "image_dir_name")
    labels = _folder(root, config, "label_dir_name")
    extension = _extension(config)
    names = sorted(path.name for path in images.iterdir() if path.is_file())
    stems = [name.removesuffix(extension) for name in names if name.endswith(extension)]
    others = Counter(Path(name).suffix for name in names if not name.endswith(extension))
    listed = ", ".join(f"{count} {suffix or 'without an ending'}" for suffix, count in sorted(others.items()))
    if not stems:
        raise UserError(
            f"no picture ends in '{extension}'; the folder {images} holds {listed or 'no file'}",
            where=config.where("image_extension"),
            remedy="Write the pictures' own extension, with its dot; an absent one is '.png'.",
        )
    if others:
        log.warning("%s: files that do not end in '%s' are left out: %s", images, extension, listed)
    found = [_kitti_picture(config, images, labels, stem, extension) for stem in stems]
    missing = [one.label.name for one in found if not one.label.is_file()]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(found)} pictures have no label file: {some(missing)}",
            where=labels,
            remedy="A picture without objects needs an empty file; move pictures that are not labelled away.",
        )
    return found


def _kitti_picture(config: Message, images: Path, labels: Path, stem: str, extension: str) -> Found:
    label = labels / f"{stem}.txt"
    frame_id = (Path(config.image_dir_name) / stem).as_posix()
    return Found(frame_id, images / f"{stem}{extension}", label, str(label))


def sequences(config: Message) -> dict[str, list[str]]:
    """``kitti_sequence_to_frames_file``: sequence -> its frames, in the file's order; {} where there is none.

    Raises:
        UserError: the file cannot be read, or is no map of lists of names.
    """
    name = config.kitti_sequence_to_frames_file
    if not name:
        return {}
    path = _root(config) / name
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(frames, list) for frames in content.values()):
        raise UserError("not a map of sequences to lists of frames", where=path)
    return {str(sequence): [str(frame) for frame in frames] for sequence, frames in content.items()}


def coco_pictures(config: Message) -> list[list[Found]]:
    """The pictures of ``coco_config``, partition by partition, in the order of the files.

    Class names lose their spaces, as in TAO, and are lower-cased in the records.

    Raises:
        UserError: a file or folder does not exist, a file is no COCO file, an annotation has no box or
            no category, the files do not have the same categories, or a picture is missing.
    """
    root = _root(config)
    partitions, before = [], None
    for folder, name in zip(config.img_dir_names, config.annotation_files, strict=True):
        path = root / name
        content = read_coco_file(path)
        categories = sorted(content.names.values())
        if before is not None and categories != before:
            different = sorted(set(categories) ^ set(before))
            raise UserError(
                f"its categories are not those of {config.annotation_files[0]}: {some(different)}",
                where=path,
                remedy="The files of all partitions need the same categories.",
            )
        before = categories
        _check_loose(content, path)
        partitions.append([_coco_picture(root, folder, path, content, image) for image in content.images])
    missing = [str(one.image) for part in partitions for one in part if not one.image.is_file()]
    if missing:
        raise UserError(f"{len(missing)} pictures do not exist: {some(missing)}", where=root)
    return partitions


def _check_loose(content: CocoFile, path: Path) -> None:
    if content.loose:
        ids = [str(one.get("image_id")) for one in content.loose]
        raise UserError(
            f"{len(ids)} annotations are of pictures that it does not list, with the ids {some(ids)}",
            where=path,
        )


def _coco_picture(root: Path, folder: str, path: Path, content: CocoFile, image: Entry) -> Found:
    name = Path(image["file_name"])
    entries = content.annotations.get(image["id"], [])
    classes = tuple(_category(one, content, path) for one in entries)
    labels = tuple(
        Label(name.replace(" ", "").lower(), box=_box(one, path))
        for one, name in zip(entries, classes, strict=True)
    )
    frame_id = (Path(folder) / name.with_suffix("")).as_posix()
    return Found(frame_id, root / folder / name, path, f"{path}_{name.as_posix()}", labels, classes)


def _category(annotation: Entry, content: CocoFile, path: Path) -> str:
    number = annotation.get("category_id")
    if number not in content.names:
        raise UserError(
            f"no category has the id {number!r}",
            where=f"{path} annotation {annotation.get('id', '')}",
            allowed=[f"{key} ({name})" for key, name in content.names.items()],
        )
    return content.names[number]


def _box(annotation: Entry, path: Path) -> tuple[float, float, float, float]:
    try:
        return box_of(annotation)
    except ValueError as error:
        raise UserError(str(error), where=f"{path} annotation {annotation.get('id', '')}") from error


def some(names: Sequence[str] | Iterable[str]) -> str:
    """The first few of many names."""
    names = list(names)
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _root(config: Message) -> Path:
    text = config.root_directory_path
    root = located(text)
    if not root.is_dir():
        raise UserError(
            f"the folder '{text}' does not exist",
            where=config.where("root_directory_path"),
            remedy=f"Looked for: {', '.join(map(str, places(text)))}.",
        )
    return root


def _folder(root: Path, config: Message, field: str) -> Path:
    folder = root / getattr(config, field)
    if not folder.is_dir():
        there = sorted(path.name for path in root.iterdir() if path.is_dir())
        raise UserError(
            f"the folder {folder} does not exist",
            where=config.where(field),
            allowed=there or None,
            remedy=did_you_mean(getattr(config, field), there) or None,
        )
    return folder


def _extension(config: Message) -> str:
    extension = config.image_extension
    if extension.startswith("."):
        return extension
    log.info("%s: read as '.%s': here it has its dot", config.where("image_extension"), extension)
    return f".{extension}"
