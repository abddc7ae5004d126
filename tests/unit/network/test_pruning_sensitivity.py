"""Sensitivity, importance and recalibration, against networks that are really cut, and against arithmetic."""

import keras
import numpy as np
import pytest
import record_files
from keras import layers
from networks import config, randomize

import prune_detector
from detectnet.errors import UserError
from detectnet.files import read_json
from detectnet.network.budget import prune_to_budget
from detectnet.network.channels import graph, prunable_groups, sliced, surviving
from detectnet.network.inputs import to_network
from detectnet.network.loss import costs, weighted
from detectnet.network.model import build_model, count_parameters, flops, load_model, save_model
from detectnet.network.pruning import Criterion, protected
from detectnet.network.sensitivity import Probe, calibration_of, recalibrate
from detectnet.network.width_search import Budget

SMALL = Criterion(granularity=2, minimum=4)
BACKBONES = {
    "resnet18": {"num_layers": 18, "width_multiplier": 0.125, "all_projections": False},
    "mobilenet_v1": {"arch": "mobilenet_v1"},
    "squeezenet": {"arch": "squeezenet"},
    "vgg": {"arch": "vgg", "num_layers": 16},
}


def detector(**fields):
    size = record_files.SIZE
    return randomize(build_model(config(**fields), ("plate",), size, size))


def small():
    return detector(num_layers=10, width_multiplier=0.125, all_projections=True)


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    return record_files.write_shard(tmp_path_factory.mktemp("records"), 9)


@pytest.fixture(scope="module")
def calibration(shard):
    return calibration_of(record_files.experiment(), [shard], 6)


def parts(model):
    nodes = graph(model)
    return nodes, prunable_groups(nodes, protected(nodes, model, ()))


def cost_of(model, calibration):
    """Mean task cost of a picture with the statistics of each batch, without the probe."""
    total = 0.0
    for pictures, targets in calibration.batches:
        bbox, cov = model(to_network(pictures), training=True)
        cost = costs(cov, bbox, targets, calibration.loss)
        share = weighted(cost, np.array(calibration.loss.initial_weight), calibration.loss)
        total += float(share) * len(pictures)
    return total / calibration.pictures


def test_calibration_pictures_are_spread_over_the_records(shard, calibration):
    assert calibration.pictures == 6
    every = calibration_of(record_files.experiment(), [shard], 100)
    assert every.pictures == 9
    chosen, all_pictures = (
        np.concatenate([pictures.numpy() for pictures, _ in one.batches]) for one in (calibration, every)
    )
    np.testing.assert_array_equal(chosen, all_pictures[[0, 2, 3, 5, 6, 8]])


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_a_masked_group_costs_what_the_cut_network_costs(name, calibration):
    model = detector(**BACKBONES[name])
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    nodes, groups = parts(model)
    groups = groups[:: len(groups) // 2]
    probe = Probe(model, nodes, groups, calibration)
    random = np.random.default_rng(3)
    counts = [nodes[group[0]].channels for group in groups]
    stays, changed = ([np.sort(random.permutation(count)[:left]) for count in counts] for left in (7, 5))
    base, losses = probe.losses(stays, [[one] for one in changed])
    assert base == pytest.approx(cut_cost(model, nodes, groups, stays, calibration), rel=1e-3)
    for place, (loss,) in enumerate(losses):
        left = [*stays[:place], changed[place], *stays[place + 1 :]]
        assert loss == pytest.approx(cut_cost(model, nodes, groups, left, calibration), rel=1e-3)
    every = [np.arange(count) for count in counts]
    assert probe.losses(every, [])[0] == pytest.approx(cost_of(model, calibration), rel=1e-4)


def cut_cost(model, nodes, groups, stays, calibration):
    """The cost of the network that really has only these channels."""
    kept = {name: one for group, one in zip(groups, stays) for name in group}
    return cost_of(sliced(model, nodes, surviving(nodes, kept)), calibration)


def importance_of(model, calibration):
    nodes, groups = parts(model)
    return dict(zip((group[0] for group in groups), Probe(model, nodes, groups, calibration).importance()))


def test_importance_is_the_share_in_the_variance_of_what_is_read(calibration):
    model = small()
    found = importance_of(model, calibration)
    # block_2a_conv_1 is read by one convolution with batch normalisation, block_4a's sum by the two heads.
    inner, outer = (model.get_layer(name) for name in ("block_2a_conv_2", "output_bbox"))
    seen = keras.Model(model.inputs, [inner.input, outer.input])
    batches = [seen(to_network(pictures), training=True) for pictures, _ in calibration.batches]
    shares = np.array([len(pictures) for pictures, _ in calibration.batches]) / calibration.pictures
    mean, square = (
        shares @ np.array([np.mean(one.numpy() ** power, axis=(0, 1, 2)) for one, _ in batches])
        for power in (1, 2)
    )
    expected = np.zeros_like(mean)
    for output in np.moveaxis(inner.kernel.numpy(), -1, 0):
        added = (output**2).sum(axis=(0, 1)) * (square - mean**2)
        expected += added / added.sum() / inner.filters
    np.testing.assert_allclose(found["block_2a_conv_1"], expected, rtol=1e-3, atol=1e-6)
    square = shares @ np.array([np.mean(one.numpy() ** 2, axis=(0, 1, 2)) for _, one in batches])
    expected = np.zeros_like(square)
    for head in ("output_bbox", "output_cov"):
        added = model.get_layer(head).kernel.numpy()[0, 0] ** 2 * square[:, np.newaxis]
        expected += (added / added.sum(axis=0)).mean(axis=1)
    last = next(name for name in found if name.startswith("block_4a") and name != "block_4a_conv_1")
    np.testing.assert_allclose(found[last], expected, rtol=1e-3)


def test_importance_does_not_depend_on_where_the_scale_is(calibration):
    model = small()
    before = importance_of(model, calibration)["block_3a_conv_1"]
    norm, reader = model.get_layer("block_3a_bn_1"), model.get_layer("block_3a_conv_2")
    factors = np.random.default_rng(2).uniform(0.2, 5, len(before)).astype(np.float32)
    norm.gamma.assign(norm.gamma * factors)
    norm.beta.assign(norm.beta * factors)
    reader.kernel.assign(reader.kernel.numpy() / factors[:, np.newaxis])
    after = importance_of(model, calibration)["block_3a_conv_1"]
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-6)


def test_recalibrated_on_one_batch_a_network_infers_as_it_trains(shard):
    calibration = calibration_of(record_files.experiment(), [shard], 3)
    ((pictures, _),) = calibration.batches
    model = small()
    weights = [layer.get_weights()[0] for layer in model.layers if isinstance(layer, layers.Conv2D)]
    recalibrate(model, calibration)
    inferred = model(to_network(pictures), training=False)
    for one, two in zip(inferred, model(to_network(pictures), training=True), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)
    after = [layer.get_weights()[0] for layer in model.layers if isinstance(layer, layers.Conv2D)]
    for one, two in zip(weights, after, strict=True):
        np.testing.assert_array_equal(one, two)


def test_recalibration_averages_over_the_pictures_of_all_batches(calibration):
    inputs = keras.Input((record_files.SIZE, record_files.SIZE, 3), name="input_1")
    x = layers.BatchNormalization(name="norm", trainable=False)(inputs)
    model = keras.Model(inputs, layers.Dropout(0.9)(x))
    recalibrate(model, calibration)
    batches = [to_network(pictures).numpy() for pictures, _ in calibration.batches]
    shares = np.array([len(one) for one in batches]) / calibration.pictures
    norm = model.get_layer("norm")
    means = np.array([one.mean(axis=(0, 1, 2)) for one in batches])
    variances = np.array([one.var(axis=(0, 1, 2)) for one in batches])
    np.testing.assert_allclose(norm.moving_mean, shares @ means, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, shares @ variances, rtol=1e-4)
    assert not norm.trainable


def test_pictures_of_another_size_are_refused(calibration):
    model = build_model(config(width_multiplier=0.125), ("plate",), 64, 64)
    with pytest.raises(UserError, match="takes 64 x 64 x 3, the spec gives pictures of 96 x 96 x 3"):
        recalibrate(model, calibration)


@pytest.mark.slow
@pytest.mark.parametrize(
    "budget", [Budget(parameters=0.4, gflop=0.006), Budget(parameters=0.9, milliseconds=0.015)], ids=str
)
def test_the_pruned_network_is_within_its_budget(budget, calibration):
    model = small()
    weights = model.get_weights()
    pruned, sensitivity, bound_by = prune_to_budget(model, SMALL, budget, calibration)
    share = count_parameters(pruned.model) / count_parameters(model)
    assert share <= (budget.parameters or 1)
    assert flops(pruned.model) / 1e9 <= (budget.gflop or 1)
    assert bound_by and set(bound_by) <= budget.limits().keys()
    after = pruned.table.set_index("layer").after
    assert (after.drop(["output_bbox", "output_cov"]) >= 4).all()
    assert after["block_3a_conv_2"] == after["block_3a_conv_shortcut"]
    assert list(sensitivity.columns) == ["round", "group", "channels", "loss"]
    assert set(sensitivity["round"]) == {1, 2, 3} and (sensitivity.channels >= 4).all()
    for one, two in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_budget_that_cannot_be_met_is_refused_before_anything_is_measured(calibration):
    with pytest.raises(
        UserError, match=r"at most to gflop 0\.0\d+ can this network be pruned, not to 0\.0001"
    ):
        prune_to_budget(small(), SMALL, Budget(gflop=0.0001), calibration)
    everything = tuple(one.name for one in small().layers if isinstance(one, layers.Conv2D))
    with pytest.raises(UserError, match="nothing to prune"):
        prune_to_budget(small(), Criterion(excluded=everything), Budget(parameters=0.5), calibration)


def run_script(model, out, *options):
    arguments = ["--model", str(model), "--out", str(out), "--minimum", "4", "--granularity", "2", *options]
    prune_detector.main(prune_detector.arguments().parse_args(arguments))


@pytest.mark.slow
def test_the_stage_writes_equal_files_for_equal_input(tmp_path, shard):
    save_model(small(), tmp_path / "model.keras")
    (tmp_path / "spec.cfg").write_text(record_files.experiment().to_text())
    options = ["--spec", str(tmp_path / "spec.cfg"), "--training", str(shard), "--calibration-pictures", "5"]
    for name in ("a", "b"):
        run_script(
            tmp_path / "model.keras",
            tmp_path / name,
            "--max-parameters",
            "0.4",
            "--max-gflop",
            "0.006",
            *options,
        )
    names = {"model.keras", "model.hdf5", "pruning.csv", "costs.csv", "sensitivity.csv", "provenance.json"}
    assert {one.name for one in (tmp_path / "a").iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    found = read_json(tmp_path / "a" / "provenance.json")
    pruned = load_model(tmp_path / "a" / "model.keras")
    assert found["arguments"]["budget"] == {"parameters": 0.4, "gflop": 0.006, "milliseconds": None}
    assert (found["parameters_after"], found["flops_after"]) == (count_parameters(pruned), flops(pruned))
    assert found["calibration"]["pictures"] == 5 and found["bound_by"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--max-gflop", "1", "--ratio", "0.5"], "a budget and a ratio"),
        (["--max-gflop", "1"], "--spec and --training"),
        ([], "either a threshold or a ratio"),
    ],
)
def test_a_command_line_without_one_clear_target_is_refused(options, words, tmp_path):
    save_model(small(), tmp_path / "model.keras")
    with pytest.raises(UserError, match=words):
        run_script(tmp_path / "model.keras", tmp_path / "out", *options)
