"""Pruning against an independent selection, and against the original with the same channels zeroed."""

import itertools
import json

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers
from networks import network, outputs, pictures, randomize

import prune_detector
from detectnet.errors import UserError
from detectnet.files import sha256
from detectnet.network.model import count_parameters, flops, load_model, save_model
from detectnet.network.pruning import Criterion, prune
from detectnet.network.weights import read_hdf5

SMALL = {"granularity": 2, "minimum": 4}


def convolutions(model):
    return [one for one in model.layers if type(one) in (layers.Conv2D, layers.DepthwiseConv2D)]


def kept_channels(before, after):
    """layer -> ascending indices that stayed, found by the biases, no two of which are equal."""
    found = {}
    for layer in convolutions(before):
        wanted = after.get_layer(layer.name).get_weights()[1]
        found[layer.name] = [int(np.flatnonzero(layer.get_weights()[1] == one)[0]) for one in wanted]
    return found


def masked(model, kept):
    """The model with all channels zeroed that were pruned: kernel, bias, gamma and beta."""
    owner = {}
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            owner[layer.name] = layer.input._keras_history.operation.name
    for layer in model.layers:
        name = owner.get(layer.name, layer.name)
        if name in kept:
            values = layer.get_weights()
            gone = np.setdiff1d(np.arange(len(values[1])), kept[name])
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            values[0][(..., gone, slice(None)) if depthwise else (..., gone)] = 0
            values[1][gone] = 0
            layer.set_weights(values)
    return model


def assert_same_as_masked(before, after, tolerance=1e-5):
    small = outputs(after, pictures())
    for one, two in zip(small, outputs(masked(before, kept_channels(before, after)), pictures())):
        np.testing.assert_allclose(one, two, atol=tolerance, rtol=tolerance)


def by_hand(model, members, normalizer, merge, threshold, granularity, minimum):
    """The filters that a group keeps, written from the description, filter by filter."""
    stats = []
    for name in members:
        kernel = model.get_layer(name).get_weights()[0]
        norms = [float(np.linalg.norm(kernel[..., f].astype(float).ravel())) for f in range(kernel.shape[-1])]
        scale = max(norms) if normalizer == "max" else sum(n * n for n in norms) ** 0.5 / len(norms)
        stats.append([n / scale for n in norms])
    merged = [merge(values) for values in zip(*stats)]
    total = len(merged)
    count = sum(value > threshold for value in merged)
    count = max(count, min(minimum, total))
    while count % granularity and count < total:
        count += 1
    return sorted(sorted(range(total), key=lambda f: -merged[f])[: min(count, total)])


MERGES = {
    "union": max,
    "intersection": min,
    "arithmetic_mean": lambda values: sum(values) / len(values),
    "geometric_mean": lambda values: float(np.exp(np.mean(np.log(values)))),
}


@pytest.mark.parametrize("equalization", MERGES)
@pytest.mark.parametrize(("normalizer", "threshold"), [("max", 0.6), ("L2", 3.5)])
@pytest.mark.parametrize("projections", [True, False])
def test_selection_is_the_described_one(equalization, normalizer, threshold, projections):
    model = randomize(network(18, all_projections=projections))
    criterion = Criterion(normalizer, equalization, granularity=8, minimum=10)
    pruned, table, used = prune(model, criterion, threshold=threshold)
    kept = kept_channels(model, pruned)
    groups = [["conv1"]]
    for block in (1, 2, 3, 4):
        for unit in "ab":
            groups.append([f"block_{block}{unit}_conv_1"])
        ends = [f"block_{block}a_conv_2", f"block_{block}a_conv_shortcut"]
        if projections:
            groups += [ends, [f"block_{block}b_conv_2", f"block_{block}b_conv_shortcut"]]
        else:
            groups.append([*ends, f"block_{block}b_conv_2"])
    for group in groups:
        expected = by_hand(model, group, normalizer, MERGES[equalization], threshold, 8, 10)
        for name in group:
            assert kept[name] == expected, name
    assert used == threshold
    assert sorted(table.layer) == sorted([*itertools.chain(*groups), "output_bbox", "output_cov"])
    assert (table.before > table.after).any()


@pytest.mark.parametrize("fields", [{"layers": 18}, {"all_projections": False, "layers": 18}, {"layers": 50}])
def test_the_pruned_network_is_the_masked_original(fields):
    model = randomize(network(**fields))
    pruned = prune(model, Criterion(**SMALL), threshold=0.6).model
    assert count_parameters(pruned) < 0.8 * count_parameters(model)
    assert [one.name for one in pruned.layers] == [one.name for one in model.layers]
    assert_same_as_masked(model, pruned, 1e-4 if fields["layers"] == 50 else 1e-5)


def test_frozen_layers_are_pruned_and_stay_frozen():
    model = randomize(network(freeze_bn=True, freeze_blocks=[1.0], pretrained_model_file="a.hdf5"))
    pruned, table, _ = prune(model, Criterion(**SMALL), threshold=0.6)
    row = table.set_index("layer").loc["block_1a_conv_1"]
    assert row.after < row.before
    assert not pruned.get_layer("block_1a_conv_1").trainable
    assert type(pruned.get_layer("bn_conv1")) is type(model.get_layer("bn_conv1"))
    assert_same_as_masked(model, pruned)


def mobile():
    """Depthwise convolutions, a concatenation, pooling and a broadcast weight per picture cell."""
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
    gate = layers.Conv2D(1, 1, activation="sigmoid", name="gate")(x)
    x = layers.Multiply(name="gated")([x, gate])
    outputs = [layers.Conv2D(4, 1, name="output_bbox")(x), layers.Conv2D(1, 1, name="output_cov")(x)]
    return randomize(keras.Model(inputs, outputs))


def test_depthwise_concatenation_and_broadcast_are_followed():
    model = mobile()
    pruned, table, _ = prune(model, Criterion(**SMALL), threshold=0.7)
    after = table.set_index("layer").after
    assert after["stem"] == after["depthwise"] < 16
    assert (after["left"] < 12, after["right"] < 20, after["body"] < 24) == (True, True, True)
    assert (after["gate"], after["output_bbox"], after["output_cov"]) == (1, 4, 1)
    assert pruned.get_layer("body").get_weights()[0].shape[2] == after["left"] + after["right"]
    assert_same_as_masked(model, pruned)


def test_channels_that_meet_the_input_or_a_concatenation_are_left_alone():
    inputs = keras.Input((64, 64, 3), name="input_1")
    x = layers.Conv2D(3, 1, name="like_input")(inputs)
    x = layers.Add(name="add_1")([x, inputs])
    a, b, c = (layers.Conv2D(n, 1, name=name)(x) for n, name in ((8, "a"), (8, "b"), (16, "c")))
    x = layers.Add(name="add_2")([layers.Concatenate(name="concat")([a, b]), c])
    x = layers.Conv2D(16, 1, name="free")(x)
    model = randomize(keras.Model(inputs, layers.Conv2D(1, 1, name="output_cov")(x)))
    table = prune(model, Criterion(granularity=1, minimum=1), threshold=0.99).table.set_index("layer")
    assert table.after.to_dict() == {"like_input": 3, "a": 8, "b": 8, "c": 16, "free": 1, "output_cov": 1}


@pytest.mark.parametrize("layers_", [10, 18])
def test_full_networks_are_pruned_to_fifteen_percent_as_near_as_can_be(layers_):
    model = randomize(network(layers_, width_multiplier=1.0))
    before = count_parameters(model)
    pruned, table, threshold = prune(model, Criterion(), ratio=0.15)
    share = count_parameters(pruned) / before
    assert 0.14 < share <= 0.15
    # The next lower threshold already leaves too much.
    more = prune(model, Criterion(), threshold=float(np.nextafter(threshold, 0)))
    assert count_parameters(more.model) / before > 0.15
    rows = table[~table.layer.str.startswith("output")]
    assert (rows.after >= 16).all() and (rows.after % 8 == 0).all()
    again = prune(model, Criterion(), threshold=threshold)
    pd.testing.assert_frame_equal(table, again.table)


def test_minimum_and_granularity_are_kept_at_any_threshold():
    model = randomize(network())
    table = prune(model, Criterion(granularity=5, minimum=12), threshold=2.0).table
    rows = table[~table.layer.str.startswith("output")]
    # 12 rounded up to a multiple of 5.
    assert set(rows.after) == {15}
    assert set(prune(model, Criterion(minimum=40), threshold=2.0).table.after) == {16, 32, 40, 4, 1}


def test_a_threshold_of_zero_prunes_nothing():
    model = randomize(network())
    pruned, table, _ = prune(model, Criterion(), threshold=0.0)
    assert (table.before == table.after).all()
    for one, two in zip(model.get_weights(), pruned.get_weights()):
        np.testing.assert_array_equal(one, two)


def test_a_filter_at_the_threshold_goes():
    model = randomize(network())
    kernel = model.get_layer("block_2a_conv_1").get_weights()[0].astype(np.float64)
    norms = np.sqrt((kernel**2).sum(axis=(0, 1, 2)))
    shares = np.sort(norms / norms.max())
    table = prune(model, Criterion(granularity=1, minimum=1), threshold=float(shares[10])).table
    assert table.set_index("layer").after["block_2a_conv_1"] == 32 - 11


def test_an_excluded_layer_keeps_its_filters_and_those_of_its_group():
    model = randomize(network())
    criterion = Criterion(excluded=("conv1", "block_3a_conv_shortcut"), **SMALL)
    table = prune(model, criterion, threshold=0.7).table.set_index("layer")
    untouched = {"conv1", "block_3a_conv_shortcut", "block_3a_conv_2", "output_bbox", "output_cov"}
    assert set(table.index[table.before == table.after]) == untouched


def test_a_dead_layer_is_pruned_to_its_minimum():
    model = randomize(network())
    layer = model.get_layer("block_4a_conv_1")
    layer.set_weights([np.zeros_like(one) for one in layer.get_weights()])
    table = prune(model, Criterion(**SMALL), threshold=0.1).table.set_index("layer")
    assert table.after["block_4a_conv_1"] == 4


@pytest.mark.parametrize(
    ("options", "target", "words"),
    [
        ({}, {"threshold": 0.1, "ratio": 0.5}, "either"),
        ({}, {}, "either"),
        ({}, {"ratio": 0.0}, "above 0"),
        ({}, {"ratio": 0.001}, "can this network be pruned"),
        ({"excluded": ("block_1a_conv1",)}, {"threshold": 0.1}, "Did you mean 'block_1a_conv_1'"),
        ({"normalizer": "l2"}, {"threshold": 0.1}, "Did you mean 'L2'"),
        ({"equalization": "mean"}, {"threshold": 0.1}, "arithmetic_mean"),
        ({"granularity": 0}, {"threshold": 0.1}, "1 or more"),
    ],
)
def test_what_cannot_be_pruned_is_refused(options, target, words):
    model = network()
    with pytest.raises(UserError, match=words):
        prune(model, Criterion(**options), **target)


def test_weights_that_are_not_finite_are_named():
    model = network()
    model.get_layer("block_2a_conv_1").kernel.assign(np.full((3, 3, 16, 32), np.nan))
    with pytest.raises(UserError, match="block_2a_conv_1"):
        prune(model, Criterion(), threshold=0.1)


def test_a_layer_that_cannot_be_followed_is_named():
    inputs = keras.Input((8, 8, 3), name="input_1")
    x = layers.Flatten(name="flat")(layers.Conv2D(4, 1, name="conv")(inputs))
    with pytest.raises(UserError, match=r"layer flat: .*Flatten"):
        prune(keras.Model(inputs, x), Criterion(), threshold=0.1)


def run_stage(model, out, *options):
    arguments = ["--model", str(model), "--out", str(out), "--minimum", "8", *options]
    prune_detector.main(prune_detector.arguments().parse_args(arguments))


def test_the_stage_writes_its_four_files(tmp_path):
    model = randomize(network())
    save_model(model, tmp_path / "model.keras")
    run_stage(tmp_path / "model.keras", tmp_path / "prune", "--ratio", "0.5", "--exclude", "conv1")
    out = tmp_path / "prune"
    names = ["model.hdf5", "model.keras", "provenance.json", "pruning.csv"]
    assert sorted(one.name for one in out.iterdir()) == names
    pruned = load_model(out / "model.keras")
    for one, two in zip(outputs(pruned, pictures()), outputs(load_model(out / "model.hdf5"), pictures())):
        np.testing.assert_array_equal(one, two)
    table = pd.read_csv(out / "pruning.csv")
    assert list(table.columns) == ["layer", "before", "after"]
    filters = {
        name: values["bias"].size
        for name, values in read_hdf5(out / "model.hdf5").items()
        if "bias" in values
    }
    assert dict(zip(table.layer, table.after)) == filters
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["parameters_before"] == count_parameters(model)
    assert provenance["parameters_after"] == count_parameters(pruned)
    assert provenance["ratio"] == count_parameters(pruned) / count_parameters(model) <= 0.5
    assert (provenance["flops_before"], provenance["flops_after"]) == (flops(model), flops(pruned))
    assert provenance["arguments"]["excluded"] == ["conv1"]
    assert provenance["model_sha256"] == sha256(tmp_path / "model.keras")
    assert provenance["versions"]["keras"] == keras.__version__


def test_the_stage_gives_equal_files_for_equal_models(tmp_path):
    save_model(randomize(network()), tmp_path / "model.keras")
    run_stage(tmp_path / "model.keras", tmp_path / "a", "--threshold", "0.6")
    run_stage(tmp_path / "model.keras", tmp_path / "b", "--threshold", "0.6")
    for one in (tmp_path / "a").iterdir():
        assert one.read_bytes() == (tmp_path / "b" / one.name).read_bytes(), one.name
