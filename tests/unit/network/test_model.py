"""The detector's outputs, its measures, and its files."""

import time
import zipfile

import keras
import numpy as np
import pytest
from networks import config, network, outputs, pictures, randomize

from detectnet.errors import UserError
from detectnet.network.model import (
    MIXED,
    build_model,
    flops,
    load_model,
    regularization_loss,
    save_model,
    with_heads,
    with_policy,
)
from detectnet.spec.message import Message
from detectnet.spec.schema_model import BBOX_OBJECTIVE, COV_OBJECTIVE, OBJECTIVE_SET


def objectives(layer):
    """An objective_set whose heads sit on a named layer."""
    heads = {
        name: Message(kind, "spec.cfg", _values={"input": layer})
        for name, kind in (("bbox", BBOX_OBJECTIVE), ("cov", COV_OBJECTIVE))
    }
    return Message(OBJECTIVE_SET, "spec.cfg", _values=heads)


def test_outputs_are_boxes_then_coverage_on_a_grid_of_sixteen_pixels():
    model = build_model(config(width_multiplier=0.1), ("car", "plate"), 96, 64, channels=1)
    bbox, cov = outputs(model, np.zeros((3, 96, 64, 1), np.float32))
    assert model.output_names == ["output_bbox", "output_cov"]
    assert (bbox.shape, cov.shape) == ((3, 6, 4, 8), (3, 6, 4, 2))
    assert model.input_shape == (None, 96, 64, 1)
    assert model.name == "resnet18_nopool_bn_detectnet_v2"


def test_heads_start_without_bias_and_coverage_is_a_sigmoid():
    model = network(size=32)
    feature = keras.Model(model.input, [model.get_layer("block_4a_relu").output, *model.outputs])
    last, bbox, cov = (np.asarray(one) for one in feature(pictures(32)))
    kernel, bias = model.get_layer("output_cov").get_weights()
    assert not bias.any()
    np.testing.assert_allclose(cov, 1 / (1 + np.exp(-(last @ kernel[0, 0]))), atol=1e-6)
    np.testing.assert_allclose(bbox, last @ model.get_layer("output_bbox").get_weights()[0][0, 0], atol=1e-5)


def test_initial_kernels_are_glorot_uniform_and_depend_on_the_seed_only():
    first, again, other = network(seed=7), network(seed=7), network(seed=8)
    for one, two in zip(first.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(one, two)
    kernel = first.get_layer("block_4a_conv_1").get_weights()[0]
    assert not np.array_equal(kernel, other.get_layer("block_4a_conv_1").get_weights()[0])
    limit = np.sqrt(6 / (9 * 64 + 9 * 128))
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    # Layers of one shape must not start as copies of each other.
    deeper = network(18)
    one, two = (deeper.get_layer(f"block_1b_conv_{n}").get_weights()[0] for n in (1, 2))
    assert not np.array_equal(one, two)


def test_heads_can_sit_on_a_named_layer():
    model = build_model(
        config(use_pooling=True, width_multiplier=0.1, objective_set=objectives("block_3b_relu_1")),
        ("plate",),
        64,
        64,
    )
    assert model.output_shape == [(None, 4, 4, 4), (None, 4, 4, 1)]


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ({"use_pooling": True}, {}, "use_pooling: false"),
        ({"arch": "resnext"}, {}, "Did you mean 'resnet'"),
        ({"freeze_blocks": [5.0]}, {}, "whole numbers from 0 to 4 for resnet"),
        ({"freeze_blocks": [0.5]}, {}, "whole numbers from 0 to 4 for resnet"),
        ({"objective_set": objectives("block_9")}, {}, "0 layer names"),
        ({"objective_set": objectives("relu")}, {}, "exactly one"),
        ({}, {"height": 100}, "multiples of 16"),
        ({}, {"channels": 4}, "4 channels"),
        ({}, {"classes": ()}, "no classes"),
    ],
)
def test_what_cannot_be_built_is_refused(fields, options, words):
    arguments = {"classes": ("plate",), "height": 64, "width": 64, **options}
    with pytest.raises(UserError, match=words):
        build_model(config(width_multiplier=0.1, **fields), **arguments)


def test_flops_are_two_for_each_multiply_and_add():
    # By hand: rows of the output, kernel, channels in and out of every convolution of a quarter ResNet-10.
    layers = [
        (32, 7, 3, 16),
        *[(16, 3, 16, 16), (16, 3, 16, 16), (16, 1, 16, 16)],
        *[(8, 3, 16, 32), (8, 3, 32, 32), (8, 1, 16, 32)],
        *[(4, 3, 32, 64), (4, 3, 64, 64), (4, 1, 32, 64)],
        *[(4, 3, 64, 128), (4, 3, 128, 128), (4, 1, 64, 128)],
        *[(4, 1, 128, 4), (4, 1, 128, 1)],
    ]
    assert flops(network()) == sum(2 * rows**2 * kernel**2 * a * b for rows, kernel, a, b in layers)


@pytest.mark.parametrize(("kind", "power"), [("L1", 1), ("L2", 2)])
def test_regularisation_counts_kernels_and_biases_of_convolutions(kind, power):
    model = randomize(network())
    weights = [
        one.numpy().astype(np.float64)
        for layer in model.layers
        if ("conv" in layer.name and "bn" not in layer.name) or layer.name.startswith("output")
        for one in layer.weights
    ]
    assert len(weights) == 2 * 15
    expected = 3e-5 * sum((np.abs(one) ** power).sum() for one in weights)
    assert float(regularization_loss(model, kind, 3e-5)) == pytest.approx(expected, rel=1e-5)


def test_no_regularisation_is_zero():
    assert float(regularization_loss(network(), "NO_REG", 1.0)) == 0


def test_mixed_precision_computes_in_bfloat16_between_float32_variables_and_outputs():
    model = network(policy=MIXED)
    assert {str(one.dtype) for one in model.variables} == {"float32"}
    assert {one.dtype.name for one in model(pictures())} == {"float32"}
    assert model.get_layer("block_2a_conv_1").output.dtype == "bfloat16"
    plain = with_policy(model, "float32")
    assert {one.output.dtype for one in plain.layers} == {"float32"}
    for mixed, exact in zip(outputs(model, pictures()), outputs(plain, pictures())):
        assert 0 < np.abs(mixed - exact).max() < 0.05


@pytest.mark.parametrize("policy", ["float32", MIXED])
def test_a_saved_model_comes_back_in_float32(tmp_path, policy):
    model = network(policy=policy, freeze_bn=True, freeze_blocks=[1.0], pretrained_model_file="a.hdf5")
    randomize(model)
    save_model(model, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    for one, two in zip(outputs(with_policy(model, "float32"), pictures()), outputs(loaded, pictures())):
        np.testing.assert_array_equal(one, two)
    assert [one.name for one in loaded.layers] == [one.name for one in model.layers]
    assert not loaded.get_layer("block_1a_conv_1").trainable
    again = load_model(tmp_path / "model.keras", MIXED)
    assert again.get_layer("conv1").compute_dtype == "bfloat16"
    assert [one.name for one in tmp_path.iterdir()] == ["model.keras"]


def test_equal_models_are_equal_files(tmp_path):
    save_model(network(), tmp_path / "a.keras")
    time.sleep(1.1)
    save_model(network(), tmp_path / "b.keras")
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        assert {one.date_time[0] for one in archive.infolist()} == {1980}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.keras", None, "does not exist"),
        ("broken.keras", b"not a zip", "a ZIP archive, and this is none"),
        ("model.tlt", b"", "encrypted with its user's key"),
        ("model.etlt", b"", "exported for TensorRT and encrypted"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        load_model(tmp_path / name)
    assert name in str(caught.value)


def headless(seed=42):
    """What a file of a back-bone alone holds."""
    detector = randomize(network(seed=seed))
    return keras.Model(detector.input, detector.get_layer("block_4a_relu").output, name="trunk")


def test_a_graph_with_heads_stays_what_it_is():
    model = network()
    assert with_heads(model, config(load_graph=True), ("plate",)) is model


def test_a_graph_with_its_heads_in_another_order_gives_boxes_first():
    model = randomize(network())
    turned = keras.Model(model.input, model.outputs[::-1])
    made = with_heads(turned, config(load_graph=True), ("plate",))
    assert made.output_names == ["output_bbox", "output_cov"]
    for one, two in zip(outputs(model, pictures()), outputs(made, pictures())):
        np.testing.assert_array_equal(one, two)


def test_a_graph_without_heads_gets_them_only_when_that_is_allowed():
    trunk = headless()
    with pytest.raises(UserError, match=r"no output_bbox and no output_cov.*allow_loaded_model_modification"):
        with_heads(trunk, config(load_graph=True), ("plate",))
    allowed = config(load_graph=True, allow_loaded_model_modification=True)
    made = with_heads(trunk, allowed, ("car", "plate"), seed=3)
    assert made.output_shape == [(None, 4, 4, 8), (None, 4, 4, 2)]
    for one, two in zip(trunk.get_weights(), made.get_weights()):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(
        *(with_heads(trunk, allowed, ("plate",), seed=n).get_weights()[-2] for n in (1, 2))
    )


def test_half_a_detector_is_refused():
    model = network()
    half = keras.Model(model.input, [model.outputs[0], model.get_layer("conv1").output])
    allowed = config(load_graph=True, allow_loaded_model_modification=True)
    with pytest.raises(UserError, match="no output_cov; its outputs: output_bbox, conv1"):
        with_heads(half, allowed, ("plate",))
