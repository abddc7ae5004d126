"""An ONNX detector whose answer is known by hand, made without TensorFlow."""

import json

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from detectnet.contract import Contract

CLUSTERING = {
    "coverage_threshold": 0.3,
    "dbscan_eps": 0.4,
    "dbscan_min_coverage": 0.5,
    "dbscan_confidence_threshold": 0.5,
    "minimum_bounding_box_height": 4,
}
# Mode 4 reports every candidate at or above the first threshold.
UNCLUSTERED = {"cluster_mode": 4, "pre_cluster_threshold": 0.9}


def bright_cells(path, size=320, **fields):
    """A network that finds bright cells of 16x16 pixels: coverage near 1, the box one cell wider each side.

    A cell at column i and row j is reported as x 16i - 16 to 16i + 32 and y likewise: the distances from
    the point (16i + 0.5, 16j + 0.5), over 35, are constants.
    """
    wanted = Contract(size, size, ("plate",), {"plate": CLUSTERING}, **fields)
    mean = np.full((1, 3, 16, 16), 60 / (3 * 256), np.float32)
    distances = np.float32([16.5, 16.5, 31.5, 31.5]) / 35
    constants = {
        "mean": mean,
        "darkness": np.float32([-45]),
        "none": np.zeros((4, 3, 16, 16), np.float32),
        "distances": distances,
    }
    strides = {"kernel_shape": [16, 16], "strides": [16, 16]}
    nodes = [
        helper.make_node("Conv", [wanted.input_name, "mean", "darkness"], ["bright"], **strides),
        helper.make_node("Sigmoid", ["bright"], [wanted.cov_name]),
        helper.make_node("Conv", [wanted.input_name, "none", "distances"], [wanted.bbox_name], **strides),
    ]
    shapes = wanted.shapes
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "bright_cells", values[:1], values[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {"contract": json.dumps(wanted.to_json())})
    onnx.save(model, path)
    return path


def picture(cells, width=320, height=320):
    """uint8 (height, width, 3), dark but for the given cells (column, row)."""
    made = np.full((height, width, 3), 40, np.uint8)
    for column, row in cells:
        made[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 250
    return made


def box(column, row):
    """The box of a bright cell, pixels."""
    return [16.0 * column - 16, 16.0 * row - 16, 16.0 * column + 32, 16.0 * row + 32]


def write_video(path, frames, rate=10, code="mp4v"):
    """A video of uint8 grey-looking frames."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), rate, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def frames_of(path):
    """Every frame of a video as OpenCV decodes it."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    capture.release()
    return frames
