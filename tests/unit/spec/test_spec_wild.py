"""What public files of TLT 1.0 to TAO 5 were seen to hold: all of it loads, with a word where it helps."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from google.protobuf.struct_pb2 import Value

from detectnet.spec import SpecError, clustering_of, notes_of, parse, shards_of
from detectnet.spec.text import read


def texts(message) -> str:
    return "\n".join(one.text for one in notes_of(message) if not one.no_effect and not one.replaced)


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def test_mapping_to_a_class_in_another_case(experiment, line_of):
    text = replaced(experiment, ('value: "car"\n', 'value: "Car"\n'))
    spec = parse(text)
    assert spec.dataset_config.target_class_mapping == {"plate": "plate", "van": "car"}
    (found,) = [one for one in notes_of(spec) if "'Car' is read as 'car'" in one.text]
    assert found.line == line_of(text, 'value: "Car"')


def test_the_same_class_under_many_spellings(experiment):
    spellings = ("AutoMobile", "Automobile", "automobile", "Heavy Truck", "heavy_truck", "no-mask")
    more = "".join(f'  target_class_mapping {{ key: "{one}" value: "car" }}\n' for one in spellings)
    mapping = parse(
        experiment.replace("  validation_fold", f"{more}  validation_fold")
    ).dataset_config.target_class_mapping
    assert set(mapping) == {"plate", "van", "automobile", "heavy truck", "heavy_truck", "no-mask"}


def test_entries_for_a_class_that_is_not_trained(experiment, line_of):
    extra = """  target_class_config {
    key: "cyclist"
    value { clustering_config { coverage_threshold: 0.005 dbscan_eps: 0.13 } }
  }
}
model_config {"""
    text = replaced(experiment, ("}\nmodel_config {", extra))
    (found,) = [one for one in notes_of(parse(text)) if "cyclist" in one.text]
    assert found.no_effect and found.line == line_of(text, 'key: "cyclist"')


def test_a_learning_rate_of_nearly_nothing_to_evaluate_a_model(experiment):
    text = replaced(experiment, ("5e-06", "10e-10"), ("5e-04", "10e-10"))
    assert "1e-09 is hardly meant" in texts(parse(text))
    assert "hardly meant" in texts(parse(replaced(experiment, ("5e-04", "0.5"))))
    assert "the rate stays at 5e-06" in texts(parse(replaced(experiment, ("5e-04", "5e-06"))))
    assert "hardly" not in texts(parse(experiment))


def test_empty_paths_and_an_activation_of_a_template(experiment):
    spec = parse(
        replaced(
            experiment,
            ('"/workspace/experiments/tfrecords/trainval/*"', '""'),
            ('"/workspace/experiments/training"', '""'),
            ("  num_layers: 18\n", '  num_layers: 18\n  activation {\n    activation_type: "relu"\n  }\n'),
        )
    )
    assert spec.dataset_config.data_sources[0].tfrecords_path == ""


def test_crop_to_the_size_of_the_network(experiment):
    size = "output_image_height: 544\n    crop_right: 960\n    crop_bottom: 544\n"
    spec = parse(replaced(experiment, ("output_image_height: 544\n", size)))
    assert spec.augmentation_config.preprocessing.crop_right == 960


def test_layout_of_other_editors(experiment):
    compact = "\n".join(line.strip() for line in experiment.splitlines())
    tabs = experiment.replace("  ", "\t").replace(" {", "{").replace("\n}\n", "}\n").rstrip()
    colons = experiment.replace("data_sources {", "data_sources: {").replace("value {", "value: {")
    for text in (compact, tabs, colons, "\ufeff".lstrip("\ufeff") + experiment.replace("\n", " \r\n")):
        assert parse(text) == parse(experiment)


@pytest.mark.parametrize("end", ["\n}\n", " }\n", "}", " } # the end"])
def test_closing_brace_on_the_line_of_the_last_field(dataset, end):
    head = dataset[: dataset.index("\n}\n")]
    assert parse(head + end).kitti_config.num_shards == 10


def test_train_and_validation_folders_converted_apart(dataset):
    spec = parse(replaced(dataset, ("val_split: 14", "val_split: 100")))
    assert spec.kitti_config.val_split == 100
    assert "none is left to train on" in texts(spec)
    assert parse(replaced(dataset, ("val_split: 14", "val_split: 0"))).kitti_config.val_split == 0


@pytest.mark.parametrize(("mode", "good"), [("random", False), ("sequence", True)])
def test_number_of_partitions(dataset, mode, good):
    text = replaced(dataset, ('"random"', f'"{mode}"'), ("num_partitions: 2", "num_partitions: 5"))
    if good:
        text = replaced(text, ("val_split", 'kitti_sequence_to_frames_file: "map.json" val_split'))
        assert parse(text).kitti_config.num_partitions == 5
    else:
        with pytest.raises(SpecError, match="2 partitions in random mode"):
            parse(text)


def test_three_partitions_of_coco():
    names = 'img_dir_names: ["test", "train", "valid"] annotation_files: ["a.json", "b.json", "c.json"]'
    text = f'coco_config {{ root_directory_path: "/c" {names} num_partitions: 3 num_shards: [1, 72, 2] }}'
    spec = parse(text)
    assert spec.coco_config.num_shards == [1, 72, 2]
    assert shards_of(spec) == (1, 2)
    with pytest.raises(SpecError, match="one entry for each of the 3"):
        parse(text.replace(', "valid"', ""))


def test_extension_with_and_without_the_dot(experiment, dataset):
    assert "without the dot" in texts(parse(replaced(experiment, ('"png"', '".png"'))))
    assert "with the dot" in texts(parse(replaced(dataset, ('".png"', '"PNG"'))))
    assert "the dot" not in texts(parse(experiment)) + texts(parse(dataset))


def test_hybrid_is_noted_where_tao_refuses_it(experiment, inference):
    hybrid = ("dbscan_eps: 0.15", "dbscan_eps: 0.15 clustering_algorithm: HYBRID")
    spec = parse(replaced(experiment, hybrid))
    assert clustering_of(spec)["plate"]["clustering_algorithm"] == "HYBRID"
    assert "TAO refuses it" in texts(spec)
    low = ("dbscan_eps: 0.3", "dbscan_eps: 0.3 clustering_algorithm: HYBRID")
    assert "TAO refuses" not in texts(parse(replaced(inference, low)))


def test_thresholds_on_a_sum_of_coverages_may_exceed_one(experiment):
    given = "dbscan_eps: 0.15 dbscan_confidence_threshold: 5.0 dbscan_min_samples: 4"
    values = clustering_of(
        parse(replaced(experiment, ("dbscan_eps: 0.15\n        dbscan_min_samples: 1", given)))
    )
    assert (values["plate"]["dbscan_confidence_threshold"], values["plate"]["dbscan_min_samples"]) == (
        5.0,
        4.0,
    )


def test_names_of_an_inference_spec_in_another_case(inference):
    text = replaced(inference, ('target_classes: "plate"', 'target_classes: "Plate"'))
    assert clustering_of(parse(text))["Plate"]["dbscan_eps"] == 0.3


def test_names_of_a_clustering_file_in_another_case(cluster_params):
    text = replaced(cluster_params, ('["plate", "car"]', '["Plate", "car"]'))
    found = clustering_of(parse(text))
    assert (found["Plate"]["dbscan_eps"], found["car"]["dbscan_eps"]) == (0.3, 0.15)


def test_size_that_is_no_multiple_of_the_stride(inference):
    spec = parse(replaced(inference, ("image_height: 544", "image_height: 1080")))
    assert "no multiple of 16" in texts(spec)


def test_lines_of_a_clustering_file_with_one_value_a_line():
    text = """{
  "target_classes": ["plate"],
  "dbscan_eps": {
    "plate": 0.3,
    "default": 1.5
  },
  "min_cov_to_cluster": {
    "plate": "0.005"
  },
  "min_obj_hight": {"plate": 4}
}
"""
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert [(one.line, one.path) for one in caught.value.problems] == [
        (5, "dbscan_eps[default]"),
        (8, "min_cov_to_cluster[plate]"),
        (10, "min_obj_hight"),
    ]


NETWORKS = [
    ('"resnet" num_layers: 10', 0, 4),
    ('"resnet" num_layers: 200', 0, 4),
    ('"vgg" num_layers: 16', 1, 5),
    ('"vgg" num_layers: 19', 1, 5),
    ('"mobilenet_v1"', 0, 11),
    ('"mobilenet_v2"', 0, 12),
    ('"squeezenet" num_layers: 18', 0, 9),
]
ARCH = 'arch: "resnet"\n  num_layers: 18\n'


@pytest.mark.parametrize(("arch", "first", "last"), NETWORKS)
def test_networks_and_their_blocks(experiment, line_of, arch, first, last):
    blocks = " ".join(f"freeze_blocks: {block}" for block in range(first, last + 1))
    model = parse(replaced(experiment, (ARCH, f"arch: {arch} {blocks}\n"))).model_config
    assert model.freeze_blocks == list(range(first, last + 1))
    for wrong in (first - 1, last + 1, first + 0.5):
        text = replaced(
            experiment, (ARCH, f"arch: {arch}\n freeze_blocks: {last}\n freeze_blocks: {wrong}\n")
        )
        with pytest.raises(SpecError, match=f"whole numbers from {first} to {last}") as caught:
            parse(text)
        (found,) = caught.value.problems
        assert found.line == line_of(text, f"freeze_blocks: {wrong}")


@pytest.mark.parametrize(
    ("arch", "words"),
    [
        ('"darknet" num_layers: 53', "known to TAO but not built here"),
        ('"googlenet"', "known to TAO but not built here"),
        ('"efficientnet_b0"', "known to TAO but not built here"),
        ('"mobilnet_v2"', "Did you mean 'mobilenet_v2'"),
        ('"resnet18"', "Did you mean 'resnet'"),
        ('"vgg"', "model_config.num_layers: required, but missing. Allowed: 16, 19"),
        ('"vgg" num_layers: 18', "Allowed: 16, 19"),
        ('"resnet" num_layers: 20', "Allowed: 10, 18, 34, 50, 101, 152, 200"),
        ('"vgg" num_layers: 16 width_multiplier: 0.5', "only a resnet can be made narrower"),
    ],
)
def test_networks_that_are_refused(experiment, arch, words):
    with pytest.raises(SpecError) as caught:
        parse(replaced(experiment, (ARCH, f"arch: {arch}\n")))
    assert words in str(caught.value)
    assert len(caught.value.problems) == 1


def test_what_a_network_is_warned_of(experiment):
    frozen = replaced(experiment, (ARCH, f"{ARCH}  freeze_blocks: 0\n"))
    assert "nothing is frozen but random numbers" in texts(parse(frozen))
    loaded = replaced(frozen, ("freeze_blocks: 0", 'freeze_blocks: 0 pretrained_model_file: "/w/r.hdf5"'))
    assert "nothing is frozen" not in texts(parse(loaded))
    assert "no batch normalisation" in texts(parse(replaced(experiment, ("  use_batch_norm: True\n", ""))))
    assert "no batch normalisation" not in texts(parse(experiment))
    graph = replaced(
        loaded, ("use_batch_norm: True", "use_batch_norm: False"), ("freeze_blocks: 0", "load_graph: true")
    )
    assert "no batch normalisation" not in texts(parse(graph))


def test_loss_mask_and_source_weights_take_effect(experiment):
    mask = """loss_mask_label_filter {
  objective_label_filter_configs {
    label_filter { source_class_label_filter { source_class_names: "dontcare" } }
  }
}
"""
    spec = parse(experiment.replace("image_directory_path:", "source_weight: 2 image_directory_path:") + mask)
    assert not any(one.no_effect for one in notes_of(spec))
    assert spec.dataset_config.data_sources[0].source_weight == 2


NUMBERS = ["1", "1.", ".5", "0.5f", "1F", "-0", "1e-4", "1E0", "5e-04", "0"]


@pytest.mark.parametrize("written", NUMBERS)
def test_numbers_as_google_reads_them(experiment, written):
    spec = parse(replaced(experiment, ("hflip_probability: 0.5", f"hflip_probability: {written}")))
    google = text_format.Parse(f"number_value: {written}", Value())
    assert spec.augmentation_config.spatial_augmentation.hflip_probability == google.number_value


@pytest.mark.parametrize(
    ("good", "same"),
    [
        ("random_seed: 42", "random_seed:42;"),
        ("random_seed: 42", "random_seed : 0x2A ,"),
        ("random_seed: 42", "random_seed: 052 # octal"),
        ('arch: "resnet"', "arch: 'resnet'"),
        ('arch: "resnet"', "arch: \"res\" 'net'"),
        ('arch: "resnet"', 'arch:\n    "r\\145s\\x6eet"'),
        ("cov {}", "cov <>"),
        ("cov {}", "cov: <\n>"),
        ("cov {}", "cov\n{\n}"),
        ("type: L1", "type: 1"),
        ("use_batch_norm: True", "use_batch_norm: t"),
        ('key: "van"\n    value: "car"', 'value: "car",\n    key: "van"'),
        ('{ key: "plate" value: 0.5 }', '< value: .5; key: "plate" >'),
    ],
)
def test_the_same_in_other_words(experiment, good, same):
    assert parse(replaced(experiment, (good, same))) == parse(experiment)


def test_lists_of_values_and_of_messages(experiment):
    lists = replaced(experiment, ("num_layers: 18", "num_layers: 18 freeze_blocks: [0, 1]"))
    assert parse(lists).model_config.freeze_blocks == [0, 1]
    two = 'data_sources: [{ tfrecords_path: "/a" }, { tfrecords_path: "/b" }]\n  image_extension'
    paths = [
        one.tfrecords_path
        for one in parse(replaced(experiment, ("image_extension", two))).dataset_config.data_sources
    ]
    assert paths[1:] == ["/a", "/b"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("// a comment", "Comments start with '#'"),
        ("arch: \N{LEFT DOUBLE QUOTATION MARK}resnet\N{RIGHT DOUBLE QUOTATION MARK}", "straight quotes"),
        ("a: /path", "Text needs quotes"),
    ],
)
def test_notation_that_people_bring_from_elsewhere(bad, words):
    problems = read(bad)[1]
    assert words in problems[0].sentence("")
