"""The back-bones that a spec's ``arch`` can name, all of stride 16."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keras import KerasTensor

from detectnet.errors import UserError, did_you_mean
from detectnet.network import resnet, vgg
from detectnet.network.blocks import Template
from detectnet.network.mobilenet import V1_BLOCKS, V2_BLOCKS, mobilenet_v1, mobilenet_v2
from detectnet.network.squeezenet import FIRES, squeezenet


@dataclass(frozen=True)
class Backbone:
    """A family of back-bones.

    Attributes:
        build: the feature map of an input.
        depths: allowed ``num_layers``; empty where that field means nothing.
        freezable: numbers that ``freeze_blocks`` may hold.
        widths: whether ``width_multiplier`` may differ from 1.
        dilates: whether ``dilation`` may.
    """

    build: Callable[[KerasTensor, Template], KerasTensor]
    depths: tuple[int, ...]
    freezable: range
    widths: bool = False
    dilates: bool = False


BACKBONES = {
    "resnet": Backbone(resnet.resnet, tuple(resnet.UNITS), range(5), widths=True, dilates=True),
    "vgg": Backbone(vgg.vgg, tuple(vgg.UNITS), range(1, 6)),
    "mobilenet_v1": Backbone(mobilenet_v1, (), range(len(V1_BLOCKS) + 1)),
    "mobilenet_v2": Backbone(mobilenet_v2, (), range(len(V2_BLOCKS))),
    "squeezenet": Backbone(squeezenet, (), range(max(FIRES) + 1)),
}


def backbone(arch: str, where: object = None) -> Backbone:
    """The family of an ``arch``.

    Raises:
        UserError: there is none of that name.
    """
    if arch not in BACKBONES:
        raise UserError(
            f"there is no back-bone '{arch}'",
            where=where,
            allowed=BACKBONES,
            remedy=did_you_mean(arch, list(BACKBONES)),
        )
    return BACKBONES[arch]
