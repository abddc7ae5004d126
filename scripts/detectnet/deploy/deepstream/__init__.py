"""The folder in which deepstream-app runs the detector, for DeepStream 6.0.1 on a Jetson Nano and later.

Every value that says how a picture becomes a tensor, or a tensor boxes, comes from the contract; nvinfer's
built-in DetectNet_v2 parser finds the outputs by name. Triton (nvinferserver) has no file here: it could
not be tried.
"""

from __future__ import annotations

from detectnet.deploy.deepstream.app import app_text
from detectnet.deploy.deepstream.folder import figures_of, write_folder
from detectnet.deploy.deepstream.nvinfer import class_attributes, clustering_of, infer_text, translated
from detectnet.deploy.deepstream.stream import SINKS, TRACKERS, StreamSettings

__all__ = [
    "SINKS",
    "TRACKERS",
    "StreamSettings",
    "app_text",
    "class_attributes",
    "clustering_of",
    "figures_of",
    "infer_text",
    "translated",
    "write_folder",
]
