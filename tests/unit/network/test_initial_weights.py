"""Where a training's first weights come from, and what its provenance says about it."""

import json
import re

import keras
import numpy as np
import pytest
import record_files

from detectnet import spec
from detectnet.errors import UserError
from detectnet.files import sha256
from detectnet.network.backbones import BACKBONES
from detectnet.network.model import load_model
from detectnet.network.training import initial_file, train
from detectnet.spec.check_model import ARCHS


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    return record_files.write_shard(tmp_path_factory.mktemp("records"), 4)


@pytest.fixture(scope="module")
def first(shard, tmp_path_factory):
    """A training from random weights."""
    out = tmp_path_factory.mktemp("first")
    train(record_files.experiment(epochs="1"), [shard], [], out)
    return out


def origin(out):
    return json.loads((out / "provenance.json").read_text())["initial_weights"]


def of_arch(arch, **changes):
    """The tiny experiment with another back-bone, at its only width."""
    text = record_files.experiment(epochs="1", **changes).to_text()
    text = re.sub(r'arch: "\w+"', f'arch: "{arch}"', text)
    return spec.parse(re.sub(r"(width_multiplier|num_layers): [\d.]+", "", text), "experiment")


def test_a_random_start_is_named_with_its_seed(first):
    assert origin(first) == {"kind": "random", "seed": 7}


def test_a_file_is_named_with_its_hash_and_the_layers_that_it_gave(first, shard, tmp_path):
    start = first / "model.hdf5"
    train(record_files.experiment(epochs="1"), [shard], [], tmp_path, initial_model=start)
    said = {"file": str(start), "sha256": sha256(start), "loaded": 26, "skipped": 2}
    assert origin(tmp_path) == {"kind": "by name", **said}


def test_the_specs_own_file_does_the_same(first, shard, tmp_path):
    start = first / "model.hdf5"
    named = record_files.experiment(epochs="1", model=f'pretrained_model_file: "{start}"')
    train(named, [shard], [], tmp_path)
    assert (origin(tmp_path)["file"], origin(tmp_path)["loaded"]) == (str(start), 26)


def test_a_loaded_graph_may_get_heads(first, shard, tmp_path):
    detector = load_model(first / "model.keras")
    trunk = keras.Model(detector.input, detector.get_layer("block_4a_relu").output)
    trunk.save(tmp_path / "trunk.keras")
    refused = record_files.experiment(epochs="1", model="load_graph: true")
    with pytest.raises(UserError, match="allow_loaded_model_modification"):
        train(refused, [shard], [], tmp_path / "out", initial_model=tmp_path / "trunk.keras")
    asked = "load_graph: true allow_loaded_model_modification: true"
    allowed = record_files.experiment(epochs="1", model=asked)
    train(allowed, [shard], [], tmp_path / "out", initial_model=tmp_path / "trunk.keras")
    assert origin(tmp_path / "out")["kind"] == "graph"
    assert load_model(tmp_path / "out" / "model.keras").output_names == ["output_bbox", "output_cov"]


def test_frozen_blocks_need_weights_worth_keeping(first, shard, tmp_path):
    frozen = record_files.experiment(epochs="1", model="freeze_blocks: 0 freeze_blocks: 1")
    with pytest.raises(UserError, match=r"frozen at random weights.*initial model"):
        train(frozen, [shard], [], tmp_path)
    train(frozen, [shard], [], tmp_path, initial_model=first / "model.keras")
    before, after = (load_model(folder / "model.keras") for folder in (first, tmp_path))
    for name, same in (("conv1", True), ("block_1a_conv_shortcut", True), ("block_2a_conv_1", False)):
        kernels = [one.get_layer(name).kernel.numpy() for one in (before, after)]
        assert np.array_equal(*kernels) == same
    assert not np.array_equal(*(one.get_layer("bn_conv1").gamma.numpy() for one in (before, after)))


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["mobilenet_v1", "mobilenet_v2", "squeezenet"])
def test_other_back_bones_train(arch, shard, tmp_path):
    train(of_arch(arch), [shard], [], tmp_path)
    assert load_model(tmp_path / "model.keras").name.startswith(arch)
    assert load_model(tmp_path / "model.hdf5").output_shape[0] == (None, 6, 6, 4)


def test_specs_allow_what_is_built():
    built = {
        arch: (family.depths, family.freezable[0], family.freezable[-1]) for arch, family in BACKBONES.items()
    }
    assert {arch: (one.layers, *one.blocks) for arch, one in ARCHS.items()} == built


def test_the_spec_means_the_working_directory_and_then_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_BASE_PATH", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    named = record_files.experiment(model='pretrained_model_file: "m.hdf5"')
    with pytest.raises(
        UserError, match=r"pretrained_model_file: the initial model does not exist.*data/m\.hdf5"
    ):
        initial_file(named)
    (tmp_path / "data/m.hdf5").touch()
    assert initial_file(named) == tmp_path / "data/m.hdf5"
    (tmp_path / "work/m.hdf5").touch()
    assert initial_file(named).resolve() == tmp_path / "work/m.hdf5"
    with pytest.raises(UserError, match="does not exist"):
        initial_file(named, tmp_path / "nix.keras")
