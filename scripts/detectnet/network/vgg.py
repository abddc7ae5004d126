"""VGG-16 and VGG-19 at stride 16, with the layer names that NVIDIA's weight files use.

Five blocks of 3x3 convolutions with biases: ``block_1a_conv_1``, ``block_1a_bn_1``, ``block_1a_relu``,
``block_1b_conv_1`` ... With ``use_pooling`` a 2x2 max pooling ends each of the first four blocks
(``block1_pool`` to ``block4_pool``; the fifth of the paper would give stride 32); without it the first
convolution of blocks 2 to 5 has stride 2. Filters and units per block are those of Simonyan and Zisserman,
"Very deep convolutional networks for large-scale image recognition", configurations D and E.
"""

from __future__ import annotations

from keras import KerasTensor

from detectnet.errors import UserError
from detectnet.network.blocks import Template, convolve, letters, max_pool, normalise, relu

UNITS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
FILTERS = (64, 128, 256, 512, 512)


def vgg(inputs: KerasTensor, template: Template) -> KerasTensor:
    """The last feature map of a VGG; ``freeze_blocks`` counts its blocks from 1 to 5.

    Args:
        inputs: (batch, height, width, channels), float32.
        template: the network's shape; projections and the width multiplier are not used.

    Returns:
        (batch, height / 16, width / 16, 512).

    Raises:
        UserError: no such number of layers.
    """
    if template.num_layers not in UNITS:
        raise UserError(
            f"there is no VGG with {template.num_layers} layers",
            where="num_layers",
            allowed=UNITS,
            remedy="The default of 18 is a ResNet's: a VGG needs its num_layers.",
        )
    tensor = inputs
    for block, (units, filters) in enumerate(zip(UNITS[template.num_layers], FILTERS), start=1):
        for unit in range(units):
            name = f"block_{block}{letters(unit)}_"
            stride = 2 if unit == 0 and block > 1 and not template.use_pooling else 1
            tensor = convolve(
                tensor, template, f"{name}conv_1", filters, kernel=3, block=block, stride=stride
            )
            tensor = relu(normalise(tensor, template, f"{name}bn_1"), template, f"{name}relu")
        if template.use_pooling and block < len(FILTERS):
            tensor = max_pool(tensor, template, f"block{block}_pool", 2)
    return tensor
