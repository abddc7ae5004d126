"""Weight files that are damaged, and weights that are no numbers: the file and the layer are named."""

import json

import h5py
import keras
import numpy as np
import pytest

from detectnet.contract import Contract
from detectnet.deploy.onnx_export import export_file
from detectnet.errors import UserError
from detectnet.network.weights import load_by_name, read_model, write_hdf5


def small():
    inputs = keras.Input((32, 32, 3), name="input_1")
    tensor = keras.layers.ZeroPadding2D(1, name="conv1_padding")(inputs)
    tensor = keras.layers.Conv2D(4, 3, strides=2, name="conv1")(tensor)
    tensor = keras.layers.BatchNormalization(name="bn_conv1")(tensor)
    return keras.Model(inputs, keras.layers.Conv2D(4, 1, name="conv2")(tensor))


@pytest.fixture
def path(tmp_path):
    write_hdf5(small(), tmp_path / "model.hdf5")
    return tmp_path / "model.hdf5"


def regraphed(path, change):
    """Change the description of the graph; ``change`` gets it and returns what is written."""
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = change(json.loads(file.attrs["model_config"]))


def test_a_description_that_is_cut_off(path):
    regraphed(path, lambda graph: json.dumps(graph)[:-40])
    with pytest.raises(UserError, match=r"model.hdf5: the graph in the file .* is damaged or cut off"):
        read_model(path)


@pytest.mark.parametrize("content", ["[]", "7", "null", '{"class_name": "Model", "config": {"layers": []}}'])
def test_a_description_of_something_else(path, content):
    regraphed(path, lambda _: content)
    with pytest.raises(UserError, match="not a functional Keras model"):
        read_model(path)


def of_layer(index, *keys, value=None):
    """A change of a layer's description: a key taken away, or set to a value."""

    def change(graph):
        place = graph["config"]["layers"][index]
        for key in keys[:-1]:
            place = place[key]
        if value is None:
            del place[keys[-1]]
        else:
            place[keys[-1]] = value
        return json.dumps(graph)

    return change


CONV1 = 1  # the input comes first, and the padding is part of conv1


@pytest.mark.parametrize(
    "change",
    [
        of_layer(CONV1, "class_name"),
        of_layer(CONV1, "config"),
        of_layer(CONV1, "inbound_nodes"),
        of_layer(CONV1, "inbound_nodes", value=[[["nowhere", 0, 0, {}]]]),
        of_layer(CONV1, "config", "filters"),
        of_layer(CONV1, "config", "strides", value=7),
        of_layer(CONV1, "config", "kernel_size"),
        of_layer(CONV1, "config", "activation", value="zz"),
    ],
)
def test_a_layer_whose_description_is_damaged_is_named(path, change):
    regraphed(path, change)
    with pytest.raises(UserError, match=r"model.hdf5, layer conv1: .*damaged"):
        read_model(path)


def test_outputs_that_are_no_layers(path):
    def change(graph):
        graph["config"]["output_layers"] = [["nowhere", 0, 0]]
        return json.dumps(graph)

    regraphed(path, change)
    with pytest.raises(UserError, match=r"output_layers: .*'nowhere' is missing"):
        read_model(path)


@pytest.mark.parametrize("read", [read_model, lambda path: load_by_name(small(), path)])
@pytest.mark.parametrize("gone", ["conv2", "conv2/conv2/kernel:0"])
def test_weights_that_are_listed_but_not_there(path, read, gone):
    with h5py.File(path, "a") as file:
        del file[f"model_weights/{gone}"]
    with pytest.raises(UserError, match=r"layer conv2: .*missing"):
        read(path)


def spoiled(path, number, layer="conv2", weight="bias"):
    with h5py.File(path, "a") as file:
        file[f"model_weights/{layer}/{layer}/{weight}:0"][1] = number


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("read", [read_model, lambda path: load_by_name(small(), path)])
def test_weights_that_are_not_finite_are_not_loaded(path, read, number):
    spoiled(path, number)
    with pytest.raises(UserError, match=r"layer conv2: 1 of 4 numbers of the bias are not finite"):
        read(path)


def test_weights_that_are_not_finite_are_not_exported(tmp_path):
    model = small()
    kernel, bias = model.get_layer("conv1").get_weights()
    kernel[0, 0, 0, :2] = np.nan
    model.get_layer("conv1").set_weights([kernel, bias])
    keras.saving.save_model(model, tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"model.keras, layer conv1: 2 of 108 numbers of the kernel"):
        export_file(
            tmp_path / "model.keras", Contract(32, 32, ("plate",)), tmp_path / "m.onnx", tmp_path / "c"
        )
    assert not (tmp_path / "m.onnx").exists()
