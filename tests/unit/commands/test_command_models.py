"""Which file stands for the one that a TLT command names."""

import subprocess
import sys
from pathlib import Path

import pytest

from detectnet import spec
from detectnet.commands.models import located, named, output_file, renamed
from detectnet.errors import UserError


@pytest.mark.parametrize(
    ("named", "there", "taken"),
    [
        ("a.hdf5", ["a.hdf5"], "a.hdf5"),
        ("a.tlt", ["a.hdf5", "a.keras"], "a.hdf5"),
        ("a.tlt", ["a.keras"], "a.keras"),
        ("a.etlt", ["a.hdf5", "a.onnx"], "a.onnx"),
        ("a.engine", ["a.onnx"], "a.onnx"),
        ("a.trt", ["a.onnx"], "a.onnx"),
    ],
)
def test_the_file_that_was_written_in_its_place(tmp_path, named, there, taken):
    for name in there:
        (tmp_path / name).touch()
    assert located(tmp_path / named) == tmp_path / taken


@pytest.mark.parametrize(
    ("named", "there", "message"),
    [
        ("a.tlt", ["a.tlt"], "encrypted"),
        ("a.etlt", ["a.etlt", "a.onnx"], "encrypted"),
        ("a.engine", ["a.engine"], "built for one device.*the .onnx"),
        ("a.uff", ["a.uff"], "UFF.*the .onnx"),
        ("a.pb", ["a.pb"], "cannot read.*Allowed: .hdf5, .h5, .keras, .onnx"),
        (
            "model_detector.tlt",
            ["model_detectr.hdf5"],
            "does not exist. In its folder lies model_detectr.hdf5",
        ),
        ("model.epoch-10.hdf5", [], "does not exist.*checkpoints are no models"),
        ("a.hdf5", ["other.hdf5"], "does not exist. A training writes"),
        ("a.etlt", ["a.hdf5"], "does not exist. tlt-export -o NAME writes NAME.onnx"),
        ("a.onnx", [], "does not exist. tlt-export -o NAME writes NAME.onnx"),
        ("a.engine", [], "does not exist. tlt-export -o NAME writes NAME.onnx"),
        ("nowhere/a.hdf5", [], "does not exist"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, named, there, message):
    for name in there:
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=message):
        located(tmp_path / named)


def test_that_a_file_is_encrypted_is_said_without_the_seconds_that_tensorflow_takes(tmp_path):
    (tmp_path / "a.tlt").touch()
    code = (
        "import sys; from pathlib import Path\n"
        "from detectnet.commands.models import located\n"
        "from detectnet.errors import UserError\n"
        "try:\n    located(Path(sys.argv[1]))\n"
        "except UserError as error:\n    print(error, 'tensorflow' in sys.modules)"
    )
    scripts = Path(__file__).resolve().parents[3] / "scripts"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.tlt"],
        capture_output=True,
        text=True,
        cwd=scripts,
        check=True,
    )
    assert "encrypted" in done.stdout
    assert done.stdout.split()[-1] == "False"


def test_onnx_is_no_model_to_train(tmp_path):
    (tmp_path / "a.onnx").touch()
    with pytest.raises(UserError, match=r"Allowed: .hdf5, .keras"):
        located(tmp_path / "a.onnx", (".hdf5", ".keras"))


@pytest.mark.parametrize(
    ("given", "suffix", "written"),
    [
        ("a.etlt", ".onnx", "a.onnx"),
        ("a.onnx", ".onnx", "a.onnx"),
        ("a", ".onnx", "a.onnx"),
        ("resnet18_v1.2", ".hdf5", "resnet18_v1.2.hdf5"),
        ("a.tlt", ".hdf5", "a.hdf5"),
    ],
)
def test_names_of_what_is_written(tmp_path, given, suffix, written):
    assert renamed(tmp_path / given, suffix) == tmp_path / written


@pytest.mark.parametrize(("given", "suffix"), [("a.hdf5", ".onnx"), ("a.etlt", ".hdf5")])
def test_a_name_of_another_kind_is_refused(tmp_path, given, suffix):
    with pytest.raises(UserError, match="is not what the command writes"):
        renamed(tmp_path / given, suffix)


@pytest.mark.parametrize(
    ("given", "suffix", "written"),
    [
        ("out/", ".onnx", "out/plates.onnx"),
        ("there", ".onnx", "there/plates.onnx"),
        ("there/", ".hdf5", "there/plates.hdf5"),
        ("out", ".hdf5", "out.hdf5"),
    ],
)
def test_a_folder_as_the_output(tmp_path, given, suffix, written):
    (tmp_path / "there").mkdir()
    assert output_file(f"{tmp_path}/{given}", suffix, "plates") == tmp_path / written


def test_a_folder_is_no_model_but_what_lies_in_it_is_named(tmp_path):
    (tmp_path / "train/weights").mkdir(parents=True)
    (tmp_path / "train/weights/best.hdf5").touch()
    (tmp_path / "trains.hdf5").touch()
    with pytest.raises(
        UserError, match=r"a folder is no model file.*In it lies .*train/weights/best\.hdf5"
    ) as caught:
        located(tmp_path / "train")
    assert "trains" not in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="There is none in it"):
        located(tmp_path / "empty")


def inference(name: str):
    text = (
        f'inferencer_config {{ target_classes: "plate"\n tensorrt_config {{ etlt_model: "{name}" }} }}'
        'bbox_handler_config { classwise_bbox_handler_config { key: "default" value { '
        "clustering_config { coverage_threshold: 0.1 dbscan_eps: 0.3 dbscan_min_samples: 1 } } } }"
    )
    return spec.parse(text, "inference", "infer.prototxt").inferencer_config.tensorrt_config


def test_a_spec_means_the_working_directory_first_and_then_the_data_folder(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("DATA_BASE_PATH", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "data/m.onnx").touch()
    assert named(inference("m.etlt"), "etlt_model") == tmp_path / "data/m.onnx"
    (tmp_path / "work/m.onnx").touch()
    assert named(inference("m.etlt"), "etlt_model") == Path("m.onnx")


def test_a_model_that_a_spec_names_wrongly_is_said_with_its_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        named(inference("m.etlt"), "etlt_model")
    said = str(caught.value)
    assert said.startswith("infer.prototxt:2 inferencer_config.tensorrt_config.etlt_model: m.etlt: ")
    assert "looked for: m.etlt, " in said
    assert "tlt-export -o NAME writes NAME.onnx." in said
