"""Checks of what names the data: dataset_config, and the conversion spec."""

from __future__ import annotations

from detectnet.errors import did_you_mean
from detectnet.spec import findings
from detectnet.spec.findings import Found
from detectnet.spec.message import Message

EXTENSIONS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff", "webp", "fp16")


def check_data(data: Message) -> Found:
    """dataset_config: the extension of the pictures, and what is validated on."""
    yield from _extension(data, dotted=False)
    if data.validation_fold:
        yield findings.replaced(data, "validation_fold", "fold 0")
    if not data.has("validation_fold") and not data.has("validation_data_source"):
        text = "neither validation_fold nor validation_data_source: the rules validate on fold 0 all the same"
        yield findings.note(data, "", text)


def _extension(message: Message, dotted: bool) -> Found:
    """NVIDIA's converter wants the dot, its trainer does not; both are understood with and without."""
    given = message.image_extension
    bare = given.lower().removeprefix(".")
    if bare and bare not in EXTENSIONS:
        remedy = did_you_mean(bare, EXTENSIONS)
        what = f'"{given}" is no extension of a picture.'
        yield findings.problem(message, "image_extension", what, ", ".join(EXTENSIONS), remedy)
    elif message.has("image_extension") and bare and given.startswith(".") != dotted:
        text = f'"{given}" is understood; TAO wants it {"with" if dotted else "without"} the dot here'
        yield findings.note(message, "image_extension", text)


def check_conversion(spec: Message) -> Found:
    """A conversion spec: one of two formats, and numbers that agree with the partitions."""
    if not spec.has("kitti_config") and not spec.has("coco_config"):
        yield findings.missing(spec, "kitti_config", "kitti_config or coco_config")
    if spec.has("kitti_config"):
        yield from _kitti(spec.kitti_config)
    if spec.has("coco_config"):
        yield from _coco(spec.coco_config)


def _kitti(kitti: Message) -> Found:
    yield from _extension(kitti, dotted=True)
    if kitti.has("partition_mode") and kitti.partition_mode == "random":
        text = (
            "the validation part is the first val_split percent of the sorted names, as in TLT; "
            '"grouped" keeps near-duplicates and frames of one video together'
        )
        yield findings.note(kitti, "partition_mode", text)
    if kitti.val_split == 100:
        text = "100: every picture is for validation, none is left to train on"
        yield findings.note(kitti, "val_split", text)
    if 0 < kitti.val_split < 1:
        text = f"{kitti.val_split:g} is less than one percent; a share of {kitti.val_split:g} is written as "
        yield findings.note(kitti, "val_split", f"{text}{100 * kitti.val_split:g}")
    if kitti.partition_mode == "sequence" and not kitti.kitti_sequence_to_frames_file:
        allowed = "the name of a JSON file below root_directory_path, which maps sequences to their frames"
        remedy = 'partition_mode: "sequence" deals these sequences.'
        yield findings.missing(kitti, "kitti_sequence_to_frames_file", allowed, remedy)
    if kitti.num_partitions != 2:
        yield from _partitions(kitti)


def _partitions(kitti: Message) -> Found:
    if kitti.partition_mode == "sequence":
        yield findings.replaced(kitti, "num_partitions", "2 partitions, validation and training")
    else:
        what = f"there are 2 partitions in {kitti.partition_mode} mode, validation and training."
        yield findings.problem(kitti, "num_partitions", what, "2", "Write 2 or leave it out.")


def _coco(coco: Message) -> Found:
    count = coco.num_partitions
    for field in ("img_dir_names", "annotation_files"):
        if coco.has(field) and len(getattr(coco, field)) != count:
            yield findings.problem(coco, field, f"needs one entry for each of the {count} partitions.")
    if coco.has("num_shards") and len(coco.num_shards) not in (1, count):
        yield findings.problem(coco, "num_shards", f"needs one entry, or {count}.")
    if count != 2:
        yield findings.replaced(coco, "num_partitions", "2 partitions, validation and training")
    text = "no val_split: in the rules validation pictures are those of the sources with `fold: validation`"
    yield findings.note(coco, "", text)
