"""Tables of what a box is: cost function, rasteriser, loss mask, clustering and evaluation."""

from __future__ import annotations

from dataclasses import replace

from detectnet.spec.schema import Enum, Field, MessageType

CLUSTERING_CONFIG = MessageType(
    "clustering_config",
    (
        Field("coverage_threshold", "float", allowed="[0, 1]"),
        Field("minimum_bounding_box_height", "int32", allowed="[0, inf)"),  # px of the network input
        Field("clustering_algorithm", Enum("CLUSTERING_ALGORITHM", ("DBSCAN", "NMS", "HYBRID"))),
        Field("dbscan_eps", "float", allowed="[0, 1]"),
        # A whole number in TAO, fractional in TLT's files; it counts as max(int(x), 1).
        Field("dbscan_min_samples", "float", allowed="[0, inf)"),
        Field("neighborhood_size", "float", allowed="[0, inf)", note="has no effect in TAO either"),
        Field("dbscan_confidence_threshold", "float", allowed="[0, inf)"),  # a sum of coverages
        Field("nms_iou_threshold", "float", 0.3, "[0, 1]", zero_is_unset=True),
        Field("nms_confidence_threshold", "float", allowed="[0, 1]"),
        # When given it replaces dbscan_min_samples: the summed coverage that a core point needs.
        Field("dbscan_min_coverage", "float", allowed="[0, inf)", optional=True, ours=True),
    ),
)

# Inference treats an unset NMS confidence as 0.1.
INFERENCE_CLUSTERING_CONFIG = replace(
    CLUSTERING_CONFIG,
    fields=tuple(
        replace(row, default=0.1, zero_is_unset=True) if row.name == "nms_confidence_threshold" else row
        for row in CLUSTERING_CONFIG.fields
    ),
)

CONFIDENCE_CONFIG = MessageType(
    "confidence_config",
    (
        Field("confidence_threshold", "float", allowed="[0, inf)"),
        Field("confidence_model_filename", "string"),
        Field("normalization_mode", "string"),
    ),
)

POSTPROCESSING_CONFIG = MessageType(
    "postprocessing_config",
    (
        Field(
            "target_class_config",
            MessageType(
                "target_class_config",
                (
                    Field("clustering_config", CLUSTERING_CONFIG, required=True),
                    Field(
                        "confidence_config",
                        CONFIDENCE_CONFIG,
                        note="a leftover of the learned confidence; clustering_config holds the thresholds",
                    ),
                ),
            ),
            map=True,
            required=True,
        ),
    ),
)

OBJECTIVE = MessageType(
    "objectives",
    (
        Field("name", "string", allowed=("cov", "bbox"), required=True),
        Field("initial_weight", "float", allowed="[0, inf)"),
        Field("weight_target", "float", allowed="[0, inf)"),
    ),
)

TARGET_CLASS = MessageType(
    "target_classes",
    (
        Field("name", "string", required=True),
        Field("class_weight", "float", allowed="(0, inf)", required=True),
        Field("coverage_foreground_weight", "float", allowed="(0, 1)", required=True),
        Field("objectives", OBJECTIVE, repeated=True, required=True),
    ),
)

COST_FUNCTION_CONFIG = MessageType(
    "cost_function_config",
    (
        Field("target_classes", TARGET_CLASS, repeated=True, required=True),
        Field("enable_autoweighting", "bool"),
        Field("max_objective_weight", "float", allowed="[0, 1]"),
        Field("min_objective_weight", "float", allowed="[0, 1]"),
        # Exponent of a cell's error as a factor of its cross-entropy; 0: no factor.
        Field("cov_focal_gamma", "float", allowed="[0, 5]", ours=True),
        # Of 1 - GIoU of the boxes, added to the cost of their sides; 0: not added.
        Field("bbox_giou_weight", "float", allowed="[0, inf)", ours=True),
    ),
)

BBOX_RASTERIZER_CONFIG = MessageType(
    "bbox_rasterizer_config",
    (
        Field(
            "target_class_config",
            MessageType(
                "target_class_config",
                (
                    Field("cov_center_x", "float", allowed="[0, 1]"),
                    Field("cov_center_y", "float", allowed="[0, 1]"),
                    Field("cov_radius_x", "float", allowed="(0, 1]", required=True),
                    Field("cov_radius_y", "float", allowed="(0, 1]", required=True),
                    Field("bbox_min_radius", "float", allowed="(0, 1]", required=True),  # grid cells
                ),
            ),
            map=True,
            required=True,
        ),
        Field("deadzone_radius", "float", allowed="[0, 1]"),
    ),
)

LABEL_FILTER = MessageType(
    "label_filter",
    (
        Field(
            "bbox_dimensions_label_filter",
            MessageType(
                "bbox_dimensions_label_filter",
                tuple(
                    Field(name, "float", allowed="[0, inf)")
                    for name in ("min_width", "min_height", "max_width", "max_height")
                ),
            ),
        ),
        Field(
            "bbox_crop_label_filter",
            MessageType(
                "bbox_crop_label_filter",
                tuple(
                    Field(name, "float", allowed="[0, inf)")
                    for name in ("crop_left", "crop_right", "crop_top", "crop_bottom")
                ),
            ),
        ),
        Field(
            "source_class_label_filter",
            MessageType("source_class_label_filter", (Field("source_class_names", "string", repeated=True),)),
        ),
    ),
    oneofs=(("bbox_dimensions_label_filter", "bbox_crop_label_filter", "source_class_label_filter"),),
)

LOSS_MASK_LABEL_FILTER = MessageType(
    "loss_mask_label_filter",
    (
        Field(
            "objective_label_filter_configs",
            MessageType(
                "objective_label_filter_configs",
                (
                    Field("label_filter", LABEL_FILTER, required=True),
                    Field("target_class_names", "string", repeated=True),
                    Field("objective_names", "string", repeated=True, allowed=("cov", "bbox")),
                ),
            ),
            repeated=True,
        ),
        Field("mask_multiplier", "float", allowed="[0, inf)"),
        Field("preserve_ground_truth", "bool"),
    ),
)

EVALUATION_CONFIG = MessageType(
    "evaluation_config",
    (
        Field("validation_period_during_training", "uint32", 10, "(0, inf)"),
        Field("first_validation_epoch", "uint32", 1, "[0, inf)", zero_is_unset=True),
        Field("minimum_detection_ground_truth_overlap", "float", map=True, allowed="[0, 1]", required=True),
        Field(
            "evaluation_box_config",
            MessageType(
                "evaluation_box_config",
                tuple(
                    Field(name, "int32", allowed="[0, inf)")
                    for name in ("minimum_height", "maximum_height", "minimum_width", "maximum_width")
                ),
            ),
            map=True,
            required=True,
        ),
        Field("average_precision_mode", Enum("AP_MODE", ("SAMPLE", "INTEGRATE"))),  # of the printed table
        Field("early_stopping_patience_steps", "uint32", note="has no effect in TAO either"),
        Field(
            "width_edges", "float", repeated=True, allowed="(0, inf)", ours=True
        ),  # px, bins of AP by width
        Field("minimum_width_neutral", "float", allowed="[0, inf)", ours=True),  # px, 0: none is neutral
    ),
)
