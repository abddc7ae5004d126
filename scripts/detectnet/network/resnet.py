"""ResNet templates with the layer names that NVIDIA's weight files use.

The graph is the one of DetectNet_v2's ResNet: strides on the first convolution of a block,
a projection wherever a block starts (or in every unit), convolutions with biases, zero padding that
is the same on both sides. Activations are NHWC, because TensorFlow has no NCHW convolution on a CPU;
kernels are HWIO in both layouts, so weights need no conversion.
"""

from __future__ import annotations

import string
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field

import keras
from keras import KerasTensor, layers

from detectnet.errors import UserError

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
BN_MOMENTUM = 0.99
BN_EPSILON = 1e-3


@keras.saving.register_keras_serializable(package="detectnet")
class FixedStatisticsNormalization(layers.BatchNormalization):
    """Batch normalisation that always uses its moving statistics and never updates them.

    Gamma and beta stay trainable: this is what ``freeze_bn`` means. A ``training=False`` in the graph would
    not do, since Keras 3 overrides it with the flag of the model's own call.
    """

    def call(
        self, inputs: KerasTensor, training: bool | None = None, mask: KerasTensor | None = None
    ) -> KerasTensor:
        """Normalise ``inputs`` with the moving statistics, whatever ``training`` says."""
        return super().call(inputs, training=False, mask=mask)


@dataclass(frozen=True)
class Template:
    """What a ResNet template is made from.

    Attributes:
        num_layers: one of ``UNITS``.
        all_projections: every unit has a 1x1 projection as shortcut, not only the first of a block.
        use_batch_norm: batch normalisation after every convolution.
        use_pooling: max pooling after the stem and average pooling at the end (total stride 224);
            without it the stem and blocks 1 to 3 have stride 2 (total stride 16).
        freeze_blocks: blocks whose convolutions are not trained; 0 is the stem, 1 to 4 the blocks.
        freeze_bn: batch normalisation uses its moving statistics while training.
        width_multiplier: factor on all filter counts, rounded to a multiple of 8, at least 8.
        seed: of the initial kernels.
        policy: Keras dtype policy of all layers.
    """

    num_layers: int = 18
    all_projections: bool = False
    use_batch_norm: bool = True
    use_pooling: bool = False
    freeze_blocks: Collection[int] = field(default_factory=frozenset)
    freeze_bn: bool = False
    width_multiplier: float = 1.0
    seed: int = 42
    policy: str = "float32"

    def filters(self, count: int) -> int:
        """``count`` filters after the width multiplier: a multiple of 8, at least 8."""
        return max(8, 8 * int(count * self.width_multiplier / 8 + 0.5))

    @property
    def bottleneck(self) -> bool:
        """Whether units have three convolutions (from 50 layers on) instead of two."""
        return self.num_layers >= BOTTLENECK_FROM


def resnet(inputs: KerasTensor, template: Template) -> KerasTensor:
    """The last feature map of a ResNet.

    Args:
        inputs: (batch, height, width, channels), float32.
        template: the network's shape.

    Returns:
        (batch, height / 16, width / 16, filters) without pooling.

    Raises:
        UserError: no such number of layers, or a width multiplier that is not positive.
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
                name=f"block_{block}{_letters(unit)}_",
                filters=template.filters(filters),
                stride=stride if first else 1,
                projection=first or template.all_projections,
                sum_name=f"add_{sums}",
            )
    if template.use_pooling:
        tensor = _padded(tensor, 7, "average_pooling2d_1", template)
        tensor = layers.AveragePooling2D(7, strides=7, name="average_pooling2d_1", dtype=template.policy)(
            tensor
        )
    return tensor


def convolution(name: str, filters: int, kernel: int, template: Template, **options: object) -> layers.Conv2D:
    """A convolution layer with bias, whose initial kernel depends only on the seed and its own name."""
    return layers.Conv2D(
        filters,
        kernel,
        kernel_initializer=keras.initializers.GlorotUniform(seed=_seed(name, template.seed)),
        bias_initializer="zeros",
        name=name,
        **{"dtype": template.policy, **options},
    )


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


def _stem(inputs: KerasTensor, template: Template) -> KerasTensor:
    tensor = _conv_bn(inputs, template, 0, "conv1", template.filters(64), kernel=7, stride=2)
    tensor = _relu(tensor, "activation_1", template)
    if template.use_pooling:
        tensor = _padded(tensor, 3, "max_pooling2d_1", template)
        tensor = layers.MaxPooling2D(3, strides=2, name="max_pooling2d_1", dtype=template.policy)(tensor)
    return tensor


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
    last = filters * BOTTLENECK_GROWTH if template.bottleneck else filters
    shape = (
        ((filters, 1, stride), (filters, 3, 1), (last, 1, 1))
        if template.bottleneck
        else ((filters, 3, stride), (filters, 3, 1))
    )
    branch = tensor
    for number, (count, kernel, step) in enumerate(shape, start=1):
        branch = _conv_bn(branch, template, block, f"{name}conv_{number}", count, kernel=kernel, stride=step)
        if number < len(shape):
            branch = _relu(branch, f"{name}relu_{number}", template)
    if projection:
        tensor = _conv_bn(tensor, template, block, f"{name}conv_shortcut", last, kernel=1, stride=stride)
    tensor = layers.Add(name=sum_name, dtype=template.policy)([branch, tensor])
    return _relu(tensor, f"{name}relu", template)


def _conv_bn(
    tensor: KerasTensor, template: Template, block: int, name: str, filters: int, *, kernel: int, stride: int
) -> KerasTensor:
    """A convolution padded by (kernel - 1) / 2 zeros on all four sides, and batch normalisation.

    At stride 1 that is Keras' own "same". At stride 2 it is not (that would pad only right and bottom
    of a 3x3 kernel on even sizes), so the padding is a layer of its own.
    """
    if stride > 1:
        tensor = _padded(tensor, kernel, name, template)
    padding = "same" if stride == 1 else "valid"
    conv = convolution(name, filters, kernel, template, strides=stride, padding=padding)
    conv.trainable = block not in template.freeze_blocks
    tensor = conv(tensor)
    if not template.use_batch_norm:
        return tensor
    made = FixedStatisticsNormalization if template.freeze_bn else layers.BatchNormalization
    normalise = made(
        momentum=BN_MOMENTUM,
        epsilon=BN_EPSILON,
        name="bn_conv1" if name == "conv1" else name.replace("conv", "bn"),
        dtype=template.policy,
    )
    return normalise(tensor)


def _padded(tensor: KerasTensor, kernel: int, name: str, template: Template) -> KerasTensor:
    if kernel == 1:
        return tensor
    return layers.ZeroPadding2D((kernel - 1) // 2, name=f"{name}_padding", dtype=template.policy)(tensor)


def _relu(tensor: KerasTensor, name: str, template: Template) -> KerasTensor:
    return layers.Activation("relu", name=name, dtype=template.policy)(tensor)


def _letters(unit: int) -> str:
    """a to z, then aa, ab, ... for units 0, 1, ..."""
    prefix = string.ascii_lowercase[unit // 26 - 1] if unit >= 26 else ""
    return prefix + string.ascii_lowercase[unit % 26]


def _seed(name: str, seed: int) -> int:
    return zlib.crc32(f"{seed}/{name}".encode())
