"""Pruning's edges, its search for a share of the parameters, its refusals and its files."""

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
from detectnet.network.pruning import EQUALIZATIONS, NORMALIZERS, Criterion, prune
from detectnet.network.weights import read_hdf5

SMALL = {"granularity": 2, "minimum": 4}


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


def stays(values, **options):
    """The filters that stay of a 1x1 convolution of one input channel, whose filters have these norms."""
    inputs = keras.Input((8, 8, 1), name="input_1")
    x = layers.Conv2D(len(values), 1, name="conv")(inputs)
    model = keras.Model(inputs, layers.Conv2D(1, 1, name="output_cov")(x))
    model.get_layer("conv").set_weights([np.float32(values).reshape(1, 1, 1, -1), np.arange(len(values))])
    criterion = Criterion(options.pop("normalizer", "max"), granularity=1, minimum=options.pop("minimum", 1))
    return prune(model, criterion, **options).model.get_layer("conv").bias.numpy().astype(int).tolist()


def test_a_filter_at_the_threshold_goes():
    assert stays([0.5, 2, -1, 1.5, 0.25], threshold=0.5) == [1, 3]
    assert stays([0.5, 2, -1, 1.5, 0.25], threshold=float(np.nextafter(0.5, 0))) == [1, 2, 3]
    # The sum of squares is 100, so that the norms are n / 10 * 4.
    values = [1, -3, 3, 9]
    assert stays(values, threshold=1.2, normalizer="L2") == [3]
    assert stays(values, threshold=0.4, normalizer="L2") == [1, 2, 3]
    assert stays(values, threshold=0.39, normalizer="L2") == [0, 1, 2, 3]


def test_of_equal_filters_the_first_ones_stay():
    assert stays([1, 2, 1, 2, -1, 1], threshold=0.5, minimum=4) == [0, 1, 2, 3]
    assert stays([1, 1, 1, 1, 1], threshold=1.0, minimum=3) == [0, 1, 2]


def test_an_excluded_layer_keeps_its_filters_and_those_of_its_group():
    model = randomize(network())
    criterion = Criterion(excluded=("conv1", "block_3a_conv_shortcut"), **SMALL)
    table = prune(model, criterion, threshold=0.7).table.set_index("layer")
    untouched = {"conv1", "block_3a_conv_shortcut", "block_3a_conv_2", "output_bbox", "output_cov"}
    assert set(table.index[table.before == table.after]) == untouched


@pytest.mark.parametrize("equalization", EQUALIZATIONS)
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_a_dead_layer_is_pruned_to_its_minimum(normalizer, equalization):
    model = randomize(network())
    for name in ("block_4a_conv_1", "block_3a_conv_2", "block_3a_conv_shortcut"):
        model.get_layer(name).kernel.assign(np.zeros(model.get_layer(name).kernel.shape))
    criterion = Criterion(normalizer, equalization, **SMALL)
    pruned, table, _ = prune(model, criterion, threshold=0.1)
    after = table.set_index("layer").after
    assert [after[name] for name in ("block_4a_conv_1", "block_3a_conv_2", "block_3a_conv_shortcut")] == [
        4
    ] * 3
    assert all(np.isfinite(one).all() for one in outputs(pruned, pictures()))


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


def test_the_stage_writes_its_files(tmp_path):
    model = randomize(network())
    save_model(model, tmp_path / "model.keras")
    run_stage(tmp_path / "model.keras", tmp_path / "prune", "--ratio", "0.5", "--exclude", "conv1")
    out = tmp_path / "prune"
    names = ["costs.csv", "model.hdf5", "model.keras", "provenance.json", "pruning.csv"]
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
    costs = pd.read_csv(out / "costs.csv")
    assert costs.kernel.tolist()[0] == "conv1" and len(costs) == 14
    for when in ("before", "after"):
        assert costs[f"gflop_{when}"].sum() * 1e9 == pytest.approx(provenance[f"flops_{when}"])
        milliseconds = costs[f"milliseconds_{when}"].sum()
        assert milliseconds == pytest.approx(provenance[f"milliseconds_{when}"]) and milliseconds > 0
    assert provenance["arguments"]["excluded"] == ["conv1"]
    assert provenance["model_sha256"] == sha256(tmp_path / "model.keras")
    assert provenance["versions"]["keras"] == keras.__version__


def test_the_stage_gives_equal_files_for_equal_models(tmp_path):
    save_model(randomize(network()), tmp_path / "model.keras")
    run_stage(tmp_path / "model.keras", tmp_path / "a", "--threshold", "0.6")
    run_stage(tmp_path / "model.keras", tmp_path / "b", "--threshold", "0.6")
    for one in (tmp_path / "a").iterdir():
        assert one.read_bytes() == (tmp_path / "b" / one.name).read_bytes(), one.name
