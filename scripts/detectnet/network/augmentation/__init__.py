"""Random changes to training pictures and their boxes: one warp, one colour matrix, then the camera's faults.

Distributions are DetectNet_v2's (the MULTISOURCE loader), with its defects mended: rotation is in
radians, a box that was rotated is the hull of its four corners, ``vflip_probability``,
``rotate_probability: 0`` and ``min_bbox_*`` do what they say, and boxes are clipped to the picture.
Extensions draw their numbers apart, so that they leave what TLT's fields draw as it is.
"""

from detectnet.network.augmentation.applying import apply
from detectnet.network.augmentation.drawing import Change, draw
from detectnet.network.augmentation.geometry import clip_boxes, transform_boxes
from detectnet.network.augmentation.mixing import Mixer
from detectnet.network.augmentation.scene import Labels, Scene, Seen, labels_of
from detectnet.network.augmentation.settings import AugmentationSettings, MixingSettings

__all__ = [
    "AugmentationSettings",
    "Change",
    "Labels",
    "Mixer",
    "MixingSettings",
    "Scene",
    "Seen",
    "apply",
    "clip_boxes",
    "draw",
    "labels_of",
    "transform_boxes",
]
