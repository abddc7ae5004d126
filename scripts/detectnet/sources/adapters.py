"""The adapters by the names that a config uses."""

from __future__ import annotations

from detectnet.errors import UserError, did_you_mean
from detectnet.sources.base import Adapter
from detectnet.sources.coco import read_coco
from detectnet.sources.folder import read_folder
from detectnet.sources.kitti import read_kitti
from detectnet.sources.openalpr import read_openalpr
from detectnet.sources.voc import read_voc
from detectnet.sources.yolo import read_yolo

ADAPTERS: dict[str, Adapter] = {
    "coco": read_coco,
    "folder": read_folder,
    "kitti": read_kitti,
    "openalpr": read_openalpr,
    "synthetic": read_kitti,  # the rendered scenes are written as KITTI
    "voc": read_voc,
    "yolo": read_yolo,
}


def adapter(name: str) -> Adapter:
    """The adapter of that name; a UserError names the nearest one."""
    if name not in ADAPTERS:
        remedy = did_you_mean(name, ADAPTERS) or None
        raise UserError(f"no adapter {name!r}", where="adapter", allowed=sorted(ADAPTERS), remedy=remedy)
    return ADAPTERS[name]
