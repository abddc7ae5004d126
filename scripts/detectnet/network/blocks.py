"""What every back-bone is made of: symmetric padding, convolutions, batch normalisation, activations.

Activations are NHWC, because TensorFlow has no NCHW convolution on a CPU; kernels are HWIO in both layouts,
so weights need no conversion.
"""

from __future__ import annotations

import string
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field

import keras
from keras import KerasTensor, layers

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
    """What a back-bone is made from; each family says which of these it uses.

    Attributes:
        num_layers: depth, for families that come in several.
        all_projections: every residual unit has a 1x1 projection as shortcut, not only a block's first.
        use_batch_norm: batch normalisation after every convolution.
        use_pooling: pooling layers instead of convolutions of stride 2.
        freeze_blocks: blocks whose convolutions are not trained; each family numbers its own.
        freeze_bn: batch normalisation uses its moving statistics while training.
        width_multiplier: factor on all filter counts, rounded to a multiple of 8, at least 8.
        seed: of the initial kernels.
        policy: Keras dtype policy of all layers.
        dilation: cells between the taps of the last block's 3x3 convolutions.
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
    dilation: int = 1

    def filters(self, count: int) -> int:
        """``count`` filters after the width multiplier: a multiple of 8, at least 8."""
        return max(8, 8 * int(count * self.width_multiplier / 8 + 0.5))


def convolution(name: str, filters: int, kernel: int, template: Template, **options: object) -> layers.Conv2D:
    """A convolution layer, whose initial kernel depends only on the seed and its own name."""
    return layers.Conv2D(
        filters,
        kernel,
        kernel_initializer=_initializer(name, template),
        bias_initializer="zeros",
        name=name,
        **{"dtype": template.policy, **options},
    )


def convolve(
    tensor: KerasTensor,
    template: Template,
    name: str,
    filters: int,
    *,
    kernel: int,
    block: int,
    stride: int = 1,
    bias: bool = True,
    dilation: int = 1,
) -> KerasTensor:
    """A convolution padded by the same number of zeros on all four sides; not trained in a frozen block.

    At stride 1 that is Keras' own "same", of (kernel - 1) / 2 zeros times the dilation. At stride 2 it
    is not (that would pad only right and bottom of a 3x3 kernel on even sizes), so the padding is a layer of
    its own, ``<name>_padding``; there is no dilation there.
    """
    if stride > 1:
        tensor = padded(tensor, (kernel - 1) // 2, f"{name}_padding", template)
    padding = "same" if stride == 1 else "valid"
    options = {"strides": stride, "padding": padding, "use_bias": bias, "dilation_rate": dilation}
    layer = convolution(name, filters, kernel, template, **options)
    layer.trainable = block not in template.freeze_blocks
    return layer(tensor)


def convolve_depthwise(
    tensor: KerasTensor, template: Template, name: str, *, block: int, stride: int
) -> KerasTensor:
    """A 3x3 depthwise convolution without bias and without padding; not trained in a frozen block."""
    layer = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="valid",
        use_bias=False,
        depthwise_initializer=_initializer(name, template),
        name=name,
        dtype=template.policy,
    )
    layer.trainable = block not in template.freeze_blocks
    return layer(tensor)


def normalise(
    tensor: KerasTensor, template: Template, name: str, *, momentum: float = BN_MOMENTUM
) -> KerasTensor:
    """Batch normalisation over the channels, where the template has it."""
    if not template.use_batch_norm:
        return tensor
    made = FixedStatisticsNormalization if template.freeze_bn else layers.BatchNormalization
    return made(momentum=momentum, epsilon=BN_EPSILON, name=name, dtype=template.policy)(tensor)


def padded(tensor: KerasTensor, zeros: int, name: str, template: Template) -> KerasTensor:
    """``zeros`` rows and columns of zeros on all four sides; the tensor itself for none."""
    if not zeros:
        return tensor
    return layers.ZeroPadding2D(zeros, name=name, dtype=template.policy)(tensor)


def max_pool(tensor: KerasTensor, template: Template, name: str, window: int) -> KerasTensor:
    """Max pooling of stride 2, padded by (window - 1) / 2, rounded down, zeros on all four sides."""
    tensor = padded(tensor, (window - 1) // 2, f"{name}_padding", template)
    return layers.MaxPooling2D(window, strides=2, name=name, dtype=template.policy)(tensor)


def relu(tensor: KerasTensor, template: Template, name: str) -> KerasTensor:
    """max(x, 0)."""
    return layers.Activation("relu", name=name, dtype=template.policy)(tensor)


def relu6(tensor: KerasTensor, template: Template, name: str) -> KerasTensor:
    """min(max(x, 0), 6)."""
    return layers.ReLU(max_value=6.0, name=name, dtype=template.policy)(tensor)


def letters(unit: int) -> str:
    """a to z, then aa, ab, ... for units 0, 1, ..."""
    prefix = string.ascii_lowercase[unit // 26 - 1] if unit >= 26 else ""
    return prefix + string.ascii_lowercase[unit % 26]


def _initializer(name: str, template: Template) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(seed=zlib.crc32(f"{template.seed}/{name}".encode()))
