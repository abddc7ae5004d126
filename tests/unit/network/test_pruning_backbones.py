"""Every back-bone pruned, against an independent computation of every weight that is left."""

import functools

import keras
import numpy as np
import pandas as pd
import pruning_reference as reference
import pytest
import record_files
from keras import layers
from networks import config, outputs, pictures, randomize

from detectnet.network.model import build_model, count_parameters, load_model, save_model
from detectnet.network.pruning import EQUALIZATIONS, NORMALIZERS, Criterion, prune, prune_stage
from detectnet.network.training import train

NARROW = {"arch": "resnet", "width_multiplier": 0.25}
BACKBONES = {
    "resnet10": (
        {**NARROW, "num_layers": 10, "all_projections": True},
        reference.resnet((1, 1, 1, 1), projections=True),
    ),
    "resnet18_identities": (
        {**NARROW, "num_layers": 18, "all_projections": False},
        reference.resnet((2, 2, 2, 2), projections=False),
    ),
    "resnet18_projections": (
        {**NARROW, "num_layers": 18, "all_projections": True},
        reference.resnet((2, 2, 2, 2), projections=True),
    ),
    "resnet50": (
        {**NARROW, "num_layers": 50, "all_projections": False},
        reference.resnet((3, 4, 6, 3), projections=False, bottleneck=True),
    ),
    "mobilenet_v1": ({"arch": "mobilenet_v1"}, reference.mobilenet_v1()),
    "mobilenet_v2": ({"arch": "mobilenet_v2"}, reference.mobilenet_v2()),
    "squeezenet": ({"arch": "squeezenet"}, reference.squeezenet()),
    "vgg16": ({"arch": "vgg", "num_layers": 16}, reference.vgg((2, 2, 3, 3, 3))),
}
LARGE = ("resnet50", "vgg16")
# normaliser, equalisation, granularity, minimum, threshold. The L2 norms of n filters are about sqrt(n).
CRITERIA = [
    ("max", "union", 8, 16, 0.6),
    ("max", "intersection", 1, 1, 0.4),
    ("max", "arithmetic_mean", 3, 5, 0.7),
    ("max", "geometric_mean", 16, 10, 0.5),
    ("L2", "union", 8, 16, 9.0),
    ("L2", "intersection", 5, 2, 5.0),
    ("L2", "arithmetic_mean", 8, 16, 12.0),
    ("L2", "geometric_mean", 1, 3, 7.0),
]
EXCLUDED = {
    "resnet10": ["conv1", "block_3a_conv_shortcut"],
    "resnet18_identities": ["block_2b_conv_2", "block_4a_conv_1"],
    "resnet18_projections": ["block_2b_conv_2", "block_4a_conv_1"],
    "resnet50": ["block_3d_conv_3"],
    "mobilenet_v1": ["conv_dw_3", "conv_pw_11"],
    "mobilenet_v2": ["block_4_project", "block_7_depthwise"],
    "squeezenet": ["fire4_expand_1x1"],
    "vgg16": ["block_3a_conv_1"],
}
# A member of a protected group that is not named itself.
PROTECTED = {
    "resnet10": "block_3a_conv_2",
    "resnet18_identities": "block_2a_conv_shortcut",
    "resnet18_projections": "block_2b_conv_shortcut",
    "resnet50": "block_3a_conv_shortcut",
    "mobilenet_v1": "conv_pw_2",
    "mobilenet_v2": "block_7_expand",
}


def detector(name, size=64, classes=("plate", "car"), **fields):
    given = {**BACKBONES[name][0], **fields}
    return randomize(build_model(config(**given), classes, size, size))


# One network for all tests of a back-bone that do not change it.
original = functools.cache(detector)


def assert_pruned(model, plan, criterion, threshold):
    """Compare with the reference, and give back the pruned network and the filters that stay."""
    pruned, table, used = prune(model, criterion, threshold=threshold)
    kept = reference.kept(model, plan, criterion, threshold)
    expected = reference.weights(model, plan, kept)
    assert [one.name for one in pruned.layers] == [one.name for one in model.layers]
    assert {one.name for one in pruned.layers if one.weights} == expected.keys()
    for name, values in expected.items():
        for one, two in zip(pruned.get_layer(name).get_weights(), values, strict=True):
            np.testing.assert_array_equal(one, two, err_msg=name)
    filters = {one.name: 2 if one.depthwise else 3 for one in plan.convolutions}
    after = {name: expected[name][0].shape[filters.get(name, 3)] for name in [*filters, *reference.HEADS]}
    assert dict(zip(table.layer, table.after, strict=True)) == after
    assert used == threshold
    return pruned, kept


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda one: f"{one[0]} {one[1]}")
@pytest.mark.parametrize("name", [one for one in BACKBONES if one not in LARGE])
def test_every_weight_is_the_described_one(name, criterion):
    *fields, threshold = criterion
    model = original(name)
    pruned, _ = assert_pruned(model, BACKBONES[name][1], Criterion(*fields), threshold)
    assert count_parameters(pruned) < count_parameters(model)


@pytest.mark.parametrize("criterion", CRITERIA[::3], ids=lambda one: f"{one[0]} {one[1]}")
@pytest.mark.parametrize("name", LARGE)
def test_every_weight_of_a_large_one_is_the_described_one(name, criterion):
    *fields, threshold = criterion
    assert_pruned(original(name), BACKBONES[name][1], Criterion(*fields), threshold)


def test_all_normalisers_and_equalisations_are_among_the_criteria():
    assert {one[:2] for one in CRITERIA} == {(n, e) for n in NORMALIZERS for e in EQUALIZATIONS}


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("name", ["resnet18_identities", "mobilenet_v2"])
def test_all_or_the_fewest_filters_stay_at_the_ends(name, threshold):
    model = original(name)
    _, kept = assert_pruned(model, BACKBONES[name][1], Criterion(granularity=5, minimum=7), threshold)
    totals = {one: model.get_layer(one).output.shape[-1] for one in kept}
    expected = totals if threshold <= 0 else {one: min(10, total) for one, total in totals.items()}
    assert {one: len(stay) for one, stay in kept.items()} == expected


@pytest.mark.parametrize("name", BACKBONES)
def test_excluded_layers_protect_their_groups(name):
    criterion = Criterion(excluded=EXCLUDED[name], granularity=4, minimum=8)
    model, plan = original(name), BACKBONES[name][1]
    _, kept = assert_pruned(model, plan, criterion, 0.8)
    whole = {one for one, stay in kept.items() if len(stay) == model.get_layer(one).output.shape[-1]}
    assert {*EXCLUDED[name], *filter(None, [PROTECTED.get(name)])} <= whole
    assert len(whole) < len(kept) / 2


@pytest.mark.parametrize("name", ["resnet18_identities", "mobilenet_v1", "mobilenet_v2", "vgg16"])
def test_frozen_layers_are_pruned_like_others_and_stay_frozen(name, tmp_path):
    model = detector(name, freeze_bn=True, freeze_blocks=[1.0, 2.0], pretrained_model_file="a.hdf5")
    frozen = [one.name for one in model.layers if not one.trainable]
    assert len(frozen) >= 4
    pruned, kept = assert_pruned(model, BACKBONES[name][1], Criterion(granularity=2, minimum=4), 0.8)
    assert all(len(kept[one]) < model.get_layer(one).output.shape[-1] for one in frozen)
    save_model(pruned, tmp_path / "model.keras")
    for copy in (pruned, load_model(tmp_path / "model.keras")):
        assert [one.name for one in copy.layers if not one.trainable] == frozen
        assert [type(one) for one in copy.layers] == [type(one) for one in model.layers]
        assert len(copy.trainable_variables) == len(model.trainable_variables)


def assert_same_as_masked(model, plan, criterion, threshold):
    pruned, kept = assert_pruned(model, plan, criterion, threshold)
    assert count_parameters(pruned) < 0.8 * count_parameters(model)
    found = outputs(pruned, pictures())
    for one, two in zip(found, outputs(reference.mask(model, plan, kept), pictures())):
        scale = max(1.0, float(np.abs(two).max()))
        np.testing.assert_allclose(one / scale, two / scale, atol=2e-5)
        assert np.ptp(two) > 1e-3


@pytest.mark.parametrize("name", BACKBONES)
def test_the_pruned_network_is_the_masked_original(name):
    assert_same_as_masked(detector(name), BACKBONES[name][1], Criterion(granularity=2, minimum=4), 0.6)


def test_a_vgg_with_pools_and_without_batch_norm_is_the_masked_original():
    model = detector("vgg16", use_pooling=True, use_batch_norm=False)
    plan = BACKBONES["vgg16"][1]
    plan = plan._replace(convolutions=[one._replace(norm="") for one in plan.convolutions])
    assert_same_as_masked(model, plan, Criterion(granularity=2, minimum=4), 0.6)


def test_concatenation_after_pooling_and_a_broadcast_weight_are_followed():
    inputs = keras.Input((64, 64, 3), name="input_1")
    x = layers.Conv2D(16, 3, strides=2, padding="same", name="stem")(inputs)
    x = layers.ReLU(6.0, name="relu_1")(layers.BatchNormalization(name="bn_1")(x))
    x = layers.ZeroPadding2D(1, name="pad")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.BatchNormalization(name="bn_2")(x)
    left = layers.MaxPooling2D(2, name="pool")(layers.Conv2D(12, 1, name="left")(x))
    right = layers.Conv2D(20, 3, strides=2, padding="same", activation="relu", name="right")(x)
    x = layers.Concatenate(name="concat")([left, right])
    x = layers.Conv2D(24, 3, padding="same", activation="relu", name="body")(x)
    # One weight per cell: it has one channel, which stays, and says nothing about those of body.
    gate = layers.Conv2D(1, 1, activation="sigmoid", name="gate")(x)
    x = layers.Multiply(name="gated")([gate, x])
    heads = [layers.Conv2D(4, 1, name="output_bbox")(x), layers.Conv2D(1, 1, name="output_cov")(x)]
    plan = reference.Plan(
        [
            reference.Convolution("stem", "bn_1", ()),
            reference.Convolution("depthwise", "bn_2", ("stem",), True),
            reference.Convolution("left", "", ("depthwise",)),
            reference.Convolution("right", "", ("depthwise",)),
            reference.Convolution("body", "", ("left", "right")),
            reference.Convolution("gate", "", ("body",)),
        ],
        [["stem", "depthwise"], ["left"], ["right"], ["body"]],
        ("body",),
    )
    model = randomize(keras.Model(inputs, heads))
    assert_same_as_masked(model, plan, Criterion(granularity=2, minimum=4), 0.7)


def test_groups_that_overlap_are_one_group():
    inputs = keras.Input((64, 64, 3), name="input_1")
    a, b, c = (layers.Conv2D(12, 3, padding="same", name=name)(inputs) for name in "abc")
    deep = layers.DepthwiseConv2D(3, padding="same", name="deep")(c)
    one, two = layers.Add(name="one")([a, b]), layers.Add(name="two")([b, deep])
    x = layers.Concatenate(name="both")([one, two])
    heads = [layers.Conv2D(4, 1, name="output_bbox")(x), layers.Conv2D(1, 1, name="output_cov")(x)]
    plan = reference.Plan(
        [
            *(reference.Convolution(name, "", ()) for name in "abc"),
            reference.Convolution("deep", "", ("c",), True),
        ],
        [["a", "b", "c", "deep"]],
        ("a", "deep"),
    )
    model = randomize(keras.Model(inputs, heads))
    assert_same_as_masked(model, plan, Criterion(equalization="intersection", granularity=1, minimum=2), 0.5)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "squeezenet"])
def test_the_files_hold_the_pruned_network(name, tmp_path):
    model = original(name)
    save_model(model, tmp_path / "model.keras")
    prune_stage(tmp_path / "model.keras", tmp_path / "prune", Criterion(), threshold=0.6)
    expected = outputs(prune(model, Criterion(), threshold=0.6).model, pictures())
    for file in ("model.keras", "model.hdf5"):
        for one, two in zip(outputs(load_model(tmp_path / "prune" / file), pictures()), expected):
            np.testing.assert_array_equal(one, two, err_msg=file)
    table = pd.read_csv(tmp_path / "prune" / "pruning.csv")
    # A row for each convolution, depthwise ones too, with the filters before and after.
    before = {one.name: one.output.shape[-1] for one in model.layers if "Conv2D" in type(one).__name__}
    assert dict(zip(table.layer, table.before)) == before
    assert (table.after <= table.before).all() and (table.after < table.before).any()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "file"), [("mobilenet_v2", "model.hdf5"), ("squeezenet", "model.keras")])
def test_a_pruned_network_is_trained_on(name, file, tmp_path):
    save_model(detector(name, record_files.SIZE, ("plate",)), tmp_path / "model.keras")
    prune_stage(tmp_path / "model.keras", tmp_path / "prune", Criterion(), threshold=0.8)
    shard = record_files.write_shard(tmp_path, 4)
    experiment = record_files.experiment(epochs="1", model="load_graph: true")
    train(experiment, [shard], [], tmp_path / "retrain", initial_model=tmp_path / "prune" / file)
    before, after = (load_model(tmp_path / one) for one in (f"prune/{file}", "retrain/model.keras"))
    assert [one.shape for one in after.weights] == [one.shape for one in before.weights]
    kernels = [
        (one.kernel.numpy(), after.get_layer(one.name).kernel.numpy())
        for one in before.layers
        if isinstance(one, layers.Conv2D | layers.DepthwiseConv2D)
    ]
    assert all((one != two).any() for one, two in kernels)
