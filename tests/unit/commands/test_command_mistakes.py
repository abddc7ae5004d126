"""What a user gets wrong is one sentence and status 1, before any long work."""

import re

import numpy as np
import onnx
import pytest
from prepared import EXPERIMENT, SPECS, prepare, typed

from detectnet.network.model import build_model, save_model
from detectnet.network.weights import write_hdf5
from detectnet.spec import load


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """The folder of a user with an untrained model in results/train, as a training leaves it."""
    folder = prepare(tmp_path_factory.mktemp("user"))
    train = folder / "results/train"
    (train / "weights").mkdir(parents=True)
    (train / "spec.cfg").write_text(EXPERIMENT.replace("MODEL", ""))
    config = load(train / "spec.cfg", "experiment").model_config
    model = build_model(config, ("plate",), 96, 96, 3)
    write_hdf5(model, train / "weights/m.hdf5")
    save_model(model, folder / "alone.keras")
    (folder / "a_file").write_text("x")
    return folder


def refused(user, line: str) -> str:
    done = typed(line, user)
    assert done.status == 1, done.said
    assert "Traceback" not in done.said
    return done.said


MODEL = "results/train/weights/m.hdf5"
PLACES = {
    "tlt-dataset-convert -d specs/tlt_dataconvert_config.cfg -o a_file/plates": "a_file: there is a file",
    "tlt-export -o a_file/x.onnx " + MODEL: "a_file: there is a file",
    "tlt-prune -o a_file/x.hdf5 -m " + MODEL: "a_file: there is a file",
    "tlt-prune -o fine.hdf5 -r a_file -m " + MODEL: "a_file: there is a file",
    "tlt-infer -cp specs/cluster_params.json -i pictures -o a_file -m " + MODEL: "a_file: there is a file",
    "tlt-export --log pictures -o x.onnx " + MODEL: "pictures: there is a folder where a file",
    "tlt-export --log a_file/x.log -o x.onnx " + MODEL: "a_file: there is a file where a folder",
}


@pytest.mark.parametrize("line", PLACES)
def test_a_place_that_cannot_be_written(user, line):
    assert PLACES[line] in refused(user, line)


def test_a_training_and_an_evaluation_look_at_their_folder_first(user):
    for fold in (0, 1):
        (user / "tfrecords").mkdir(exist_ok=True)
        (user / f"tfrecords/plates-fold-{fold:03d}-of-002-shard-00000-of-00001").write_text("no record")
    spec = "-e results/train/spec.cfg"
    assert "a_file/weights: a part of the path is a file" in refused(user, f"tlt-train {spec} -r a_file")
    assert "a_file: there is a file" in refused(user, f"tlt-evaluate {spec} -m {MODEL} -r a_file")


@pytest.mark.parametrize("name", ["''", "a/b", "..", "x.onnx"])
def test_a_name_of_weights_that_is_none(user, name):
    said = refused(user, f"tlt-train -e results/train/spec.cfg -r out -n {name}")
    assert "is no name of a file" in said or "is not what the command writes" in said
    assert not (user / "out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('pretrained_model_file: "nix.hdf5"', "nix.hdf5: the model file does not exist.*start at random"),
        (
            'load_graph: true pretrained_model_file: "nix.tlt"',
            "nix.tlt: the model file does not exist.*tlt-prune -o NAME",
        ),
        ('pretrained_model_file: "a_file"', "a_file: the command cannot read this kind.*.hdf5"),
    ],
)
def test_the_line_of_a_pretrained_model_that_cannot_be_used(user, more, message):
    (user / "tfrecords").mkdir(exist_ok=True)
    (user / "tfrecords/plates-fold-001-of-002-shard-00000-of-00001").write_text("no record")
    (user / "specs/pretrained.cfg").write_text(EXPERIMENT.replace("MODEL", more))
    said = refused(user, "tlt-train -e specs/pretrained.cfg -r out2")
    line = EXPERIMENT[: EXPERIMENT.index("MODEL")].count("\n") + 1
    assert re.search(rf"pretrained.cfg:{line} model_config.pretrained_model_file: {message}", said), said


def test_classes_that_are_not_those_of_the_training_are_refused(user):
    (user / "specs/wrong.prototxt").write_text(SPECS["inference.prototxt"].replace('"plate"', '"car"'))
    said = refused(user, f"tlt-infer -e specs/wrong.prototxt -i pictures -o wrong -m {MODEL}")
    assert "the target classes are car. Allowed: plate" in said
    assert not (user / "wrong").exists()


def test_classes_are_trusted_where_no_training_says_them(user):
    done = typed("tlt-infer -e specs/inference.prototxt -i pictures/yard.png -o alone -m alone.keras", user)
    assert done.status == 0, done.said
    assert (
        done.said.count("alone.keras does not say its classes; the spec's are trusted in their order: plate")
        == 1
    )
    assert (user / "alone/labels/yard.txt").is_file()


def test_another_size_than_the_models_is_said(user):
    wide = SPECS["inference.prototxt"].replace("image_width: 96", "image_width: 960")
    (user / "specs/wide.prototxt").write_text(wide)
    done = typed(f"tlt-infer -e specs/wide.prototxt -i pictures/yard.png -o wide -m {MODEL}", user)
    assert done.status == 0, done.said
    assert "inferencer_config.image_width: 960 here, but the model takes 96" in done.said
    assert "image_height: 96 here" not in done.said
    assert "replaced in the rules" not in done.said


def test_what_the_rules_replace_is_not_said_by_a_command(user):
    said = typed("tlt-dataset-convert -d specs/tlt_dataconvert_config.cfg -o r/plates", user).said
    assert "replaced in the rules" not in said


def test_records_of_a_folder_have_nvidias_names(user):
    done = typed("tlt-dataset-convert -d specs/tlt_dataconvert_config.cfg -o slash/", user)
    assert done.status == 0, done.said
    names = sorted(path.name for path in (user / "slash").iterdir())
    parts = [f"-fold-{fold:03d}-of-002-shard-{shard:05d}-of-00002" for fold in (0, 1) for shard in (0, 1)]
    assert names == [*parts, "_warning.json"]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_export_into_a_folder_and_its_deepstream_file(user, precision):
    line = f"tlt-export --gpu_index 0 {MODEL} -o export_{precision}/ --gen_ds_config --data_type {precision}"
    done = typed(line, user)
    assert done.status == 0, done.said
    assert f"wrote export_{precision}/m.onnx" in done.said
    folder = user / f"export_{precision}"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("labels.txt", "m.contract.json", "m.onnx", "nvinfer_config.txt")
    ]
    text = (folder / "nvinfer_config.txt").read_text()
    assert f"\nnetwork-mode={ {'fp32': 0, 'fp16': 2}[precision] }\n" in text
    assert f"\nmodel-engine-file=m.onnx_b1_gpu0_{precision}.engine\n" in text
    assert "Made from m.contract.json" in text
    assert re.search(r"# detected-min-h .* frames of 1920x1080, where an input pixel is 20.0 of them", text)
    assert "\ndetected-min-h=60\n" in text


def test_an_export_for_any_batch_with_the_names_of_the_other_route(user):
    done = typed(f"tlt-export {MODEL} -o any --static_batch_size -1 --onnx_route tf2onnx", user)
    assert done.status == 0, done.said
    graph = onnx.load(user / "any.onnx").graph
    shapes = {
        one.name: [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim][:2]
        for one in (*graph.input, *graph.output)
    }
    assert shapes == {
        "input_1:0": ["batch", 3],
        "output_cov/Sigmoid:0": ["batch", 1],
        "output_bbox/BiasAdd:0": ["batch", 4],
    }
    assert "batch: the batch is 0. Allowed: 1" in refused(
        user, f"tlt-export {MODEL} -o x --static_batch_size 0"
    )


@pytest.mark.parametrize(("opset", "said"), [(10, "Allowed: 11 to 18"), (19, "Allowed: 11 to 18")])
def test_an_operator_set_that_cannot_be_written(user, opset, said):
    assert said in refused(user, f"tlt-export {MODEL} -o opset --target_opset {opset}")


def test_an_operator_set_that_the_nano_does_not_read_is_said(user):
    said = typed(f"tlt-export {MODEL} -o newer --target_opset 14", user).said
    assert "TensorRT 8.2 on the Jetson Nano reads operator sets up to 13; 14" in said
    assert (user / "newer.onnx").is_file()
    assert "TensorRT 8.2" not in typed(f"tlt-export {MODEL} -o older --target_opset 12", user).said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("-n maxx", "-n: 'maxx' is unknown"),
        ("-eq unoin", "-eq: 'unoin' is unknown"),
        ("-pg 0", "-pg: "),
        ("-nf 0", "-nf: "),
        ("-el conv_1", "-el: the excluded layer 'conv_1'"),
    ],
)
def test_a_mistake_in_pruning_names_its_flag(user, flags, said):
    assert said in refused(user, f"tlt-prune -m {MODEL} -o pruned {flags}")


def test_pruning_nothing_is_said(user):
    done = typed(f"tlt-prune -m {MODEL} -o whole/ -pth 0", user)
    assert done.status == 0
    found = re.search(
        r"nothing is pruned: the smallest normalised norm is ([\d.e-]+), .* raise the threshold", done.said
    )
    assert 0 < float(found[1]) <= 1
    assert (user / "whole/model.hdf5").is_file()
    assert "nothing is pruned" not in typed(f"tlt-prune -m {MODEL} -o less -pth 5 -nf 1 -pg 1", user).said


@pytest.mark.parametrize("size", [0, 3000])
def test_a_file_that_is_no_keras_archive(user, size):
    (user / "junk.keras").write_bytes(np.random.default_rng(0).bytes(size))
    said = refused(user, "tlt-prune -m junk.keras -o pruned")
    assert "junk.keras: a .keras file is a ZIP archive, and this is none" in said
    assert "not found" not in said
