"""Checks of model_config: which networks there are, and what can be asked of each."""

from __future__ import annotations

from dataclasses import dataclass

from detectnet.errors import did_you_mean
from detectnet.spec import findings
from detectnet.spec.findings import Found
from detectnet.spec.message import Message


@dataclass(frozen=True)
class Arch:
    """A family of networks.

    Attributes:
        layers: allowed ``num_layers``; empty where the number has no effect.
        blocks: first and last number that ``freeze_blocks`` may name.
        needs_layers: ``num_layers`` must be given, the default is none of these.
    """

    layers: tuple[int, ...]
    blocks: tuple[int, int]
    needs_layers: bool = False


ARCHS = {
    "resnet": Arch((10, 18, 34, 50, 101, 152, 200), (0, 4)),
    "vgg": Arch((16, 19), (1, 5), needs_layers=True),
    "mobilenet_v1": Arch((), (0, 11)),
    "mobilenet_v2": Arch((), (0, 12)),
    "squeezenet": Arch((), (0, 9)),
}
"""Networks that are built here."""
OF_TEMPLATE = (
    "arch",
    "num_layers",
    "use_pooling",
    "use_batch_norm",
    "all_projections",
    "freeze_blocks",
    "freeze_bn",
    "width_multiplier",
    "dilation",
)
"""Fields that say how a network is built, not how a loaded one goes on."""
NOT_BUILT = ("darknet", "googlenet", "efficientnet_b0")
"""Networks that TAO knows too."""


def check_model(model: Message) -> Found:
    """The network exists, and its layers and blocks are those that it has."""
    if model.load_graph:
        yield from _graph_decides(model)
    elif model.arch in ARCHS:
        yield from _family(model, ARCHS[model.arch])
    else:
        yield from _unknown_arch(model)
    yield from _weights(model)
    yield from _decoding(model.objective_set.bbox)
    precision = model.training_precision
    if precision.backend_floatx == "INVALID":
        what = "INVALID is no precision."
        yield findings.problem(precision, "backend_floatx", what, "FLOAT32, FLOAT16")


def _graph_decides(model: Message) -> Found:
    """Fields of the template that nobody builds; as in TAO, their values are not looked at either."""
    for field in filter(model.has, OF_TEMPLATE):
        yield findings.no_effect(model, field, "load_graph: true takes the network as it is in its file")


def _unknown_arch(model: Message) -> Found:
    what = f'unknown value "{model.arch}".'
    if model.arch in NOT_BUILT:
        what = f'"{model.arch}" is known to TAO but not built here.'
    allowed, remedy = ", ".join(ARCHS), did_you_mean(model.arch, ARCHS)
    yield findings.problem(model, "arch", what, allowed, "" if model.arch in NOT_BUILT else remedy)


def _family(model: Message, arch: Arch) -> Found:
    allowed = ", ".join(map(str, arch.layers))
    given = model._values.get("num_layers", 0)
    if arch.needs_layers and not given:
        yield findings.missing(model, "num_layers", allowed)
    elif arch.layers and model.num_layers not in arch.layers:
        what = f"{model.num_layers} is out of range: {model.arch} has no such number of layers."
        yield findings.problem(model, "num_layers", what, allowed)
    elif given and not arch.layers:
        yield findings.no_effect(model, "num_layers", f"there is one {model.arch}")
    if model.has("width_multiplier") and model.arch != "resnet" and model.width_multiplier != 1:
        yield findings.problem(model, "width_multiplier", "only a resnet can be made narrower.", "1")
    if model.dilation != 1 and model.arch != "resnet":
        yield findings.problem(model, "dilation", "only a resnet can be dilated.", "1")
    yield from _frozen(model, arch)


def _frozen(model: Message, arch: Arch) -> Found:
    first, last = arch.blocks
    for index, block in enumerate(model.freeze_blocks):
        if block != int(block) or not first <= block <= last:
            what = f"{block:g} is out of range: {model.arch} has no such block."
            allowed = f"whole numbers from {first} to {last}"
            yield findings.problem(model, f"freeze_blocks[{index}]", what, allowed)
    if model.freeze_blocks and not model.pretrained_model_file:
        text = (
            "without pretrained weights (here or in the run's configuration) nothing is frozen but random "
            "numbers; TAO refuses this"
        )
        yield findings.note(model, "freeze_blocks", text)


def _weights(model: Message) -> Found:
    if model.has("allow_loaded_model_modification") and not model.load_graph:
        yield findings.no_effect(model, "allow_loaded_model_modification", "it needs load_graph: true")
    if model.load_graph and model.pretrained_model_file:
        yield findings.replaced(model, "pretrained_model_file", "the graph's file, the pruned network")
    if not model.use_batch_norm and not model.load_graph and model.arch != "squeezenet":
        text = "not set, so there is no batch normalisation; training rarely succeeds without"
        yield findings.note(model, "use_batch_norm", text)


def _decoding(bbox: Message) -> Found:
    if (bbox.scale, bbox.offset) != (35.0, 0.5):
        text = f"scale {bbox.scale:g}, offset {bbox.offset:g}: DeepStream decodes with 35 and 0.5 only"
        yield findings.note(bbox, "", text)
