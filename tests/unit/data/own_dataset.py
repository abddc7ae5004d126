"""A user's own KITTI and COCO folders with tiny pictures, and conversion specs for them."""

from __future__ import annotations

import json
import random
from pathlib import Path

from PIL import Image
from staged import scene

from detectnet import spec

LINE = "{name} 0.25 1 -1.5 {x1} {y1} {x2} {y2} 1.5 1.6 3.9 1.8 1.4 8.4 0.01\n"


def line(name="Car", box=(1.5, 2.25, 20.0, 15.75)):
    return LINE.format(name=name, x1=box[0], y1=box[1], x2=box[2], y2=box[3])


def kitti_folder(root, pictures, extension=".png", size=(32, 24)):
    """``pictures``: stem -> text of its label file, None for no label file."""
    (root / "image_2").mkdir(parents=True)
    (root / "label_2").mkdir()
    for number, (stem, text) in enumerate(pictures.items()):
        Image.fromarray(scene(number, *size)).save(root / "image_2" / f"{stem}{extension}")
        if text is not None:
            (root / "label_2" / f"{stem}.txt").write_text(text)
    return root


def kitti_spec(root, text="", more=""):
    head = f'root_directory_path: "{root}" image_dir_name: "image_2" label_dir_name: "label_2"'
    return spec.parse(f"kitti_config {{ {head} {text} }} {more}", "dataset", "convert.cfg")


def coco_folder(root, partitions):
    """``partitions``: name -> {file name: [(category, x, y, w, h), ...]}."""
    names = sorted({one[0] for part in partitions.values() for boxes in part.values() for one in boxes})
    numbers = {name: number for number, name in enumerate(names, start=7)}
    for part, pictures in partitions.items():
        (root / part).mkdir(parents=True)
        images, annotations = [], []
        for number, (name, boxes) in enumerate(pictures.items()):
            Image.fromarray(scene(hash_of(name), 32, 24)).save(root / part / name)
            images.append({"id": number, "file_name": name, "width": 32, "height": 24})
            annotations += [
                {
                    "id": len(annotations) + index,
                    "image_id": number,
                    "category_id": numbers[label],
                    "bbox": box,
                }
                for index, (label, *box) in enumerate(boxes)
            ]
        categories = [{"id": number, "name": name} for name, number in numbers.items()]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{part}.json").write_text(json.dumps(content))
    return root


def hash_of(name):
    return random.Random(name).randrange(2**31)


def coco_spec(root, parts, text=""):
    folders = " ".join(f'img_dir_names: "{part}"' for part in parts)
    files = " ".join(f'annotation_files: "{part}.json"' for part in parts)
    return spec.parse(
        f'coco_config {{ root_directory_path: "{root}" {folders} {files} {text} }}', "dataset", "coco.cfg"
    )


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
