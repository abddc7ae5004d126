"""The detector: a back-bone with a box head and a coverage head; saving, loading and measuring it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import keras
from keras import KerasTensor, layers

from detectnet.contract import STRIDE
from detectnet.errors import UserError, did_you_mean
from detectnet.files import PathLike, atomic_path
from detectnet.network.backbones import backbone
from detectnet.network.blocks import Template, convolution
from detectnet.network.graph import convolutions
from detectnet.network.weights import read_model

if TYPE_CHECKING:
    from detectnet.spec import Message

BBOX, COV = "output_bbox", "output_cov"
HEADS = (BBOX, COV)
MIXED = "mixed_bfloat16"
# A .keras file is a zip with the time of writing in it, in two places. Fixed, equal models are equal files.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_SAVED = "1980-01-01@00:00:00"


def build_model(
    model_config: Message,
    classes: list[str] | tuple[str, ...],
    height: int,
    width: int,
    channels: int = 3,
    *,
    seed: int = 42,
    policy: str = "float32",
) -> keras.Model:
    """The detector of a ``model_config``, with fresh weights that depend only on ``seed``.

    Regularisation is no part of the model: see ``regularization_loss``.

    Args:
        model_config: the spec's message.
        classes: names in the order of the coverage channels, C of them.
        height, width: of the input, pixels, multiples of 16.
        channels: 3 (RGB) or 1 (grey).
        seed: of the initial kernels (uniform after Glorot; biases 0).
        policy: ``float32``, or ``mixed_bfloat16``: the back-bone computes in bfloat16, variables, heads
            and outputs stay float32.

    Returns:
        A functional model from ``input_1`` (batch, height, width, channels), float32 in 0..1, to
        [``output_bbox`` (batch, height/16, width/16, 4C), class-major left, top, right, bottom,
        ``output_cov`` (batch, height/16, width/16, C), in 0..1], both float32.

    Raises:
        UserError: the configuration cannot give a network of stride 16.
    """
    _check(model_config, classes, height, width, channels)
    template = _template(model_config, seed, policy)
    build = backbone(model_config.arch).build
    inputs = keras.Input((height, width, channels), name="input_1", dtype="float32")
    trunk = keras.Model(inputs, build(inputs, template))
    outputs = _heads(trunk, model_config, len(classes), template)
    _check_grid(outputs, height, width)
    return keras.Model(inputs, outputs, name=_name(model_config, trunk))


def with_heads(
    model: keras.Model,
    model_config: Message,
    classes: list[str] | tuple[str, ...],
    *,
    seed: int = 42,
) -> keras.Model:
    """A loaded graph as a detector: itself where it has both heads, else with fresh heads on it.

    Args:
        model: from a file (``load_graph``); it keeps its layers and its weights.
        model_config: ``allow_loaded_model_modification`` allows new heads; ``objective_set`` may name the
            layer that they sit on.
        classes: names in the order of the coverage channels.
        seed: of the new heads' kernels.

    Raises:
        UserError: heads are missing and may not be added.
    """
    if list(model.output_names) == list(HEADS):
        return model
    missing = [name for name in HEADS if name not in model.output_names]
    if not missing:
        outputs = [model.get_layer(name).output for name in HEADS]
        return keras.Model(model.inputs, outputs, name=model.name)
    if not model_config.allow_loaded_model_modification or len(model.outputs) > 1:
        raise UserError(
            f"the loaded network has no {' and no '.join(missing)}; its outputs: "
            f"{', '.join(model.output_names)}",
            where=model_config.where("load_graph"),
            remedy="Set allow_loaded_model_modification: true to put fresh heads on it, or load a detector.",
        )
    outputs = _heads(model, model_config, len(classes), Template(seed=seed))
    _check_grid(outputs, *model.input_shape[1:3])
    return keras.Model(model.inputs, outputs, name=f"{model.name}_detectnet_v2")


def regularization_loss(model: keras.Model, kind: str, weight: float) -> KerasTensor:
    """The penalty on kernels and biases of all convolutions, heads included: a float32 scalar.

    ``weight * sum(|w|)`` for L1, ``weight * sum(w^2)`` for L2 (no factor 1/2), without batch normalisation.

    Args:
        kind: ``NO_REG``, ``L1`` or ``L2``, the names of ``training_config.regularizer.type``.
        weight: ``training_config.regularizer.weight``.
    """
    penalty = {"NO_REG": None, "L1": keras.ops.abs, "L2": keras.ops.square}[kind]
    if penalty is None or not weight:
        return keras.ops.zeros((), "float32")
    variables = [one.value for layer in convolutions(model) for one in layer.weights]
    return weight * sum(keras.ops.sum(penalty(one)) for one in variables)


def count_parameters(model: keras.Model) -> int:
    """Numbers in all variables, batch normalisation's moving statistics included."""
    return model.count_params()


def flops(model: keras.Model) -> int:
    """Operations of the convolutions for one picture: two for each multiply-add; the rest is left out."""
    total = 0
    for layer in convolutions(model):
        _, rows, columns, _ = layer.output.shape
        total += 2 * rows * columns * layer.weights[0].numpy().size
    return total


def at_size(model: keras.Model, height: int, width: int) -> keras.Model:
    """The same layers and variables for pictures of another size; the model itself for its own.

    Args:
        model: a functional model without layers that fix a size.
        height, width: of the input, pixels, multiples of 16.
    """
    if tuple(model.input_shape[1:3]) == (height, width):
        return model
    inputs = keras.Input((height, width, model.input_shape[3]), name="input_1", dtype="float32")
    return keras.Model(inputs, model.call(inputs), name=model.name)


def with_policy(model: keras.Model, policy: str) -> keras.Model:
    """A copy with the same names, graph and weights, computing in another Keras dtype policy.

    Heads stay float32. Variables are float32 under every policy, so no weight changes.
    """

    def clone(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config()
        if layer.name not in HEADS and not isinstance(layer, layers.InputLayer):
            config["dtype"] = policy
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def save_model(model: keras.Model, path: PathLike) -> None:
    """Write a ``.keras`` file, atomically; equal models give equal bytes.

    The file is always plain float32, also where the model trained in bfloat16.
    """
    with atomic_path(path) as temporary:
        keras.saving.save_model(with_policy(model, "float32"), temporary)
        _without_time(temporary)


def load_model(path: PathLike, policy: str = "float32") -> keras.Model:
    """The model of a ``.keras`` file, or of an ``.hdf5`` of Keras 2.2 with a graph, computing in ``policy``.

    Raises:
        UserError: the file is missing, encrypted, or no model that is known here.
    """
    model = read_model(path)
    return model if policy == "float32" else with_policy(model, policy)


def _template(config: Message, seed: int, policy: str) -> Template:
    return Template(
        num_layers=config.num_layers,
        all_projections=config.all_projections,
        use_batch_norm=config.use_batch_norm,
        use_pooling=config.use_pooling,
        freeze_blocks=frozenset(int(block) for block in config.freeze_blocks),
        freeze_bn=config.freeze_bn,
        width_multiplier=config.width_multiplier,
        seed=seed,
        policy=policy,
        dilation=config.dilation,
    )


def _check(
    config: Message, classes: list[str] | tuple[str, ...], height: int, width: int, channels: int
) -> None:
    family = backbone(config.arch, config.where("arch"))
    if not classes:
        raise UserError("the detector has no classes", remedy="Name them in target_class_mapping.")
    if channels not in (1, 3):
        raise UserError(f"pictures of {channels} channels", where="output_image_channel", allowed=(1, 3))
    if height <= 0 or width <= 0 or height % STRIDE or width % STRIDE:
        raise UserError(
            f"an input of {width} x {height} pixels", where="preprocessing", allowed="multiples of 16"
        )
    frozen = {float(block) for block in config.freeze_blocks}
    if not frozen <= set(family.freezable):
        raise UserError(
            f"freeze_blocks is {sorted(frozen)}",
            where=config.where("freeze_blocks"),
            allowed=f"whole numbers from {family.freezable[0]} to {family.freezable[-1]} for {config.arch}",
        )
    if config.width_multiplier != 1 and not family.widths:
        raise UserError(
            f"{config.arch} has no other width than its own",
            where=config.where("width_multiplier"),
            allowed="1; other widths are for resnet",
        )
    if config.dilation != 1 and not family.dilates:
        raise UserError(
            f"{config.arch} is not dilated",
            where=config.where("dilation"),
            allowed="1; other dilations are for resnet",
        )


def _heads(trunk: keras.Model, config: Message, count: int, template: Template) -> list[KerasTensor]:
    objectives = config.objective_set
    return [
        _head(BBOX, 4 * count, "linear", _feature(trunk, objectives.bbox.input), template),
        _head(COV, count, "sigmoid", _feature(trunk, objectives.cov.input), template),
    ]


def _feature(trunk: keras.Model, part: str) -> KerasTensor:
    """The output of the one layer whose name contains ``part``; of the last layer for an empty one."""
    if not part:
        return trunk.output
    found = [layer for layer in trunk.layers if part in layer.name]
    if len(found) != 1:
        raise UserError(
            f"'{part}' is part of {len(found)} layer names: {', '.join(one.name for one in found)}",
            where="objective_set input",
            allowed="a part of exactly one name",
            remedy=did_you_mean(part, [layer.name for layer in trunk.layers]),
        )
    return found[0].output


def _head(name: str, filters: int, activation: str, feature: KerasTensor, template: Template) -> KerasTensor:
    # float32 under every policy: the loss takes a logarithm of the coverage, and the heads are tiny.
    return convolution(name, filters, 1, template, activation=activation, dtype="float32")(feature)


def _check_grid(outputs: list[KerasTensor], height: int, width: int) -> None:
    for output in outputs:
        rows, columns = output.shape[1:3]
        if (rows, columns) != (height // STRIDE, width // STRIDE):
            raise UserError(
                f"the heads would see {columns} x {rows} cells for {width} x {height} pixels, "
                f"not one in {STRIDE} pixels",
                where="model_config",
                remedy="Set use_pooling: false, and leave objective_set's input empty.",
            )


def _name(config: Message, trunk: keras.Model) -> str:
    """NVIDIA's name of a detector: ``resnet18_nopool_bn_detectnet_v2``."""
    pooling = "" if config.use_pooling else "_nopool"
    depth = f"{config.num_layers}{pooling}" if backbone(config.arch).depths else ""
    norm = any(isinstance(layer, layers.BatchNormalization) for layer in trunk.layers)
    return f"{config.arch}{depth}{'_bn' if norm else ''}_detectnet_v2"


def _without_time(path: Path) -> None:
    """Rewrite a ``.keras`` archive without the time at which it was written."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(entries["metadata.json"])
    entries["metadata.json"] = json.dumps({**metadata, "date_saved": _SAVED}, sort_keys=True).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), entries[name])
