"""ResNet templates with the layer names that NVIDIA's weight files use.

The graph is the one of DetectNet_v2's ResNet: strides on the first convolution of a block,
a projection wherever a block starts (or in every unit), convolutions with biases, zero padding that
is the same on both sides.
"""

from __future__ import annotations

from keras import KerasTensor, layers

from detectnet.errors import UserError
from detectnet.network.blocks import Template, convolve, letters, max_pool, normalise, padded, relu

UNITS = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
FILTERS = (64, 128, 256, 512)
BOTTLENECK_FROM = 50
BOTTLENECK_GROWTH = 4


def resnet(inputs: KerasTensor, template: Template) -> KerasTensor:
    """The last feature map of a ResNet.

    ``freeze_blocks`` counts the stem as 0 and the blocks from 1 to 4. With ``use_pooling`` there is max
    pooling after the stem and average pooling at the end (total stride 224); without it the stem and blocks
    1 to 3 have stride 2 (total stride 16), and the 3x3 convolutions of block 4 may be dilated.

    Args:
        inputs: (batch, height, width, channels), float32.
        template: the network's shape.

    Returns:
        (batch, height / 16, width / 16, filters) without pooling.

    Raises:
        UserError: no such number of layers, a width multiplier that is not positive, or dilation and pooling.
    """
    _check(template)
    tensor = _stem(inputs, template)
    strides = (1, 2, 2, 2) if template.use_pooling else (2, 2, 2, 1)
    sums = 0
    for block, (units, filters, stride) in enumerate(
        zip(UNITS[template.num_layers], FILTERS, strides), start=1
    ):
        for unit in range(units):
            sums += 1
            first = unit == 0
            tensor = _unit(
                tensor,
                template,
                block=block,
                name=f"block_{block}{letters(unit)}_",
                filters=template.filters(filters),
                stride=stride if first else 1,
                projection=first or template.all_projections,
                sum_name=f"add_{sums}",
            )
    if template.use_pooling:
        name = "average_pooling2d_1"
        tensor = padded(tensor, 3, f"{name}_padding", template)
        tensor = layers.AveragePooling2D(7, strides=7, name=name, dtype=template.policy)(tensor)
    return tensor


def _check(template: Template) -> None:
    if template.num_layers not in UNITS:
        raise UserError(
            f"there is no ResNet with {template.num_layers} layers", where="num_layers", allowed=UNITS
        )
    if not template.width_multiplier > 0:
        raise UserError(
            f"the width multiplier is {template.width_multiplier}",
            where="width_multiplier",
            allowed="above 0",
        )
    if template.dilation > 1 and template.use_pooling:
        raise UserError(
            "with use_pooling the last block has a stride, and is not dilated", where="dilation", allowed="1"
        )


def _stem(inputs: KerasTensor, template: Template) -> KerasTensor:
    tensor = convolve(inputs, template, "conv1", template.filters(64), kernel=7, block=0, stride=2)
    tensor = relu(normalise(tensor, template, "bn_conv1"), template, "activation_1")
    return max_pool(tensor, template, "max_pooling2d_1", 3) if template.use_pooling else tensor


def _unit(
    tensor: KerasTensor,
    template: Template,
    *,
    block: int,
    name: str,
    filters: int,
    stride: int,
    projection: bool,
    sum_name: str,
) -> KerasTensor:
    """A residual unit: two 3x3 convolutions, or 1x1, 3x3 and 1x1, plus the shortcut."""
    bottleneck = template.num_layers >= BOTTLENECK_FROM
    last = filters * BOTTLENECK_GROWTH if bottleneck else filters
    shape = (
        ((filters, 1, stride), (filters, 3, 1), (last, 1, 1))
        if bottleneck
        else ((filters, 3, stride), (filters, 3, 1))
    )
    dilation = template.dilation if block == len(FILTERS) else 1
    branch = tensor
    for number, (count, kernel, step) in enumerate(shape, start=1):
        branch = convolve(
            branch,
            template,
            f"{name}conv_{number}",
            count,
            kernel=kernel,
            block=block,
            stride=step,
            dilation=dilation if kernel == 3 else 1,
        )
        branch = normalise(branch, template, f"{name}bn_{number}")
        if number < len(shape):
            branch = relu(branch, template, f"{name}relu_{number}")
    if projection:
        tensor = convolve(
            tensor, template, f"{name}conv_shortcut", last, kernel=1, block=block, stride=stride
        )
        tensor = normalise(tensor, template, f"{name}bn_shortcut")
    tensor = layers.Add(name=sum_name, dtype=template.policy)([branch, tensor])
    return relu(tensor, template, f"{name}relu")
