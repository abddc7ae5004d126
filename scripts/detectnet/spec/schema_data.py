"""Tables of the data part: dataset_config, augmentation_config and the dataset conversion spec."""

from __future__ import annotations

from detectnet.spec.schema import Enum, Field, MessageType

_LETTERBOXED = "pictures are scaled and padded to the input size before they are packed"
_BY_MANIFEST = "the pictures are found through their manifest"
_GROUPS = "the groups of the manifest, which say which frames are one video"
_VALIDATION = "fold 0 of the workflow's own records"
_UNWEIGHTED = "every picture is validated once"
_RECORDS = "the workflow's own path, results/<run>/tfrecords"
_RESIZED = "the workflow's own path, data/resized/<source>"
_TWO_D = "only two-dimensional boxes are trained"

DATA_SOURCE = MessageType(
    "data_sources",
    (
        Field("tfrecords_path", "string", required=True, replaced=_RECORDS),
        Field("image_directory_path", "string"),
        Field("source_weight", "float", 1.0, "[0, inf)", zero_is_unset=True),
    ),
)

VALIDATION_SOURCE = MessageType(
    "validation_data_source",
    (
        Field("tfrecords_path", "string", required=True),
        Field("image_directory_path", "string"),
        Field("source_weight", "float", 1.0, "[0, inf)", zero_is_unset=True, note=_UNWEIGHTED),
    ),
)

DATASET_CONFIG = MessageType(
    "dataset_config",
    (
        Field("data_sources", DATA_SOURCE, repeated=True, required=True),
        Field("image_extension", "string"),
        Field("target_class_mapping", "string", map=True, required=True, lower_keys=True),
        Field("validation_fold", "uint32"),
        Field("validation_data_source", VALIDATION_SOURCE, replaced=_VALIDATION),
        Field(
            "dataloader_mode",
            Enum("DATALOADER_MODE", ("MULTISOURCE", "LEGACY", "DEFAULT")),
            note="there is one loader, with one behaviour",
        ),
        Field(
            "sampling_mode",
            Enum("SAMPLING_MODE", ("USER_DEFINED", "PROPORTIONAL", "UNIFORM")),
        ),
    ),
    oneofs=(("validation_fold", "validation_data_source"),),
)

PREPROCESSING = MessageType(
    "preprocessing",
    (
        Field("output_image_width", "uint32", allowed="(0, inf)", multiple=16, required=True),
        Field("output_image_height", "uint32", allowed="(0, inf)", multiple=16, required=True),
        Field("output_image_channel", "uint32", 3, (1, 3)),
        Field("output_image_min", "uint32", note=_LETTERBOXED),
        Field("output_image_max", "uint32", note=_LETTERBOXED),
        Field("enable_auto_resize", "bool"),
        Field("crop_left", "uint32"),
        Field("crop_top", "uint32"),
        Field("crop_right", "uint32"),
        Field("crop_bottom", "uint32"),
        Field("min_bbox_width", "float", allowed="[0, inf)"),
        Field("min_bbox_height", "float", allowed="[0, inf)"),
        Field("scale_width", "float", allowed="[0, inf)"),
        Field("scale_height", "float", allowed="[0, inf)"),
        # Of its area, what an object that is cut needs inside; else it is neither object nor background.
        Field("minimum_visible_share", "float", allowed="[0, 1]", ours=True),
    ),
)

SPATIAL_AUGMENTATION = MessageType(
    "spatial_augmentation",
    (
        Field("hflip_probability", "float", allowed="[0, 1]"),
        Field("vflip_probability", "float", allowed="[0, 1]"),
        Field("zoom_min", "float", 1.0, "(0, inf)"),
        Field("zoom_max", "float", 1.0, "(0, inf)"),
        Field("translate_max_x", "float", allowed="[0, inf)"),
        Field("translate_max_y", "float", allowed="[0, inf)"),
        Field("rotate_rad_max", "float", allowed="[0, inf)"),
        Field("rotate_probability", "float", 1.0, "[0, 1]"),
        # One scaling filter is drawn for every picture: the filter of the device differs from ours.
        Field(
            "resampling",
            Enum("RESAMPLING", ("LINEAR", "AREA", "NEAREST")),
            repeated=True,
            ours=True,
        ),
        Field("fill", "float", 0.5, "[0, 1]", ours=True),
        Field("zoom_log_uniform", "bool", ours=True),
        # Width and height are stretched by sqrt(a) and 1/sqrt(a), a log-uniform in 1/aspect_max..aspect_max.
        Field("aspect_max", "float", 1.0, "[1, 4]", ours=True),
        # How often a window, or a part that zoom < 1 shows, is laid around a random object.
        Field("object_window_probability", "float", allowed="[0, 1]", ours=True),
    ),
)

COLOR_AUGMENTATION = MessageType(
    "color_augmentation",
    (
        Field("color_shift_stddev", "float", allowed="[0, 1]"),
        Field("hue_rotation_max", "float", allowed="[0, 360]"),
        Field("saturation_shift_max", "float", allowed="[0, 1]"),
        Field("contrast_scale_max", "float", allowed="[0, 1]"),
        Field("contrast_center", "float", allowed="[0, 1]"),
        Field("grey_probability", "float", allowed="[0, 1]", ours=True),
        Field("blur_sigma_max", "float", allowed="[0, inf)", ours=True),  # px
        Field("noise_stddev_max", "float", allowed="[0, 1]", ours=True),
        Field("jpeg_quality_min", "int32", allowed="[0, 100]", ours=True),  # 0: no JPEG damage
        Field("gamma_max", "float", 1.0, "[1, 4]", ours=True),  # exponent, 1/g..g
        Field("white_balance_max", "float", allowed="[0, 1)", ours=True),  # of each channel's gain
        Field("fog_max", "float", allowed="[0, 1]", ours=True),  # share of light grey
        Field("shadow_probability", "float", allowed="[0, 1]", ours=True),
        Field("motion_blur_max", "float", allowed="[0, 64]", ours=True),  # px
        Field("downscale_max", "float", 1.0, "[1, 8]", ours=True),  # shrunk and enlarged again
    ),
)

MIXING = MessageType(
    "mixing",
    (
        Field("mosaic_probability", "float", allowed="[0, 1]", ours=True),  # four pictures in one
        Field("paste_probability", "float", allowed="[0, 1]", ours=True),  # objects of other pictures
        Field("paste_max", "uint32", 1, "[1, 100]", ours=True),  # objects per picture
    ),
)

AUGMENTATION_CONFIG = MessageType(
    "augmentation_config",
    (
        Field("preprocessing", PREPROCESSING, required=True),
        Field("spatial_augmentation", SPATIAL_AUGMENTATION),
        Field("color_augmentation", COLOR_AUGMENTATION),
        Field("mixing", MIXING, ours=True),
    ),
)

KITTI_CONFIG = MessageType(
    "kitti_config",
    (
        Field("root_directory_path", "string", required=True, replaced=_RESIZED),
        Field("image_dir_name", "string", required=True, replaced=_RESIZED),
        Field("label_dir_name", "string", required=True, replaced=_RESIZED),
        Field("point_clouds_dir", "string", note=_TWO_D),
        Field("calibrations_dir", "string", note=_TWO_D),
        Field("kitti_sequence_to_frames_file", "string", replaced=_GROUPS),
        Field("image_extension", "string", ".png", replaced=_RESIZED),
        Field("num_partitions", "uint32", 2, "(0, inf)"),
        Field("num_shards", "uint32", 10, "[0, 99999]"),
        Field("partition_mode", "string", "grouped", ("random", "sequence", "grouped")),
        Field("val_split", "float", allowed="[0, 100]"),  # percent
    ),
)

COCO_CONFIG = MessageType(
    "coco_config",
    (
        Field("root_directory_path", "string", required=True, replaced=_RESIZED),
        Field("img_dir_names", "string", repeated=True, required=True, replaced=_RESIZED),
        Field("annotation_files", "string", repeated=True, required=True, replaced=_RESIZED),
        Field("num_partitions", "uint32", 2, "(0, inf)"),
        Field("num_shards", "uint32", allowed="[0, 99999]", repeated=True),
    ),
)

SAMPLE_MODIFIER_CONFIG = MessageType(
    "sample_modifier_config",
    (
        Field("filter_samples_containing_only", "string", repeated=True),
        Field("dominant_target_classes", "string", repeated=True),
        Field("minimum_target_class_imbalance", "float", map=True),
        Field("num_duplicates", "uint32"),
        Field("max_training_samples", "uint32"),
        Field("source_to_target_class_mapping", "string", map=True),
    ),
)

_CONVERSION = (
    Field("coco_config", COCO_CONFIG),
    Field("kitti_config", KITTI_CONFIG),
    Field("sample_modifier_config", SAMPLE_MODIFIER_CONFIG),
    Field("image_directory_path", "string", note=_BY_MANIFEST),
    Field(
        "target_class_mapping",
        "string",
        map=True,
        note="records keep the label's class; the experiment's dataset_config maps it",
    ),
)
_ONE_FORMAT = (("coco_config", "kitti_config"),)
DATASET_EXPORT_CONFIG = MessageType("dataset_export_config", _CONVERSION, _ONE_FORMAT)
DATASET = MessageType("dataset", _CONVERSION, _ONE_FORMAT)
