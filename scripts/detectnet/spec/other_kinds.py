"""What a file is that is no spec: named from its bytes, its text or its JSON."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Callable
from typing import Any

import yaml

from detectnet.spec.text import Block

SECTION = re.compile(r"^\s*\[([A-Za-z][\w-]*)\]\s*(?:#.*)?$", re.MULTILINE)
_NVINFER = re.compile(r"property|class-attrs-(all|\d+)")
_DEEPSTREAM = re.compile(
    r"application|tiled-display|(source|sink)(\d+|-list|-attr-all)|streammux|osd|(primary|secondary)-gie\d*"
    r"|tracker|tests|nvds-analytics"
)
_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (.hdf5 or .h5, a Keras model or its weights)"),
    (b"PK\x03\x04", "a ZIP archive (such as a .keras model)"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"ftrt", "a TensorRT engine"),
    (b"ptrt", "a TensorRT engine"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xff\xfe", "a text in UTF-16, which protobuf cannot read; save it as UTF-8"),
    (b"\xfe\xff", "a text in UTF-16, which protobuf cannot read; save it as UTF-8"),
)
ENCRYPTED = {
    ".etlt": "an .etlt file (an encrypted export of TLT)",
    ".tlt": "a .tlt file (an encrypted model of TLT)",
}
# Messages at the top level of TAO's other networks, none of which DetectNet_v2 knows.
_NETWORKS = {
    "ssd_config": "SSD",
    "dssd_config": "DSSD",
    "retinanet_config": "RetinaNet",
    "yolo_config": "YOLOv3",
    "yolov3_config": "YOLOv3",
    "yolov4_config": "YOLOv4",
    "lpr_config": "LPRNet",
    "maskrcnn_config": "Mask R-CNN",
    "efficientdet_config": "EfficientDet",
    "network_config": "Faster R-CNN",
    "inference_config": "Faster R-CNN",
    "train_config": "image classification",
}
# Fields one level below messages that DetectNet_v2 has too.
_NETWORKS_BY_FIELD = {
    "data_class_config": "UNet",
    "model_input_width": "UNet",
    "train_csv_path": "multi-task classification",
    "training_file_pattern": "EfficientDet",
}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def may_be_spec(text: str) -> bool:
    """Whether a text could be a spec in protobuf text format, however full of mistakes."""
    return re.search("[{}<]", text) is not None and not SECTION.search(text) and not _is_python(text, [])


def binary_kind(content: bytes, suffix: str = "") -> str:
    """What a file is that is no UTF-8 text, from its first bytes; where they say nothing, from its suffix."""
    for magic, name in _MAGIC:
        if content.startswith(magic):
            return name
    if content[:1] == b"\x08" and content[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x3a", b"\x42"):
        return "an ONNX model"
    if 16 <= int.from_bytes(content[:8], "little") + 16 <= len(content):
        return "a file of TFRecords"
    length = int.from_bytes(content[:4], "little")
    if 0 < length < 64 and re.fullmatch(rb"[\w/:.-]+", content[4 : 4 + length]):
        return ENCRYPTED[".etlt"]
    if suffix in ENCRYPTED:
        return ENCRYPTED[suffix]
    if not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", content):
        return "a text that is not UTF-8; save it as UTF-8"
    return "a binary file"


def other_network(tree: Block) -> str:
    """The network of TAO whose spec has these names on top; empty when it may be DetectNet_v2."""
    names = [entry.name for entry in tree.entries]
    below = [
        one.name for entry in tree.entries if isinstance(entry.value, Block) for one in entry.value.entries
    ]
    if "classwise_clustering_config" in names:
        return "a clustering file of the Triton client"
    if {"cost_function_config", "bbox_rasterizer_config"} & set(names):
        return ""
    known = [_NETWORKS[name] for name in names if name in _NETWORKS]
    known += [_NETWORKS_BY_FIELD[name] for name in below if name in _NETWORKS_BY_FIELD]
    found = next(iter(known), "")
    return f"a TAO spec of another network ({found})" if found else ""


def json_kind(content: dict[str, Any]) -> str:
    """What a JSON object is that holds no clustering."""
    if {"images", "annotations"} & content.keys():
        return "COCO annotations"
    if "cells" in content and "nbformat" in content:
        return "a Jupyter notebook"
    if content and all(isinstance(value, list) for value in content.values()):
        return "a map from sequences to frames (kitti_sequence_to_frames_file)"
    return "a JSON file of another kind"


def text_kind(text: str) -> str:
    """What a text is that is no spec."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "an empty file"
    return next((name for looks, name in _TEXTS if looks(text, lines)), "a text file of another kind")


def _ini_with(pattern: re.Pattern[str]) -> Callable[[str, list[str]], bool]:
    return lambda text, lines: any(pattern.fullmatch(name) for name in SECTION.findall(text))


def _yaml_with(pattern: re.Pattern[str]) -> Callable[[str, list[str]], bool]:
    """DeepStream 6.1 and later takes its configurations in YAML, too."""

    def looks(text: str, lines: list[str]) -> bool:
        groups = re.findall(r"^([\w-]+):\s*(?:#.*)?$", text, re.MULTILINE)
        return sum(pattern.fullmatch(name) is not None for name in groups) > ("net-scale-factor" not in text)

    return looks


def _is_settings(text: str, lines: list[str]) -> bool:
    plain = [line for line in lines if not line.startswith(("#", ";"))]
    return bool(plain) and all(re.match(r"[\w-]+\s*=", line) for line in plain) and "-" in text


def _is_nvinfer_part(text: str, lines: list[str]) -> bool:
    return _is_settings(text, lines) and "net-scale-factor" in text


def _is_calibration(text: str, lines: list[str]) -> bool:
    return re.fullmatch(r"TRT-\d+-\w*Calibration\w*", lines[0]) is not None


def _is_kitti(text: str, lines: list[str]) -> bool:
    rows = [line.split() for line in lines]
    return all(len(row) in (15, 16) and all(map(_NUMBER.fullmatch, row[1:])) for row in rows)


def _is_yolo(text: str, lines: list[str]) -> bool:
    rows = [line.split() for line in lines]
    numbers = all(
        len(row) in (5, 6) and row[0].isdigit() and all(map(_NUMBER.fullmatch, row)) for row in rows
    )
    return numbers and all(0 <= float(number) <= 1 for row in rows for number in row[1:])


def _is_json(text: str, lines: list[str]) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


def _is_python(text: str, lines: list[str]) -> bool:
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
    try:
        return any(isinstance(node, kinds) for node in ast.parse(text).body)
    except (SyntaxError, ValueError):
        return False


def _is_yaml(text: str, lines: list[str]) -> bool:
    try:
        return isinstance(yaml.safe_load(text), (dict, list)) and "{" not in lines[0]
    except yaml.YAMLError:
        return lines[0].startswith("%YAML")


def _is_csv(text: str, lines: list[str]) -> bool:
    widths = {len(row) for row in csv.reader(lines)}
    return len(lines) > 1 and len(widths) == 1 and widths.pop() > 1


def _is_labels(text: str, lines: list[str]) -> bool:
    return all(re.fullmatch(r"[\w .;+&/()'-]+", line) for line in lines)


_TEXTS: tuple[tuple[Callable[[str, list[str]], bool], str], ...] = (
    (_ini_with(_NVINFER), "an nvinfer configuration (DeepStream's inference plug-in)"),
    (_ini_with(_DEEPSTREAM), "a deepstream-app configuration"),
    (lambda text, lines: bool(SECTION.search(text)), "an INI file"),
    (_is_nvinfer_part, "an nvinfer configuration without its [property] section"),
    (_is_settings, "a list of settings (name=value)"),
    (_is_calibration, "an INT8 calibration cache of TensorRT"),
    (_is_kitti, "a KITTI label file"),
    (_is_yolo, "a YOLO label file"),
    (_is_json, "a JSON file of another kind"),
    (lambda text, lines: lines[0].startswith("#!"), "a script"),
    (lambda text, lines: lines[0].startswith("<"), "an XML or HTML file"),
    (_is_python, "a Python file"),
    (_is_csv, "a CSV table"),
    (
        lambda text, lines: all(re.fullmatch(r"[\w .;+&/()'-]+", line) for line in lines),
        "a list of labels (labels.txt)",
    ),
    (_yaml_with(_NVINFER), "an nvinfer configuration in YAML (DeepStream's inference plug-in)"),
    (_yaml_with(_DEEPSTREAM), "a deepstream-app configuration in YAML"),
    (_is_yaml, "a YAML file"),
)
