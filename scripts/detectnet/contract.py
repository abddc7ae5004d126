"""The one pre- and post-processing contract that every consumer of pictures or tensors follows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from detectnet.errors import UserError, did_you_mean

STRIDE = 16
TOP_LEFT, STRETCH = "top-left", "stretch"
LETTERBOXES = (TOP_LEFT, STRETCH)
DYNAMIC = -1
"""The batch of a file that takes any number of pictures."""
FIRST_OUTPUT = ":0"
"""What TensorFlow appends to the name of a tensor."""
BBOX_SCALE = 35.0
BBOX_OFFSET = 0.5


@dataclass(frozen=True)
class Contract:
    """How a picture becomes the network's input, and its outputs become boxes.

    Attributes:
        width, height: network input, pixels; multiples of the stride.
        channels: 3 (RGB) or 1 (grey).
        channel_order: order of the input's channels.
        scale, offsets: input = scale * (pixel - offset), pixel in 0..255. Training and a plain export have a
            scale of 1 / 255; an export with the preprocessing embedded in it has 1.
        letterbox: ``top-left``: aspect kept, picture at the top left corner; ``stretch``: it fills the input.
        interpolation: scaling filter, bilinear without anti-aliasing as nvinfer's ``scaling-filter=1``.
        padding: pixel value of what the picture does not cover, applied after scaling.
        stride: input pixels per cell of the output grid.
        bbox_scale, bbox_offset: box distances are pixels / 35, from the cell's corner + 0.5 px.
        batch: pictures that the exported network takes at once; ``DYNAMIC`` is any number.
        input_name, cov_name, bbox_name: tensor names of the exported network.
        classes: class names in the order of the coverage channels.
        clustering: per class, the fields of its ``clustering_config``.
        deepstream: per class, ``cluster_mode`` (1 to 4) and the fields of ``DeepStreamSettings``, as chosen
            on the validation fold; empty before they are.
        opset: ONNX operator set.
        model_sha256: of the ONNX file, once it exists.
    """

    width: int
    height: int
    classes: tuple[str, ...]
    clustering: dict[str, dict[str, Any]] = field(default_factory=dict)
    deepstream: dict[str, dict[str, Any]] = field(default_factory=dict)
    channels: int = 3
    channel_order: str = "RGB"
    scale: float = 1 / 255
    offsets: tuple[float, ...] = (0.0, 0.0, 0.0)
    letterbox: str = TOP_LEFT
    interpolation: str = "linear"
    padding: int = 0
    stride: int = STRIDE
    bbox_scale: float = BBOX_SCALE
    bbox_offset: float = BBOX_OFFSET
    batch: int = 1
    input_name: str = "input_1"
    cov_name: str = "output_cov/Sigmoid"
    bbox_name: str = "output_bbox/BiasAdd"
    opset: int = 13
    model_sha256: str | None = None

    @property
    def grid_width(self) -> int:
        """Cells per row of the output grid."""
        return self.width // self.stride

    @property
    def grid_height(self) -> int:
        """Rows of the output grid."""
        return self.height // self.stride

    @property
    def shapes(self) -> dict[str, list[int]]:
        """Shapes of input and outputs, NCHW; -1 is any batch."""
        grid = [self.grid_height, self.grid_width]
        return {
            self.input_name: [self.batch, self.channels, self.height, self.width],
            self.cov_name: [self.batch, len(self.classes), *grid],
            self.bbox_name: [self.batch, 4 * len(self.classes), *grid],
        }

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; the shapes are included for readers, and derived again on reading."""
        return {**dataclasses.asdict(self), "shapes": self.shapes}

    @classmethod
    def from_json(cls, content: dict[str, Any], where: object = "contract.json") -> Contract:
        """The contract of a parsed JSON object; fields that an earlier export lacks take their defaults.

        Raises:
            UserError: a field is unknown or a required one is missing.
        """
        names = {one.name for one in dataclasses.fields(cls)}
        values = {name: value for name, value in content.items() if name != "shapes"}
        for name in values:
            if name not in names:
                raise UserError(f"unknown field '{name}'", where=where, remedy=did_you_mean(name, names))
        missing = {"width", "height", "classes"} - values.keys()
        if missing:
            raise UserError(f"missing fields {sorted(missing)}", where=where)
        values["classes"] = tuple(values["classes"])
        values["offsets"] = tuple(values.get("offsets", (0.0, 0.0, 0.0)))
        return cls(**values)
