"""Weight files: read what others write from the description of the format, write what others read."""

import json
import time

import h5py
import keras
import numpy as np
import pytest
from networks import network, outputs, pictures, randomize
from scipy.signal import correlate2d

from detectnet.errors import UserError
from detectnet.network.model import load_model
from detectnet.network.weights import load_by_name, read_hdf5, write_hdf5


def put_layer(group, layer, weights, prefix=None):
    """One layer's group as Keras 2.2 writes it."""
    made = group.create_group(layer)
    names = [f"{prefix or layer}/{name}:0" for name in weights]
    made.attrs["weight_names"] = np.array(names, dtype="S") if names else np.zeros(0, "S1")
    for name, array in zip(names, weights.values()):
        made[name] = array


def conv_config(name, filters, size, stride):
    return {
        "name": name,
        "trainable": True,
        "filters": filters,
        "kernel_size": [size, size],
        "strides": [stride, stride],
        "padding": "same",
        "data_format": "channels_first",
        "dilation_rate": [1, 1],
        "activation": "linear",
        "use_bias": True,
        "kernel_initializer": {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg"}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 3e-9, "l2": 0.0}},
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }


def layer_config(kind, config, *parents, **flags):
    nodes = [[[parent, 0, 0, flags] for parent in parents]] if parents else []
    return {"class_name": kind, "name": config["name"], "config": config, "inbound_nodes": nodes}


@pytest.fixture
def foreign(tmp_path):
    """A file with a graph, written with h5py alone; NCHW, "same" at stride 2, frozen batch norm."""
    random = np.random.default_rng(5)
    weights = {
        "input_1": {},
        "conv1": {"kernel": random.normal(size=(3, 3, 3, 4)), "bias": random.normal(size=4)},
        "bn_conv1": {
            "gamma": random.normal(size=4),
            "beta": random.normal(size=4),
            "moving_mean": random.normal(size=4),
            "moving_variance": random.uniform(0.5, 2, 4),
        },
        "activation_1": {},
    }
    bn = {"name": "bn_conv1", "trainable": True, "axis": 1, "momentum": 0.99, "epsilon": 0.001}
    bn |= {"center": True, "scale": True, "gamma_initializer": {"class_name": "Ones", "config": {}}}
    shape = {"batch_input_shape": [None, 3, 8, 12], "dtype": "float32", "sparse": False}
    layers = [
        layer_config("InputLayer", {"name": "input_1", **shape}),
        layer_config("Conv2D", conv_config("conv1", 4, 3, 2), "input_1"),
        layer_config("BatchNormalization", bn, "conv1", training=False),
        layer_config(
            "Activation", {"name": "activation_1", "trainable": True, "activation": "relu"}, "bn_conv1"
        ),
    ]
    graph = {"name": "tiny", "layers": layers}
    graph |= {"input_layers": [["input_1", 0, 0]], "output_layers": [["activation_1", 0, 0]]}
    path = tmp_path / "foreign.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.2.4"
        file.attrs["backend"] = b"tensorflow"
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": graph}).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array(list(weights), dtype="S")
        for layer, values in weights.items():
            put_layer(group, layer, {name: array.astype(np.float32) for name, array in values.items()})
    return path, weights


def test_a_foreign_graph_computes_what_its_description_says(foreign):
    path, weights = foreign
    model = load_model(path)
    batch = np.random.default_rng(6).random((1, 8, 12, 3), dtype=np.float32)
    made = np.asarray(model(batch, training=True))[0]
    assert made.shape == (4, 6, 4)
    padded = np.pad(batch[0].astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    conv, bn = weights["conv1"], weights["bn_conv1"]
    for c in range(4):
        planes = [correlate2d(padded[..., i], conv["kernel"][..., i, c], "valid") for i in range(3)]
        value = sum(planes)[::2, ::2] + conv["bias"][c]
        value = (value - bn["moving_mean"][c]) / np.sqrt(bn["moving_variance"][c] + 1e-3)
        expected = np.maximum(value * bn["gamma"][c] + bn["beta"][c], 0)
        np.testing.assert_allclose(made[..., c], expected, atol=1e-5)


def test_a_foreign_file_is_read_by_layer_and_weight(foreign):
    path, weights = foreign
    found = read_hdf5(path)
    assert list(found) == ["conv1", "bn_conv1"]
    np.testing.assert_allclose(found["conv1"]["kernel"], weights["conv1"]["kernel"], rtol=1e-6)
    assert set(found["bn_conv1"]) == {"gamma", "beta", "moving_mean", "moving_variance"}


def test_a_weights_only_file_is_read_too_and_has_no_graph(tmp_path):
    path = tmp_path / "resnet10.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array(["conv1", "wrapped"], dtype="S")
        put_layer(file, "conv1", {"kernel": np.ones((7, 7, 3, 16)), "bias": np.ones(16)}, prefix="conv1_7")
        nested = file.create_group("wrapped")
        nested.attrs["weight_names"] = np.array(["a/kernel:0", "b/kernel:0"], dtype="S")
        nested["a/kernel:0"], nested["b/kernel:0"] = np.zeros(1), np.ones(1)
    found = read_hdf5(path)
    assert {layer: set(names) for layer, names in found.items()} == {
        "conv1": {"kernel", "bias"},
        "a": {"kernel"},
        "b": {"kernel"},
    }
    model = network()
    load_by_name(model, path)
    assert (model.get_layer("conv1").get_weights()[0] == 1).all()
    with pytest.raises(UserError, match="load_graph: false"):
        load_model(path)


def test_the_written_file_has_the_layout_and_the_names(tmp_path):
    model = randomize(network(freeze_bn=True))
    write_hdf5(model, tmp_path / "model.hdf5")
    with h5py.File(tmp_path / "model.hdf5") as file:
        assert (file.attrs["keras_version"], file.attrs["backend"]) == ("2.2.4", "tensorflow")
        group = file["model_weights"]
        names = [name.decode() for name in group.attrs["layer_names"]]
        assert list(group["bn_conv1"].attrs["weight_names"]) == [
            b"bn_conv1/gamma:0",
            b"bn_conv1/beta:0",
            b"bn_conv1/moving_mean:0",
            b"bn_conv1/moving_variance:0",
        ]
        kernel = group["block_1a_conv_1/block_1a_conv_1/kernel:0"][()]
        graph = json.loads(file.attrs["model_config"])["config"]
    np.testing.assert_array_equal(kernel, model.get_layer("block_1a_conv_1").get_weights()[0])
    layers = {one["name"]: one for one in graph["layers"]}
    assert list(layers) == names
    assert not [name for name in names if "padding" in name]
    assert layers["input_1"]["config"]["batch_input_shape"] == [None, 3, 64, 64]
    conv = layers["conv1"]
    assert conv["inbound_nodes"] == [[["input_1", 0, 0, {}]]]
    assert (conv["config"]["padding"], conv["config"]["data_format"]) == ("same", "channels_first")
    assert layers["bn_conv1"]["class_name"] == "BatchNormalization"
    assert layers["bn_conv1"]["inbound_nodes"] == [[["conv1", 0, 0, {"training": False}]]]
    assert layers["bn_conv1"]["config"]["axis"] == 1
    assert graph["output_layers"] == [["output_bbox", 0, 0], ["output_cov", 0, 0]]


@pytest.mark.parametrize("fields", [{}, {"freeze_bn": True}, {"all_projections": False}, {"layers": 50}])
def test_a_model_comes_back_whole(tmp_path, fields):
    model = randomize(network(**fields))
    write_hdf5(model, tmp_path / "model.hdf5")
    loaded = load_model(tmp_path / "model.hdf5")
    for one, two in zip(outputs(model, pictures()), outputs(loaded, pictures())):
        np.testing.assert_array_equal(one, two)
    assert [(one.name, type(one)) for one in loaded.layers] == [(one.name, type(one)) for one in model.layers]


def test_equal_models_are_equal_files(tmp_path):
    write_hdf5(network(), tmp_path / "a.hdf5")
    time.sleep(1.1)
    write_hdf5(network(), tmp_path / "b.hdf5")
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()


def test_weights_are_loaded_by_name_and_heads_start_fresh(tmp_path):
    source = randomize(network(18, all_projections=False))
    write_hdf5(source, tmp_path / "source.hdf5")
    target = network(10)
    fresh = target.get_layer("output_cov").get_weights()
    table = load_by_name(target, tmp_path / "source.hdf5").set_index("layer")
    for name in ("conv1", "bn_conv1", "block_4a_conv_2", "block_3a_bn_shortcut"):
        assert table.loc[name, "outcome"] == "loaded"
        for one, two in zip(source.get_layer(name).get_weights(), target.get_layer(name).get_weights()):
            np.testing.assert_array_equal(one, two)
    assert table.loc["output_cov", "why"] == "heads start fresh"
    np.testing.assert_array_equal(target.get_layer("output_cov").get_weights()[0], fresh[0])
    assert table.loc["block_1b_conv_1", "why"] == "not in the model"
    assert (table.outcome == "loaded").sum() == 26


def test_a_missing_or_unequal_layer_is_skipped_and_says_why(tmp_path):
    write_hdf5(network(10), tmp_path / "source.hdf5")
    table = load_by_name(network(18, width_multiplier=0.3), tmp_path / "source.hdf5").set_index("layer")
    assert table.loc["block_1b_conv_1", "why"] == "not in the file"
    assert "kernel 3x3x16x32" in table.loc["block_2a_conv_1", "why"]
    assert "kernel 3x3x16x40" in table.loc["block_2a_conv_1", "why"]
    assert table.loc["conv1", "outcome"] == "loaded"


def test_a_keras_file_gives_weights_by_name_too(tmp_path):
    source = randomize(network())
    source.save(tmp_path / "source.keras")
    target = network()
    table = load_by_name(target, tmp_path / "source.keras")
    assert set(table.layer[table.outcome == "skipped"]) == {"output_bbox", "output_cov"}
    np.testing.assert_array_equal(
        source.get_layer("conv1").get_weights()[0], target.get_layer("conv1").get_weights()[0]
    )


def test_a_file_of_which_nothing_fits_is_an_error(tmp_path):
    inputs = keras.Input((8, 8, 3), name="input_1")
    other = keras.Model(inputs, keras.layers.Conv2D(4, 1, name="other")(inputs))
    write_hdf5(other, tmp_path / "other.hdf5")
    with pytest.raises(UserError, match="not one layer"):
        load_by_name(network(), tmp_path / "other.hdf5")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.hdf5", None, "does not exist"),
        ("broken.hdf5", b"text", "not an HDF5 file"),
        ("resnet18.tlt", b"", "closed format of NVIDIA"),
    ],
)
def test_what_is_no_weights_file_is_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        load_by_name(network(), tmp_path / name)


def test_an_hdf5_file_of_something_else_is_refused(tmp_path):
    with h5py.File(tmp_path / "data.hdf5", "w") as file:
        file["numbers"] = np.zeros(3)
    with pytest.raises(UserError, match="layer_names"):
        read_hdf5(tmp_path / "data.hdf5")


def test_an_unknown_layer_class_is_named(foreign):
    path, _ = foreign
    with h5py.File(path, "a") as file:
        graph = json.loads(file.attrs["model_config"])
        graph["config"]["layers"][3]["class_name"] = "Lambda"
        file.attrs["model_config"] = json.dumps(graph).encode()
    with pytest.raises(UserError, match=r"activation_1: a layer of class Lambda\.? Allowed: Activation, Add"):
        load_model(path)
