"""The ResNet template against the published table of layers and against SciPy's convolution."""

import keras
import numpy as np
import pytest
from networks import config, network, outputs, pictures, randomize
from scipy.signal import correlate2d

from detectnet.errors import UserError
from detectnet.network.blocks import Template
from detectnet.network.model import build_model, count_parameters
from detectnet.network.resnet import resnet

# name(kernel, stride, filters), as NVIDIA's weight files have them.
RESNET10 = """
conv1(7,2,64)
block_1a_conv_1(3,2,64) block_1a_conv_2(3,1,64) block_1a_conv_shortcut(1,2,64)
block_2a_conv_1(3,2,128) block_2a_conv_2(3,1,128) block_2a_conv_shortcut(1,2,128)
block_3a_conv_1(3,2,256) block_3a_conv_2(3,1,256) block_3a_conv_shortcut(1,2,256)
block_4a_conv_1(3,1,512) block_4a_conv_2(3,1,512) block_4a_conv_shortcut(1,1,512)
"""
RESNET18 = """
conv1(7,2,64)
block_1a_conv_1(3,2,64) block_1a_conv_2(3,1,64) block_1a_conv_shortcut(1,2,64)
block_1b_conv_1(3,1,64) block_1b_conv_2(3,1,64) block_1b_conv_shortcut(1,1,64)
block_2a_conv_1(3,2,128) block_2a_conv_2(3,1,128) block_2a_conv_shortcut(1,2,128)
block_2b_conv_1(3,1,128) block_2b_conv_2(3,1,128) block_2b_conv_shortcut(1,1,128)
block_3a_conv_1(3,2,256) block_3a_conv_2(3,1,256) block_3a_conv_shortcut(1,2,256)
block_3b_conv_1(3,1,256) block_3b_conv_2(3,1,256) block_3b_conv_shortcut(1,1,256)
block_4a_conv_1(3,1,512) block_4a_conv_2(3,1,512) block_4a_conv_shortcut(1,1,512)
block_4b_conv_1(3,1,512) block_4b_conv_2(3,1,512) block_4b_conv_shortcut(1,1,512)
"""
RESNET50_BLOCK_2A = """
block_2a_conv_1(1,2,128) block_2a_conv_2(3,1,128) block_2a_conv_3(1,1,512) block_2a_conv_shortcut(1,2,512)
"""


def described(model):
    return {
        f"{one.name}({one.kernel_size[0]},{one.strides[0]},{one.filters})"
        for one in model.layers
        if isinstance(one, keras.layers.Conv2D) and not one.name.startswith("output")
    }


@pytest.mark.parametrize(
    ("layers", "projections", "parameters", "feature"),
    [
        (10, True, 4_918_848, "block_4a_relu"),
        (10, False, 4_918_848, "block_4a_relu"),
        (18, True, 11_548_288, "block_4b_relu"),
        (18, False, 11_195_328, "block_4b_relu"),
        (34, True, 22_238_016, "block_4c_relu"),
        (34, False, 21_314_624, "block_4c_relu"),
        (50, True, 38_193_024, "block_4c_relu"),
        (50, False, 23_587_712, "block_4c_relu"),
    ],
)
def test_parameters_are_the_published_ones(layers, projections, parameters, feature):
    inputs = keras.Input((64, 96, 3))
    trunk = keras.Model(inputs, resnet(inputs, Template(layers, projections)))
    assert count_parameters(trunk) == parameters
    assert trunk.layers[-1].name == feature
    assert trunk.output_shape == (None, 4, 6, 2048 if layers == 50 else 512)


def test_detector_of_three_classes_has_the_published_parameters():
    model = build_model(config(num_layers=10), ("car", "person", "bicycle"), 64, 64)
    assert count_parameters(model) == 4_926_543


@pytest.mark.parametrize(("layers", "table"), [(10, RESNET10), (18, RESNET18)])
@pytest.mark.parametrize("projections", [True, False])
def test_layers_are_the_published_ones(layers, table, projections):
    model = network(layers, width_multiplier=1.0, all_projections=projections)
    wanted = {name for name in table.split() if projections or "shortcut" not in name or "a_conv" in name}
    assert described(model) == wanted
    norms = {one.name for one in model.layers if isinstance(one, keras.layers.BatchNormalization)}
    names = {name.split("(")[0] for name in wanted}
    assert norms == {"bn_conv1" if name == "conv1" else name.replace("conv", "bn") for name in names}


def test_a_bottleneck_has_its_stride_on_the_first_convolution():
    model = network(50, width_multiplier=1.0)
    assert set(RESNET50_BLOCK_2A.split()) <= described(model)


def by_the_rule(units, projections, share):
    """Convolutions of a bottleneck or basic ResNet from the rule of the names, as ``described`` has them."""
    deep, counts = units
    yield f"conv1(7,2,{64 // share})"
    for block, (count, filters) in enumerate(zip(counts, (64, 128, 256, 512)), start=1):
        for unit, letters in enumerate([*"abcdefghijklmnopqrstuvwxyz", *(f"a{one}" for one in "abcdefghij")]):
            if unit == count:
                break
            step, narrow = (2 if unit == 0 and block < 4 else 1), filters // share
            name = f"block_{block}{letters}_conv"
            wide = 4 * narrow if deep else narrow
            yield f"{name}_1({1 if deep else 3},{step},{narrow})"
            yield f"{name}_2(3,1,{narrow})"
            if deep:
                yield f"{name}_3(1,1,{wide})"
            if projections or unit == 0:
                yield f"{name}_shortcut(1,{step},{wide})"


@pytest.mark.parametrize("projections", [True, False])
@pytest.mark.parametrize(
    ("layers", "units", "convolutions"),
    [
        (34, (False, (3, 4, 6, 3)), (49, 37)),
        (50, (True, (3, 4, 6, 3)), (65, 53)),
        (101, (True, (3, 4, 23, 3)), (133, 104)),
    ],
)
def test_deeper_layers_follow_the_same_rule(layers, units, convolutions, projections):
    model = network(layers, width_multiplier=0.125, all_projections=projections)
    wanted = list(by_the_rule(units, projections, share=8))
    assert described(model) == set(wanted)
    assert len(wanted) == convolutions[0 if projections else 1]


@pytest.mark.parametrize("table", [(RESNET10, (1, 1, 1, 1)), (RESNET18, (2, 2, 2, 2))])
def test_the_rule_gives_the_published_tables(table):
    text, counts = table
    assert list(by_the_rule((False, counts), True, share=1)) == text.split()


def test_names_do_not_depend_on_what_was_built_before():
    first, second = network(18), network(18)
    assert [one.name for one in first.layers] == [one.name for one in second.layers]
    names = {one.name for one in first.layers}
    assert {"input_1", "activation_1", *(f"add_{n}" for n in range(1, 9)), "block_1a_relu_1"} <= names


def test_units_after_z_have_two_letters():
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, resnet(inputs, Template(152, width_multiplier=0.05)))
    names = [one.name for one in model.layers if one.name.endswith("_relu")]
    assert names.index("block_3aa_relu") == names.index("block_3z_relu") + 1
    assert "block_3aj_relu" in names and "block_3ak_relu" not in names


def test_without_batch_norm_there_is_none_and_convolutions_have_biases():
    model = network(use_batch_norm=False)
    assert not [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
    assert model.get_layer("block_3a_conv_1").use_bias


@pytest.mark.parametrize(
    ("multiplier", "filters"), [(0.25, [16, 32, 64, 128]), (0.3, [16, 40, 80, 152]), (0.01, [8, 8, 8, 8])]
)
def test_width_multiplier_rounds_to_multiples_of_eight(multiplier, filters):
    model = network(width_multiplier=multiplier)
    assert [model.get_layer(f"block_{b}a_conv_2").filters for b in (1, 2, 3, 4)] == filters


def test_pooling_gives_the_strides_of_the_table():
    inputs = keras.Input((448, 448, 3))
    tensor = resnet(inputs, Template(10, use_pooling=True, width_multiplier=0.1))
    model = keras.Model(inputs, tensor)
    rows = {one.name: one.output.shape[1] for one in model.layers}
    assert (rows["conv1"], rows["max_pooling2d_1"], rows["block_1a_relu"]) == (224, 112, 112)
    assert (rows["block_2a_relu"], rows["block_3a_relu"], rows["block_4a_relu"]) == (56, 28, 14)
    assert tensor.shape[1:3] == (2, 2)


@pytest.mark.parametrize("name", ["conv1", "block_1a_conv_1", "block_1a_conv_2", "block_1a_conv_shortcut"])
def test_padding_is_the_same_on_both_sides(name):
    """The layer's output is SciPy's correlation of its input with (k - 1) / 2 zeros on every side."""
    model = randomize(network())
    layer = model.get_layer(name)
    before = {
        "conv1": "input_1",
        "block_1a_conv_2": "block_1a_relu_1",
    }.get(name, "activation_1")
    probe = keras.Model(model.input, [model.get_layer(before).output, layer.output])
    given, made = (np.asarray(one)[0].astype(np.float64) for one in probe(pictures(count=1)))
    kernel, bias = (one.astype(np.float64) for one in layer.get_weights())
    side, step = kernel.shape[0] // 2, layer.strides[0]
    padded = np.pad(given, ((side, side), (side, side), (0, 0)))
    for output in range(3):
        planes = [correlate2d(padded[..., i], kernel[..., i, output], "valid") for i in range(given.shape[2])]
        expected = sum(planes)[::step, ::step] + bias[output]
        np.testing.assert_allclose(made[..., output], expected, atol=1e-4)


def test_batch_normalisation_is_the_formula_with_epsilon_one_thousandth():
    model = randomize(network())
    layer = model.get_layer("block_2a_bn_1")
    probe = keras.Model(model.input, [model.get_layer("block_2a_conv_1").output, layer.output])
    given, made = (np.asarray(one) for one in probe(pictures()))
    gamma, beta, mean, variance = layer.get_weights()
    np.testing.assert_allclose(made, (given - mean) / np.sqrt(variance + 1e-3) * gamma + beta, atol=1e-4)
    assert layer.momentum == 0.99


def test_frozen_blocks_train_their_batch_norm_only():
    model = network(freeze_blocks=[0.0, 2.0])
    trained = {one.path for one in model.trainable_variables}
    for frozen in ("conv1", "block_2a_conv_1", "block_2a_conv_2", "block_2a_conv_shortcut"):
        assert not {f"{frozen}/kernel", f"{frozen}/bias"} & trained
    assert {"bn_conv1/gamma", "block_2a_bn_1/beta", "block_1a_conv_1/kernel", "output_cov/bias"} <= trained
    before = model.get_layer("block_2a_bn_1").moving_mean.numpy()
    model(pictures(), training=True)
    assert not np.allclose(before, model.get_layer("block_2a_bn_1").moving_mean.numpy())


def test_frozen_statistics_do_not_move_but_gamma_and_beta_train():
    model = randomize(network(freeze_bn=True))
    before = model.get_layer("block_2a_bn_1").get_weights()
    trained = [np.asarray(one) for one in model(pictures(), training=True)]
    for one, other in zip(trained, outputs(model, pictures())):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(before, model.get_layer("block_2a_bn_1").get_weights()):
        np.testing.assert_array_equal(one, other)
    assert {"block_2a_bn_1/gamma", "block_2a_bn_1/beta"} <= {one.path for one in model.trainable_variables}


@pytest.mark.parametrize(
    ("template", "words"), [(Template(12), "12 layers"), (Template(width_multiplier=0), "0")]
)
def test_impossible_templates_are_refused(template, words):
    with pytest.raises(UserError, match=words):
        resnet(keras.Input((64, 64, 3)), template)
