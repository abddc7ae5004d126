"""MobileNet v1 and v2, cut off at stride 16.

Known of NVIDIA's templates, and kept: every 3x3 convolution stands after an explicit padding of one zero on
all four sides, no convolution has a bias, v1 ends with its depthwise block 11 (512 channels), v2 with its
inverted block 12 (96 channels), batch normalisation of v2 has momentum 0.999.

Not known, so ours: the layer names, which are those of Keras' own MobileNets (``conv_dw_1``,
``conv_pw_1_bn``, ``block_1_expand``, ``block_1_project_BN``; ``<name>_pad`` for the padding), ReLU6 in both
as in the published implementations, and therefore the parameter counts. Strides and channels are those of
Howard et al., "MobileNets", table 1, and Sandler et al., "MobileNetV2", table 2. Weights of other files load
where the names agree.
"""

from __future__ import annotations

from keras import KerasTensor, layers

from detectnet.network.blocks import (
    Template,
    convolution,
    convolve,
    convolve_depthwise,
    normalise,
    padded,
    relu6,
)

# (filters, stride) of the depthwise separable blocks 1 to 11.
V1_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5)
# (filters, stride) of the inverted blocks 0 to 12.
V2_BLOCKS = (
    (16, 1),
    *[(24, 2), (24, 1)],
    *[(32, 2), (32, 1), (32, 1)],
    *[(64, 2), (64, 1), (64, 1), (64, 1)],
    *[(96, 1), (96, 1), (96, 1)],
)
V2_EXPANSION = 6
V2_MOMENTUM = 0.999


def mobilenet_v1(inputs: KerasTensor, template: Template) -> KerasTensor:
    """The last feature map of a MobileNet v1.

    ``freeze_blocks``: 0 is the first convolution, 1 to 11 are the blocks.

    Args:
        inputs: (batch, height, width, channels), float32.
        template: normalisation, freezing, seed and policy are used.

    Returns:
        (batch, height / 16, width / 16, 512).
    """
    tensor = _first(inputs, template, "conv1")
    tensor = relu6(normalise(tensor, template, "conv1_bn"), template, "conv1_relu")
    for block, (filters, stride) in enumerate(V1_BLOCKS, start=1):
        name = f"conv_dw_{block}"
        tensor = _depthwise(tensor, template, name, block, stride)
        tensor = relu6(normalise(tensor, template, f"{name}_bn"), template, f"{name}_relu")
        name = f"conv_pw_{block}"
        tensor = convolve(tensor, template, name, filters, kernel=1, block=block, bias=False)
        tensor = relu6(normalise(tensor, template, f"{name}_bn"), template, f"{name}_relu")
    return tensor


def mobilenet_v2(inputs: KerasTensor, template: Template) -> KerasTensor:
    """The last feature map of a MobileNet v2; it is linear, as every block's.

    ``freeze_blocks``: 0 is the first convolution with the first block, 1 to 12 are the other blocks.

    Args:
        inputs: (batch, height, width, channels), float32.
        template: normalisation, freezing, seed and policy are used. A block whose input and output have
            one shape adds them; there are no projections.

    Returns:
        (batch, height / 16, width / 16, 96).
    """
    tensor = _first(inputs, template, "Conv1")
    tensor = normalise(tensor, template, "bn_Conv1", momentum=V2_MOMENTUM)
    tensor = relu6(tensor, template, "Conv1_relu")
    for block, (filters, stride) in enumerate(V2_BLOCKS):
        tensor = _inverted(tensor, template, block, filters, stride)
    return tensor


def _inverted(tensor: KerasTensor, template: Template, block: int, filters: int, stride: int) -> KerasTensor:
    """An inverted residual block: 1x1 to six times the channels (not the first), depthwise, 1x1 linear."""
    name = f"block_{block}_" if block else "expanded_conv_"
    channels = tensor.shape[-1]
    branch = tensor
    if block:
        branch = convolve(
            branch, template, f"{name}expand", V2_EXPANSION * channels, kernel=1, block=block, bias=False
        )
        branch = normalise(branch, template, f"{name}expand_BN", momentum=V2_MOMENTUM)
        branch = relu6(branch, template, f"{name}expand_relu")
    branch = _depthwise(branch, template, f"{name}depthwise", block, stride)
    branch = normalise(branch, template, f"{name}depthwise_BN", momentum=V2_MOMENTUM)
    branch = relu6(branch, template, f"{name}depthwise_relu")
    branch = convolve(branch, template, f"{name}project", filters, kernel=1, block=block, bias=False)
    branch = normalise(branch, template, f"{name}project_BN", momentum=V2_MOMENTUM)
    if stride > 1 or channels != filters:
        return branch
    return layers.Add(name=f"{name}add", dtype=template.policy)([tensor, branch])


def _first(inputs: KerasTensor, template: Template, name: str) -> KerasTensor:
    tensor = padded(inputs, 1, f"{name}_pad", template)
    layer = convolution(name, 32, 3, template, strides=2, padding="valid", use_bias=False)
    layer.trainable = 0 not in template.freeze_blocks
    return layer(tensor)


def _depthwise(tensor: KerasTensor, template: Template, name: str, block: int, stride: int) -> KerasTensor:
    tensor = padded(tensor, 1, f"{name}_pad", template)
    return convolve_depthwise(tensor, template, name, block=block, stride=stride)
