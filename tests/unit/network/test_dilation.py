"""A dilated last block: it sees further, and keeps its names, its size and its way through every file."""

import numpy as np
import onnx
import onnxruntime
import pytest
import record_files
from networks import config, network, outputs, pictures, randomize

from detectnet.contract import Contract
from detectnet.deploy.onnx_export import to_onnx
from detectnet.errors import UserError
from detectnet.network.graph import convolutions
from detectnet.network.model import build_model, load_model, save_model
from detectnet.network.pruning import Criterion, prune
from detectnet.network.weights import write_hdf5
from detectnet.spec import SpecError, parse

DILATED = {"block_4a_conv_1", "block_4a_conv_2", "block_4b_conv_1", "block_4b_conv_2"}
SIZE, CELL = 320, 10


def open_everywhere(model):
    """Positive weights of mean kernels: no ReLU is shut, and every tap counts."""
    for layer in model.layers:
        for weight in layer.weights:
            fill = {"kernel": 1 / np.prod(weight.shape[:-1]), "gamma": 1, "moving_variance": 1}
            weight.assign(np.full(weight.shape, fill.get(weight.name, 0), np.float32))
    return model


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_a_cell_sees_as_far_as_the_kernels_and_the_dilation_say(dilation):
    """A kernel k at a spacing of j pixels reaches (k - 1) / 2 * j to either side: 3 pixels in the stem, j and
    2 j in the blocks that begin at j = 2, 4 and 8, and twice 16 times the dilation in the last."""
    reach = 3 + (2 + 4) + (4 + 8) + (8 + 16) + 2 * 16 * dilation
    model = open_everywhere(network(10, SIZE, width_multiplier=0.125, dilation=dilation))

    def boxes(column=None):
        picture = np.full((1, SIZE, SIZE, 3), 0.5, np.float32)
        if column is not None:
            picture[:, :, column] = 1000
        return outputs(model, picture)[0][0, CELL, CELL]

    def matters(column):
        return not np.array_equal(boxes(column), boxes())

    middle = 16 * CELL
    assert [matters(middle - reach - 1), matters(middle - reach)] == [False, True]
    assert [matters(middle + reach), matters(middle + reach + 1)] == [True, False]


def test_only_the_3x3_convolutions_of_the_last_block_are_dilated():
    model = network(18, 64, dilation=3)
    rates = {layer.name: layer.dilation_rate for layer in convolutions(model)}
    assert {name for name, rate in rates.items() if rate != (1, 1)} == DILATED
    assert {rates[name] for name in DILATED} == {(3, 3)}
    plain = network(18, 64)
    assert [layer.name for layer in model.layers] == [layer.name for layer in plain.layers]
    assert model.output_shape == plain.output_shape
    assert [one.path for one in model.weights] == [one.path for one in plain.weights]


def test_a_bottleneck_is_dilated_in_its_middle():
    rates = {layer.name: layer.dilation_rate for layer in convolutions(network(50, 64, dilation=2))}
    dilated = {name for name, rate in rates.items() if rate != (1, 1)}
    assert dilated == {f"block_4{unit}_conv_2" for unit in "abc"}


@pytest.mark.parametrize("suffix", [".keras", ".hdf5"])
def test_a_file_keeps_it(tmp_path, suffix):
    model = randomize(network(10, 96, dilation=2))
    path = tmp_path / f"model{suffix}"
    (save_model if suffix == ".keras" else write_hdf5)(model, path)
    again = load_model(path)
    assert again.get_layer("block_4a_conv_2").dilation_rate == (2, 2)
    for one, other in zip(outputs(model, pictures(96)), outputs(again, pictures(96)), strict=True):
        assert np.allclose(one, other, atol=1e-5)


def test_onnx_has_it_as_an_attribute_and_the_same_outputs():
    model = randomize(network(10, 96, dilation=2))
    proto = to_onnx(model, Contract(96, 96, ("plate",), {"plate": {}}))
    dilations = {}
    for node in proto.graph.node:
        given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Conv":
            dilations[node.name] = given.get("dilations", [1, 1]), given.get("pads")
    assert proto.opset_import[0].version == 13
    found = {name: one for name, one in dilations.items() if one[0] != [1, 1]}
    assert len(found) == 2
    assert all("block_4a_conv_" in name for name in found)
    assert list(found.values()) == [([2, 2], [2, 2, 2, 2])] * 2
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    picture = pictures(96, count=1)
    cov, bbox = session.run(None, {session.get_inputs()[0].name: picture.transpose(0, 3, 1, 2)})
    expected = outputs(model, picture)
    assert bbox.transpose(0, 2, 3, 1) == pytest.approx(expected[0], abs=1e-3)
    assert cov.transpose(0, 2, 3, 1) == pytest.approx(expected[1], abs=1e-4)


def test_pruning_keeps_it():
    """Filters that put out nothing are taken away, and the outputs stay."""
    model = randomize(network(10, 96, dilation=2))
    idle = slice(0, 40)
    for name in ("block_4a_conv_1", "block_4a_bn_1"):
        for weight in model.get_layer(name).weights:
            if weight.name in ("kernel", "bias", "gamma", "beta"):
                values = weight.numpy()
                values[..., idle] = 0
                weight.assign(values)
    pruned = prune(model, Criterion(granularity=1, minimum=1), threshold=1e-6).model
    layer = pruned.get_layer("block_4a_conv_1")
    assert layer.filters == model.get_layer("block_4a_conv_1").filters - 40
    assert layer.dilation_rate == pruned.get_layer("block_4a_conv_2").dilation_rate == (2, 2)
    for one, other in zip(outputs(model, pictures(96)), outputs(pruned, pictures(96)), strict=True):
        assert np.allclose(one, other, atol=1e-4)


def test_other_back_bones_are_refused_in_the_file_and_in_the_network():
    with pytest.raises(UserError, match="vgg is not dilated"):
        build_model(config(arch="vgg", num_layers=16, dilation=2), ("plate",), 64, 64)
    text = record_files.experiment(model="dilation: 2").to_text()
    assert parse(text, "experiment").model_config.dilation == 2
    with pytest.raises(SpecError, match="only a resnet can be dilated"):
        parse(text.replace('"resnet"', '"squeezenet"'), "experiment")


def test_a_stride_in_the_last_block_is_refused():
    with pytest.raises(UserError, match="use_pooling"):
        build_model(config(num_layers=10, use_pooling=True, dilation=2), ("plate",), 64, 64)
