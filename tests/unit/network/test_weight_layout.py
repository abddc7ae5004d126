"""Files of every family against the description of Keras 2.2's layout, and graphs of it that others wrote."""

import json

import h5py
import keras
import numpy as np
import pytest
from networks import config, network, outputs, pictures, randomize
from scipy.signal import correlate2d

from detectnet.errors import UserError
from detectnet.network.model import build_model, load_model
from detectnet.network.weights import load_by_name, read_hdf5, write_hdf5

FAMILIES = {
    "resnet": {"num_layers": 10, "width_multiplier": 0.25},
    "vgg": {"num_layers": 16, "use_pooling": True},
    "mobilenet_v1": {},
    "mobilenet_v2": {},
    "squeezenet": {},
}


def detector(arch, seed=42):
    return build_model(config(arch=arch, **FAMILIES[arch]), ("plate",), 32, 48, seed=seed)


@pytest.fixture(scope="module", params=FAMILIES)
def written(request, tmp_path_factory):
    """A trained-looking detector of every family and its file."""
    model = randomize(detector(request.param))
    path = tmp_path_factory.mktemp(request.param) / "model.hdf5"
    write_hdf5(model, path)
    return request.param, model, path


def test_a_detector_of_every_family_comes_back_bit_for_bit(written):
    _, model, path = written
    loaded = load_model(path)
    assert [(one.name, type(one)) for one in loaded.layers] == [(one.name, type(one)) for one in model.layers]
    for one, two in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    batch = np.random.default_rng(1).random((2, 32, 48, 3), dtype=np.float32)
    for one, two in zip(outputs(model, batch), outputs(loaded, batch)):
        np.testing.assert_array_equal(one, two)


def test_weights_of_every_family_load_by_name_but_the_heads(written):
    arch, model, path = written
    target = detector(arch, seed=7)
    heads = [target.get_layer(name).get_weights() for name in ("output_bbox", "output_cov")]
    table = load_by_name(target, path)
    assert set(table.layer[table.outcome == "skipped"]) == {"output_bbox", "output_cov"}
    for layer in model.layers[:-2]:
        for one, two in zip(layer.get_weights(), target.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    for name, old in zip(("output_bbox", "output_cov"), heads):
        np.testing.assert_array_equal(old[0], target.get_layer(name).get_weights()[0])


def test_kerass_own_reader_of_old_files_takes_them(written):
    """An independent reader: Keras 3 still loads weights of Keras 2 files by layer name."""
    arch, model, path = written
    other = detector(arch, seed=7)
    other.load_weights(path, by_name=True)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def by_hand(path, layers, weights_only=False):
    """A file of Keras 2.2 from the description: ``layers`` is name -> {weight: array}, in order.

    Attributes are lists of byte strings of one length; a weight lies in a group of its layer's name inside
    the group of its layer; channels-first graph in JSON; no training_config.
    """
    with h5py.File(path, "w") as file:
        root = file if weights_only else file.create_group("model_weights")
        for place in {file, root}:
            place.attrs["keras_version"] = b"2.2.4"
            place.attrs["backend"] = b"tensorflow"
        root.attrs["layer_names"] = np.array([name.encode() for name in layers])
        for name, weights in layers.items():
            group = root.create_group(name)
            names = [f"{name}/{weight}:0" for weight in weights]
            group.attrs["weight_names"] = np.array([one.encode() for one in names])
            for one, array in zip(names, weights.values()):
                group.create_dataset(one, array.shape, dtype="float32")[...] = array
        if not weights_only:
            file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": {}}).encode()


BN = ("gamma", "beta", "moving_mean", "moving_variance")


def resnet10_by_hand():
    """Layers with weights of a quarter-width ResNet-10 with a head of one class, shapes from the tables."""
    random = np.random.default_rng(11)

    def conv(size, before, after):
        return {"kernel": random.normal(size=(size, size, before, after)), "bias": random.normal(size=after)}

    def norm(count):
        return {name: random.uniform(0.5, 1.5, count) for name in BN}

    layers = {"input_1": {}, "conv1": conv(7, 3, 16), "bn_conv1": norm(16), "activation_1": {}}
    before = 16
    for block, filters in enumerate((16, 32, 64, 128), start=1):
        unit = f"block_{block}a_"
        layers[f"{unit}conv_1"] = conv(3, before, filters)
        layers[f"{unit}bn_1"] = norm(filters)
        layers[f"{unit}relu_1"] = {}
        layers[f"{unit}conv_2"] = conv(3, filters, filters)
        layers[f"{unit}conv_shortcut"] = conv(1, before, filters)
        layers[f"{unit}bn_2"] = norm(filters)
        layers[f"{unit}bn_shortcut"] = norm(filters)
        layers[f"add_{block}"] = {}
        layers[f"{unit}relu"] = {}
        before = filters
    return layers | {"output_bbox": conv(1, 128, 4), "output_cov": conv(1, 128, 1)}


def structure(path):
    """Every group with its attributes and every data set with type and shape; the graph's text left out."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, _: found.setdefault(name))
        for name in ["/", *found]:
            one = file[name]
            attributes = {
                key: np.asarray(one.attrs[key]).tolist() for key in one.attrs if key != "model_config"
            }
            data = (one.dtype.str, one.shape) if isinstance(one, h5py.Dataset) else None
            found[name] = (data, attributes)
        found["attributes"] = sorted(file.attrs)
        found["graph"] = h5py.h5a.open(file.id, b"model_config").get_type().is_variable_str()
    return found


def test_the_file_is_built_like_one_from_the_description(tmp_path):
    layers = resnet10_by_hand()
    by_hand(tmp_path / "theirs.hdf5", layers)
    model = network()
    for name, weights in layers.items():
        model.get_layer(name).set_weights(list(weights.values()))
    write_hdf5(model, tmp_path / "ours.hdf5")
    ours, theirs = structure(tmp_path / "ours.hdf5"), structure(tmp_path / "theirs.hdf5")
    names = {key: one["model_weights"][1].pop("layer_names") for key, one in (("us", ours), ("them", theirs))}
    assert sorted(names["us"]) == sorted(names["them"])  # side branches may be in another order
    assert ours == theirs
    with h5py.File(tmp_path / "ours.hdf5") as one, h5py.File(tmp_path / "theirs.hdf5") as two:
        kernel = "model_weights/block_2a_conv_shortcut/block_2a_conv_shortcut/kernel:0"
        np.testing.assert_array_equal(one[kernel][()], two[kernel][()])
        for file in (one, two):
            kind = h5py.h5a.open(file["model_weights"].id, b"layer_names").get_type()
            assert not kind.is_variable_str()
        description = json.loads(one.attrs["model_config"])
    formats = {
        layer["config"].get("data_format", "channels_first") for layer in description["config"]["layers"]
    }
    assert (description["class_name"], formats) == ("Model", {"channels_first"})


@pytest.mark.parametrize("weights_only", [False, True], ids=["model", "weights"])
@pytest.mark.parametrize("suffix", [".hdf5", ".h5"])
def test_both_layouts_load_by_name(weights_only, suffix, tmp_path):
    layers = resnet10_by_hand()
    by_hand(tmp_path / f"resnet10{suffix}", layers, weights_only)
    model = network()
    table = load_by_name(model, tmp_path / f"resnet10{suffix}")
    assert (table.outcome == "loaded").sum() == 26
    for name, weights in layers.items():
        if not name.startswith("output"):
            for one, two in zip(weights.values(), model.get_layer(name).get_weights(), strict=True):
                np.testing.assert_array_equal(one.astype(np.float32), two)


def test_a_list_of_names_in_several_attributes_is_one_list(tmp_path):
    path = tmp_path / "resnet10.hdf5"
    by_hand(path, resnet10_by_hand())
    whole = read_hdf5(path)
    with h5py.File(path, "a") as file:
        attributes = file["model_weights"].attrs
        names = attributes["layer_names"]
        del attributes["layer_names"]
        attributes["layer_names0"], attributes["layer_names1"] = names[:10], names[10:]
    assert list(read_hdf5(path)) == list(whole)


def test_projections_that_the_file_lacks_are_noted(tmp_path, caplog):
    layers = resnet10_by_hand()
    for block in (1, 2, 3, 4):
        del layers[f"block_{block}a_conv_shortcut"], layers[f"block_{block}a_bn_shortcut"]
    by_hand(tmp_path / "plain.hdf5", layers)
    model = network()
    fresh = model.get_layer("block_1a_conv_shortcut").get_weights()[0]
    with caplog.at_level("INFO"):
        table = load_by_name(model, tmp_path / "plain.hdf5").set_index("layer")
    assert "all_projections: false" in table.loc["block_3a_conv_shortcut", "why"]
    assert "8 layers of projections start at random" in caplog.text
    assert "output_cov" in caplog.text and "heads start fresh" in caplog.text and "conv1" in caplog.text
    np.testing.assert_array_equal(fresh, model.get_layer("block_1a_conv_shortcut").get_weights()[0])


def test_projections_that_the_model_lacks_are_noted(tmp_path):
    write_hdf5(network(18), tmp_path / "all.hdf5")
    table = load_by_name(network(18, all_projections=False), tmp_path / "all.hdf5").set_index("layer")
    assert table.loc["block_1b_conv_shortcut", "why"] == "not in the model, whose all_projections is false"
    assert table.loc["block_1a_conv_shortcut", "outcome"] == "loaded"


def test_a_file_of_another_keras_loads_by_name_too(tmp_path):
    """Keras 3's own writer of the old layout, which also names depthwise kernels otherwise."""
    source = randomize(detector("mobilenet_v2"))
    source.save(tmp_path / "source.h5")
    target = detector("mobilenet_v2", seed=3)
    table = load_by_name(target, tmp_path / "source.h5")
    assert set(table.layer[table.outcome == "skipped"]) == {"output_bbox", "output_cov"}
    for one, two in zip(source.get_weights()[:-4], target.get_weights()[:-4]):
        np.testing.assert_array_equal(one, two)


def test_depthwise_kernels_have_their_old_name_in_the_file(tmp_path):
    write_hdf5(detector("mobilenet_v1"), tmp_path / "model.hdf5")
    with h5py.File(tmp_path / "model.hdf5") as file:
        group = file["model_weights/conv_dw_3"]
        assert list(group.attrs["weight_names"]) == [b"conv_dw_3/depthwise_kernel:0"]
        assert group["conv_dw_3/depthwise_kernel:0"].shape == (3, 3, 128, 1)


def test_weights_of_keras3_alone_are_refused_with_a_way_out(tmp_path):
    network().save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(UserError, match=r"layer_names.*save the whole model as \.keras"):
        load_by_name(network(), tmp_path / "model.weights.h5")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ((7).to_bytes(4, "little") + b"input_1" + b"\x9c" * 40, r"\(UFF, input 'input_1'\)"),
        (bytes(4) + b"\x9c" * 40, r"\(ONNX\)"),
        (b"\x9c" * 40, "for TensorRT and encrypted"),
    ],
)
def test_an_exported_container_says_what_its_header_says(content, words, tmp_path):
    path = tmp_path / "resnet18.etlt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        load_by_name(network(), path)
    assert "TAO 5 saves the same network as .hdf5" in str(caught.value)
    assert "pretrained_detectnet_v2" in str(caught.value)


# A graph that others could have written, in their fields and layout (channels first), and its numbers.


def layer(kind, name, *parents, flags=None, **fields):
    nodes = [[[parent, 0, 0, flags or {}] for parent in parents]] if parents else []
    fields = {"name": name, "trainable": True, **fields}
    return {"class_name": kind, "name": name, "config": fields, "inbound_nodes": nodes}


def window(size, step, padding="same", name="kernel_size"):
    sizes = {name: [size, size], "strides": [step, step], "padding": padding}
    return {**sizes, "data_format": "channels_first"}


def conv_fields(size, step, padding="same"):
    return {**window(size, step, padding), "dilation_rate": [1, 1], "activation": "linear", "use_bias": False}


SHAPE = {"batch_input_shape": [None, 3, 12, 16], "dtype": "float32", "sparse": False}
GRAPH = [
    layer("InputLayer", "input_1", **SHAPE),
    layer("ZeroPadding2D", "pad", "input_1", padding=[[1, 1], [1, 1]], data_format="channels_first"),
    layer("DepthwiseConv2D", "depthwise", "pad", **conv_fields(3, 2, "valid"), depth_multiplier=1),
    layer("BatchNormalization", "norm", "depthwise", flags={"training": False}, axis=1, epsilon=0.001),
    layer("ReLU", "six", "norm", max_value=6.0, negative_slope=0.0, threshold=0.0),
    layer("MaxPooling2D", "max", "six", **window(3, 1, name="pool_size")),
    layer("AveragePooling2D", "mean", "norm", **window(3, 1, name="pool_size")),
    layer("Concatenate", "both", "max", "mean", axis=1),
    layer("Conv2D", "strided", "both", **conv_fields(3, 2), filters=6),
    layer("Conv2D", "output_bbox", "strided", **{**conv_fields(1, 1), "activation": "linear"}, filters=4),
    layer("Conv2D", "output_cov", "strided", **{**conv_fields(1, 1), "activation": "sigmoid"}, filters=1),
]


def graph_file(path, layers=GRAPH):
    random = np.random.default_rng(3)
    weights = {one["name"]: {} for one in layers}
    weights["depthwise"] = {"depthwise_kernel": random.normal(size=(3, 3, 3, 1))}
    weights["norm"] = {name: random.uniform(0.5, 2, 3) for name in BN}
    weights["strided"] = {"kernel": random.normal(size=(3, 3, 6, 6))}
    weights["output_bbox"] = {"kernel": random.normal(size=(1, 1, 6, 4))}
    weights["output_cov"] = {"kernel": random.normal(size=(1, 1, 6, 1))}
    by_hand(path, weights)
    ends = [["output_bbox", 0, 0], ["output_cov", 0, 0]]
    graph = {"layers": layers, "input_layers": [["input_1", 0, 0]], "output_layers": ends, "name": "theirs"}
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": graph}).encode()
    return weights


def pooled(planes, reduce):
    padded = np.pad(planes, ((1, 1), (1, 1), (0, 0)))
    rows, columns, _ = planes.shape
    windows = [[padded[r : r + 3, c : c + 3] for c in range(columns)] for r in range(rows)]
    return np.array([[reduce(one, axis=(0, 1)) for one in row] for row in windows])


def correlated(planes, kernel, step):
    padded = np.pad(planes, ((1, 1), (1, 1), (0, 0)))
    made = [
        sum(correlate2d(padded[..., i], kernel[..., i, o], "valid") for i in range(kernel.shape[2]))
        for o in range(kernel.shape[3])
    ]
    return np.stack(made, -1)[::step, ::step]


def test_a_foreign_graph_computes_what_its_description_says(tmp_path):
    weights = graph_file(tmp_path / "theirs.hdf5")
    model = load_model(tmp_path / "theirs.hdf5")
    picture = np.random.default_rng(8).normal(size=(12, 16, 3)).astype(np.float32)
    kernel = weights["depthwise"]["depthwise_kernel"]
    planes = [correlated(picture[..., i : i + 1], kernel[:, :, i : i + 1], 2) for i in range(3)]
    norm = weights["norm"]
    normal = (np.concatenate(planes, -1) - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3)
    normal = normal * norm["gamma"] + norm["beta"]
    both = np.concatenate([pooled(np.clip(normal, 0, 6), np.max), pooled(normal, np.mean)], -1)
    strided = correlated(both, weights["strided"]["kernel"], 2)
    bbox = strided @ weights["output_bbox"]["kernel"][0, 0]
    cov = 1 / (1 + np.exp(-(strided @ weights["output_cov"]["kernel"][0, 0])))
    made = outputs(model, picture[None])
    np.testing.assert_allclose(made[0][0], bbox, atol=1e-4)
    np.testing.assert_allclose(made[1][0], cov, atol=1e-5)
    assert model.input_shape == (None, 12, 16, 3)
    before = model.get_layer("norm").get_weights()
    model(picture[None], training=True)
    for one, two in zip(before, model.get_layer("norm").get_weights()):
        np.testing.assert_array_equal(one, two)


def test_a_foreign_graph_written_again_is_the_same_network(tmp_path):
    graph_file(tmp_path / "theirs.hdf5")
    model = load_model(tmp_path / "theirs.hdf5")
    write_hdf5(model, tmp_path / "ours.hdf5")
    again = load_model(tmp_path / "ours.hdf5")
    batch = np.random.default_rng(8).normal(size=(2, 12, 16, 3)).astype(np.float32)
    for one, two in zip(outputs(model, batch), outputs(again, batch)):
        np.testing.assert_array_equal(one, two)
    with h5py.File(tmp_path / "ours.hdf5") as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
    wanted = {one["name"]: (one["class_name"], one["config"].get("padding")) for one in GRAPH}
    assert {one["name"]: (one["class_name"], one["config"].get("padding")) for one in layers} == wanted


def test_a_pruned_detector_keeps_its_graph(tmp_path):
    """Filter counts that no template has come from the file's graph alone."""
    model = randomize(detector("mobilenet_v2"))
    wanted = {}

    def narrower(one):
        fields = one.get_config()
        if one.name == "block_12_expand":
            fields["filters"] = wanted[one.name] = 200
        return type(one).from_config(fields)

    pruned = randomize(keras.models.clone_model(model, clone_function=narrower))
    write_hdf5(pruned, tmp_path / "pruned.hdf5")
    loaded = load_model(tmp_path / "pruned.hdf5")
    assert loaded.get_layer("block_12_depthwise").output.shape[-1] == wanted["block_12_expand"]
    batch = pictures(32, 1)[:, :, :, :]
    batch = np.concatenate([batch, batch[:, :, :16]], axis=2)
    for one, two in zip(outputs(pruned, batch), outputs(loaded, batch)):
        np.testing.assert_array_equal(one, two)
    table = load_by_name(model, tmp_path / "pruned.hdf5").set_index("layer")
    assert "kernel 1x1x96x200" in table.loc["block_12_expand", "why"]
