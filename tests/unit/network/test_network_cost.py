"""The cost model against published roofline rows, really pruned networks, and arithmetic by hand."""

import numpy as np
import pytest
from networks import config, network, randomize

from detectnet.devices import NANO, Device
from detectnet.network.channels import graph, prunable_groups
from detectnet.network.cost import CostModel, cost_model
from detectnet.network.model import build_model, count_parameters, flops
from detectnet.network.pruning import Criterion, protected, prune

BACKBONES = {
    "resnet10": {"arch": "resnet", "num_layers": 10, "width_multiplier": 0.25, "all_projections": True},
    "resnet18": {"arch": "resnet", "num_layers": 18, "width_multiplier": 0.25, "all_projections": False},
    "resnet50": {"arch": "resnet", "num_layers": 50, "width_multiplier": 0.125, "all_projections": False},
    "mobilenet_v1": {"arch": "mobilenet_v1"},
    "mobilenet_v2": {"arch": "mobilenet_v2"},
    "squeezenet": {"arch": "squeezenet"},
    "vgg16": {"arch": "vgg", "num_layers": 16},
}
# ResNet with all projections, 640 x 640, one class. Channels of the stem and the four stages; GFLOP, ms.
ROWS = [
    (10, (64, 64, 128, 256, 512), 23.54, 49.9),
    (10, (24, 24, 48, 96, 200), 3.88, 8.3),
    (10, (64, 48, 64, 104, 168), 7.33, 15.5),
    (10, (64, 64, 128, 80, 128), 10.16, 21.5),
    (10, (24, 24, 40, 80, 160), 3.03, 6.5),
    (10, (16, 16, 32, 56, 112), 1.63, 3.6),
    (18, (64, 64, 128, 256, 512), 51.43, 109.0),
    (18, (24, 24, 48, 96, 200), 7.99, 17.2),
]
# Of the unpruned ResNet-10: out channels are those of the row's name.
KERNELS = {
    "conv1": (1.927, 4.08),
    "block_1a_conv_1": (1.887, 4.00),
    "block_1a_conv_2": (1.887, 4.00),
    "block_1a_conv_shortcut": (0.210, 0.44),
    "block_2a_conv_1": (0.944, 2.00),
    "block_2a_conv_2": (1.887, 4.00),
    "block_2a_conv_shortcut": (0.105, 0.22),
    "block_3a_conv_1": (0.944, 2.00),
    "block_3a_conv_2": (1.887, 4.00),
    "block_3a_conv_shortcut": (0.105, 0.22),
    "block_4a_conv_1": (3.775, 8.00),
    "block_4a_conv_2": (7.550, 16.00),
    "block_4a_conv_shortcut": (0.419, 0.89),
    "output_bbox + output_cov": (0.008, 0.06),
}


def model_and_groups(model):
    nodes = graph(model)
    groups = prunable_groups(nodes, protected(nodes, model, ()))
    return CostModel(model, nodes, groups, NANO), groups


@pytest.fixture(scope="module", params=[10, 18])
def resnet(request):
    model = network(request.param, 640, width_multiplier=1.0)
    return request.param, model, *model_and_groups(model)


def test_a_roofline_is_the_slower_of_arithmetic_and_memory():
    device = Device("slow", 10.0, 4.0)
    np.testing.assert_array_equal(device.seconds(np.array([20.0, 1.0]), np.array([4.0, 2.0])), [2.0, 0.5])


def test_the_published_rows_come_out(resnet):
    depth, _, cost, groups = resnet
    for _, keep, gflop, milliseconds in (row for row in ROWS if row[0] == depth):
        widths = [keep[0] if group[0] == "conv1" else keep[int(group[0][6])] for group in groups]
        found = cost(np.array(widths))
        assert round(float(found.flop) / 1e9, 2) == gflop
        assert found.milliseconds == pytest.approx(milliseconds, abs=0.0501)


def test_the_published_rows_of_the_layers_come_out(resnet):
    depth, _, cost, _ = resnet
    if depth == 10:
        found = {row.kernel: (row.gflop, row.milliseconds) for row in cost.table(cost.widths).itertuples()}
        assert found.keys() == KERNELS.keys()
        for name, (gflop, milliseconds) in KERNELS.items():
            assert found[name] == (pytest.approx(gflop, abs=6e-4), pytest.approx(milliseconds, abs=6e-3)), (
                name
            )


def test_traffic_by_hand_where_memory_is_the_limit():
    # Infinite arithmetic, 1 byte a ms: milliseconds are bytes, two for each number.
    model = network(10, 64, width_multiplier=0.25)
    found = cost_model(model, Device("memory", np.inf, 1e3)).table([]).set_index("kernel").milliseconds
    assert found["conv1"] == 2 * (64 * 64 * 3 + 32 * 32 * 16 + 7 * 7 * 3 * 16)
    assert found["block_1a_conv_1"] == 2 * (32 * 32 * 16 + 16 * 16 * 16 + 9 * 16 * 16)
    # Every other pixel is read, and the block's other branch to be added.
    assert found["block_1a_conv_shortcut"] == 2 * (16 * 16 * 16 * 3 + 16 * 16)
    assert found["output_bbox + output_cov"] == 2 * (4 * 4 * 128 + 4 * 4 * 5 + 128 * 5)


@pytest.mark.parametrize("name", BACKBONES)
def test_widths_cost_what_the_pruned_network_costs(name):
    model = randomize(build_model(config(**BACKBONES[name]), ("plate",), 64, 64))
    cost, groups = model_and_groups(model)
    before = cost(cost.widths)
    assert (before.parameters, before.flop) == (count_parameters(model), flops(model))
    pruned, table, _ = prune(model, Criterion(granularity=1, minimum=3), threshold=0.7)
    after = table.set_index("layer").after
    found = cost(np.array([after[group[0]] for group in groups]))
    built = cost_model(pruned, NANO)([])
    assert (found.parameters, found.flop) == (count_parameters(pruned), flops(pruned))
    assert (built.parameters, built.flop) == (count_parameters(pruned), flops(pruned))
    assert found.milliseconds == pytest.approx(float(built.milliseconds), rel=1e-12)


def test_many_widths_at_once_are_the_single_ones(resnet):
    _, _, cost, _ = resnet
    random = np.random.default_rng(5)
    widths = random.integers(1, cost.widths + 1, (4, 3, len(cost.widths)))
    together = cost(widths)
    for place in np.ndindex(4, 3):
        for one, many in zip(cost(widths[place]), together, strict=True):
            assert one == pytest.approx(many[place], rel=1e-12)
