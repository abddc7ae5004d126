"""What files of TLT 1.0 to TAO 5 hold loads unchanged; what deserves a word is noted."""

from __future__ import annotations

import pytest

from detectnet.spec import clustering_of, mode_of, notes_of, parse, shards_of, share_of


def note(message, path: str):
    found = [one for one in notes_of(message) if one.path == path]
    assert len(found) == 1, [one.sentence("") for one in notes_of(message)]
    return found[0]


def test_values_and_defaults_in_effect(experiment):
    spec = parse(experiment)
    assert spec.kind == "experiment"
    assert spec.training_config.num_epochs == 120
    assert spec.model_config.use_batch_norm is True
    assert spec.model_config.load_graph is False
    assert spec.model_config.freeze_blocks == []
    assert spec.model_config.width_multiplier == 1.0
    assert spec.evaluation_config.average_precision_mode == "INTEGRATE"
    assert spec.dataset_config.sampling_mode == "USER_DEFINED"
    assert spec.dataset_config.data_sources[0].source_weight == 1.0
    assert spec.dataset_config.target_class_mapping == {"plate": "plate", "van": "car"}
    assert spec.training_config.regularizer.weight == 3e-9
    assert spec.augmentation_config.spatial_augmentation.resampling == []
    assert spec.postprocessing_config.target_class_config["car"].clustering_config.dbscan_eps == 0.2


def test_empty_submessage_is_there_with_its_defaults(dataset):
    spec = parse(dataset)
    assert not spec.has("coco_config")
    assert spec.coco_config.img_dir_names == []
    assert spec.sample_modifier_config.num_duplicates == 0


def test_where_names_file_line_and_path(experiment, line_of):
    spec = parse(experiment, name="spec.cfg")
    line = line_of(experiment, "num_epochs")
    assert spec.training_config.where("num_epochs") == f"spec.cfg:{line} training_config.num_epochs"
    assert spec.training_config.where("enable_qat") == "spec.cfg training_config.enable_qat"
    assert (
        spec.where("training_config") == f"spec.cfg:{line_of(experiment, 'training_config')} training_config"
    )
    line = line_of(experiment, 'value: "car"')
    assert spec.dataset_config.where("target_class_mapping[van]").startswith(f"spec.cfg:{line} ")


def test_unknown_attribute_names_the_nearest(experiment):
    with pytest.raises(AttributeError, match="Did you mean 'num_epochs'"):
        _ = parse(experiment).training_config.num_epoch


def test_fractional_min_samples(experiment):
    spec = parse(experiment.replace("dbscan_min_samples: 1", "dbscan_min_samples: 0.05", 1))
    config = spec.postprocessing_config.target_class_config["plate"].clustering_config
    assert config.dbscan_min_samples == 0.05
    path = "postprocessing_config.target_class_config[plate].clustering_config.dbscan_min_samples"
    assert "counts as 1" in note(spec, path).text


@pytest.mark.parametrize("order", ["fold first", "source first"])
def test_validation_fold_and_data_source_the_last_counts(experiment, line_of, order):
    source = '  validation_data_source { tfrecords_path: "/v/*" image_directory_path: "/v" }\n'
    fold = "  validation_fold: 0\n"
    text = experiment.replace(fold, fold + source if order == "fold first" else source + fold)
    data = parse(text).dataset_config
    lost, kept = ("validation_fold", "validation_data_source")[:: 1 if order == "fold first" else -1]
    assert data.has(kept) and not data.has(lost)
    found = note(parse(text), f"dataset_config.{lost}")
    assert found.line == line_of(text, lost)
    assert kept in found.text


def test_validation_fold_zero_counts_as_given(experiment):
    assert parse(experiment).dataset_config.has("validation_fold")
    assert not parse(experiment.replace("  validation_fold: 0\n", "")).dataset_config.has("validation_fold")


def test_upper_case_mapping_keys_are_read_in_lower_case(experiment):
    spec = parse(experiment.replace('key: "van"', 'key: "Heavy Truck"'))
    assert spec.dataset_config.target_class_mapping == {"plate": "plate", "heavy truck": "car"}
    assert "'Heavy Truck' is read as 'heavy truck'" in note(spec, "dataset_config.target_class_mapping").text


def test_exact_key_wins_over_one_in_upper_case(experiment):
    extra = '  target_class_mapping { key: "VAN" value: "plate" }\n  validation_fold'
    spec = parse(experiment.replace("  validation_fold", extra))
    assert spec.dataset_config.target_class_mapping["van"] == "car"


def test_fields_that_other_versions_leave_out(experiment, dataset):
    for missing in (
        '  image_extension: "png"\n',
        "    output_image_channel: 3\n",
        "  checkpoint_interval: 10\n",
    ):
        spec = parse(experiment.replace(missing, ""))
        assert spec.training_config.checkpoint_interval == 10
        assert spec.augmentation_config.preprocessing.output_image_channel == 3
    kitti = parse(
        dataset.replace("  num_partitions: 2\n", "").replace('  image_extension: ".png"\n', "")
    ).kitti_config
    assert (kitti.num_partitions, kitti.image_extension, kitti.num_shards) == (2, ".png", 10)


def test_partition_mode_absent_is_grouped_and_random_is_noted(dataset):
    assert parse(dataset.replace('  partition_mode: "random"\n', "")).kitti_config.partition_mode == "grouped"
    spec = parse(dataset)
    assert spec.kitti_config.partition_mode == "random"
    assert "sorted names" in note(spec, "kitti_config.partition_mode").text


@pytest.mark.parametrize("percent", [0, 100, 33.5])
def test_val_split_of_all_or_nothing(dataset, percent):
    assert parse(dataset.replace("val_split: 14", f"val_split: {percent}")).kitti_config.val_split == percent


def test_a_share_for_val_split_is_noted(dataset):
    spec = parse(dataset.replace("val_split: 14", "val_split: 0.2"))
    assert "is written as 20" in note(spec, "kitti_config.val_split").text


def test_retraining_with_qat_and_services(experiment, line_of):
    text = experiment.replace(
        "  checkpoint_interval: 10\n",
        """  enable_qat: true
  cost_scaling { initial_exponent: 20.0 increment: 0.005 decrement: 1.0 }
  visualizer { enabled: true num_images: 3 clearml_config { tags: "a" tags: "b" } }
""",
    ).replace(
        "  num_layers: 18\n", '  num_layers: 18\n  load_graph: true\n  pretrained_model_file: "/w/p.hdf5"\n'
    )
    spec = parse(text)
    assert spec.model_config.load_graph is True
    idle = {one.path: one.line for one in notes_of(spec) if one.no_effect}
    for name in ("enable_qat", "cost_scaling", "visualizer"):
        assert idle[f"training_config.{name}"] == line_of(text, name)
    assert "model_config.load_graph" not in idle
    assert not any(path.startswith("training_config.visualizer.") for path in idle)


def test_auto_resize_and_high_confidence_threshold(experiment):
    text = experiment.replace("min_bbox_width: 1.0", "enable_auto_resize: true").replace(
        "dbscan_eps: 0.15", "dbscan_eps: 0.15 dbscan_confidence_threshold: 5.0"
    )
    spec = parse(text)
    assert spec.augmentation_config.preprocessing.enable_auto_resize is True
    assert clustering_of(spec)["plate"]["dbscan_confidence_threshold"] == 5.0


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("True", True),
        ("t", True),
        ("1", True),
        ("false", False),
        ("False", False),
        ("0", False),
    ],
)
def test_spellings_of_booleans(experiment, word, value):
    assert (
        parse(
            experiment.replace("use_batch_norm: True", f"use_batch_norm: {word}")
        ).model_config.use_batch_norm
        is value
    )


@pytest.mark.parametrize(
    ("word", "name"), [("DBSCAN", "DBSCAN"), ("1", "NMS"), ("2", "HYBRID"), ("HYBRID", "HYBRID")]
)
def test_enums_by_name_or_number(inference, word, name):
    text = inference.replace("dbscan_eps: 0.3", f"dbscan_eps: 0.3 clustering_algorithm: {word}")
    assert clustering_of(parse(text))["plate"]["clustering_algorithm"] == name


def test_explicit_zero_means_the_default_where_the_format_cannot_tell(experiment):
    spec = parse(experiment.replace("num_layers: 18", "num_layers: 0"))
    assert spec.model_config.num_layers == 18
    spatial = parse(
        experiment.replace("zoom_min: 1.0", "rotate_probability: 0 fill: 0")
    ).augmentation_config.spatial_augmentation
    assert (spatial.rotate_probability, spatial.fill, spatial.zoom_min) == (0.0, 0.0, 1.0)


def test_scalar_given_twice_and_message_in_two_parts(experiment):
    spec = parse(experiment + "random_seed: 7\ntraining_config { num_epochs: 3 }\n")
    assert spec.random_seed == 7
    assert spec.training_config.num_epochs == 3
    assert spec.training_config.batch_size_per_gpu == 4
    assert "the last one counts" in note(spec, "random_seed").text


def test_entry_of_an_unknown_class_does_nothing(experiment):
    extra = 'evaluation_config {\n  evaluation_box_config { key: "bus" value { minimum_height: 1 } }'
    spec = parse(experiment.replace("evaluation_config {", extra, 1))
    assert note(spec, "evaluation_config.evaluation_box_config").no_effect


def test_inference_spec(inference):
    spec = parse(inference)
    assert spec.kind == "inference"
    assert spec.inferencer_config.stride == 16
    assert spec.bbox_handler_config.classwise_bbox_handler_config["plate"].bbox_color.G == 255
    found = clustering_of(spec)
    assert list(found) == ["plate", "car"]
    assert (found["plate"]["dbscan_eps"], found["plate"]["dbscan_min_samples"]) == (0.3, 0.05)
    assert (found["car"]["clustering_algorithm"], found["car"]["nms_iou_threshold"]) == ("NMS", 0.4)
    assert found["car"]["nms_confidence_threshold"] == 0.1


def test_class_level_confidence_threshold(inference):
    text = inference.replace('output_map: "plate"', 'output_map: "plate" confidence_threshold: 0.9')
    spec = parse(text)
    assert clustering_of(spec)["plate"]["dbscan_confidence_threshold"] == 0.9
    entry = spec.bbox_handler_config.classwise_bbox_handler_config["plate"]
    assert entry.clustering_config.coverage_threshold == 0.005


def test_tensorrt_block(inference):
    block = 'tensorrt_config { parser: ETLT etlt_model: "/m.etlt" backend_data_type: INT8 save_engine: true }'
    spec = parse(inference.replace('tlt_config { model: "/workspace/experiments/detector.tlt" }', block))
    assert spec.inferencer_config.tensorrt_config.backend_data_type == "INT8"
    assert note(spec, "inferencer_config.tensorrt_config").replaced


def test_cluster_params(cluster_params):
    spec = parse(cluster_params)
    assert spec.kind == "cluster_params"
    assert (spec.image_width, spec.image_height, spec.stride) == (960, 544, 16)
    assert spec.confidence_model == {"plate": "aggregate_cov", "default": "aggregate_cov"}
    found = clustering_of(spec)
    assert found["plate"] | {"x": 0} == {
        "coverage_threshold": 0.005,
        "minimum_bounding_box_height": 4.0,
        "clustering_algorithm": "DBSCAN",
        "dbscan_eps": 0.3,
        "dbscan_min_samples": 0.05,
        "neighborhood_size": 0.0,
        "dbscan_confidence_threshold": 0.6,
        "nms_iou_threshold": 0.3,
        "nms_confidence_threshold": 0.0,
        "dbscan_min_coverage": None,
        "x": 0,
    }
    assert (found["car"]["dbscan_eps"], found["car"]["dbscan_confidence_threshold"]) == (0.15, 0.0)


def test_paths_that_the_workflow_replaces_are_noted_but_have_an_effect_by_hand(experiment, dataset, line_of):
    found = {one.path: one for one in notes_of(parse(dataset)) if one.replaced}
    names = ["root_directory_path", "image_dir_name", "label_dir_name", "image_extension"]
    assert list(found) == [f"kitti_config.{name}" for name in names]
    assert [one.line for one in found.values()] == [line_of(dataset, name) for name in names]
    assert not any(one.no_effect or "no effect" in one.text for one in found.values())
    noted = note(parse(experiment), "dataset_config.data_sources[0].tfrecords_path")
    assert noted.replaced and "results/<run>/tfrecords" in noted.text


@pytest.mark.parametrize("load_graph", [True, False])
def test_only_a_loaded_graph_replaces_the_pretrained_file(experiment, load_graph):
    given = f'  num_layers: 18\n  load_graph: {load_graph}\n  pretrained_model_file: "/w/p.hdf5"\n'
    spec = parse(experiment.replace("  num_layers: 18\n", given))
    found = [one for one in notes_of(spec) if one.path == "model_config.pretrained_model_file"]
    assert [one.replaced for one in found] == [True] * load_graph


def test_without_a_validation_fold_the_rules_validate_all_the_same(experiment):
    spec = parse(experiment.replace("  validation_fold: 0\n", ""))
    assert "fold 0 all the same" in note(spec, "dataset_config").text


def test_sequences_come_from_the_manifest(dataset):
    text = dataset.replace('"random"', '"sequence"')
    listed = text.replace("val_split", 'kitti_sequence_to_frames_file: "/w/map.json" val_split')
    assert mode_of(parse(listed)) == "sequence"
    found = note(parse(listed), "kitti_config.kitti_sequence_to_frames_file")
    assert found.replaced and "manifest" in found.text


@pytest.mark.parametrize(
    ("numbers", "shards"), [("", (0, 0)), ("num_shards: 4", (4, 4)), ("num_shards: [2, 16]", (2, 16))]
)
def test_shards_and_share_of_a_coco_spec(numbers, shards):
    names = 'img_dir_names: ["val", "train"] annotation_files: ["val.json", "train.json"]'
    spec = parse(f'coco_config {{ root_directory_path: "/c" {names} {numbers} }}', "dataset")
    assert (shards_of(spec), share_of(spec), mode_of(spec)) == (shards, 0.0, "grouped")
    assert "fold: validation" in note(spec, "coco_config").text


def test_shards_and_share_of_a_kitti_spec(dataset):
    spec = parse(dataset)
    assert (shards_of(spec), share_of(spec), mode_of(spec)) == ((10, 10), 14.0, "random")
