"""SqueezeNet, which has stride 16 as it was published.

Known of NVIDIA's template, and kept: no batch normalisation at all, fire modules 2 to 9. Not known, so ours:
the layer names (``conv1``, ``pool1``, ``fire2_squeeze``, ``fire2_expand_1x1``, ``fire2_expand_3x3``,
``fire2_concat``) and the version: it is 1.0 of Iandola et al., "SqueezeNet", table 1 (first convolution 7x7
with 96 filters, 3x3 poolings after it, after fire 4 and after fire 8), and therefore the parameter count. All
convolutions have biases and ReLUs; all paddings are symmetric.
"""

from __future__ import annotations

from keras import KerasTensor, layers

from detectnet.network.blocks import Template, convolve, max_pool, relu

# Fire module -> (filters of its squeeze, filters of each of its two expansions).
FIRES = {
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}
POOLED = (4, 8)


def squeezenet(inputs: KerasTensor, template: Template) -> KerasTensor:
    """The last feature map of a SqueezeNet.

    ``freeze_blocks``: 0 and 1 are both the first convolution (1 is its number in the paper), 2 to 9 the fire
    modules.

    Args:
        inputs: (batch, height, width, channels), float32.
        template: freezing, seed and policy are used.

    Returns:
        (batch, height / 16, width / 16, 512).
    """
    block = 1 if 1 in template.freeze_blocks else 0
    tensor = convolve(inputs, template, "conv1", 96, kernel=7, block=block, stride=2)
    tensor = max_pool(relu(tensor, template, "conv1_relu"), template, "pool1", 3)
    for number, (squeeze, expand) in FIRES.items():
        tensor = _fire(tensor, template, number, squeeze, expand)
        if number in POOLED:
            tensor = max_pool(tensor, template, f"pool{number}", 3)
    return tensor


def _fire(tensor: KerasTensor, template: Template, number: int, squeeze: int, expand: int) -> KerasTensor:
    """1x1 down to ``squeeze`` channels, then 1x1 and 3x3 beside each other, ``expand`` channels each."""

    def activated(source: KerasTensor, part: str, filters: int, kernel: int) -> KerasTensor:
        name = f"fire{number}_{part}"
        made = convolve(source, template, name, filters, kernel=kernel, block=number)
        return relu(made, template, f"{name}_relu")

    narrow = activated(tensor, "squeeze", squeeze, 1)
    wide = [activated(narrow, f"expand_{size}x{size}", expand, size) for size in (1, 3)]
    return layers.Concatenate(name=f"fire{number}_concat", dtype=template.policy)(wide)
