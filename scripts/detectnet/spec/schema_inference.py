"""Tables of the inference spec and of the clustering file of TLT 1.0."""

from __future__ import annotations

from detectnet.spec.schema import Enum, Field, MessageType
from detectnet.spec.schema_detection import INFERENCE_CLUSTERING_CONFIG
from detectnet.spec.schema_training import WANDB_CONFIG

_MODEL = "the model of the run"
_CONTRACT = "the model's contract holds it"
_BATCH = "the number of pictures at a time does not change the result"

TENSORRT_CONFIG = MessageType(
    "tensorrt_config",
    (
        Field("parser", Enum("PARSER", ("ETLT", "UFF", "CAFFE"))),
        Field("caffemodel", "string"),
        Field("prototxt", "string"),
        Field("uff_model", "string"),
        Field("etlt_model", "string"),
        Field("backend_data_type", Enum("BACKEND_DATA_TYPE", ("FP32", "FP16", "INT8"))),
        Field("save_engine", "bool"),
        Field("trt_engine", "string"),
        Field(
            "calibrator_config",
            MessageType(
                "calibrator_config",
                (
                    Field("calibration_cache", "string"),
                    Field("calibration_tensorfile", "string"),
                    Field("n_batches", "int32", allowed="[0, inf)"),
                    Field("batch_size", "int32", allowed="[0, inf)"),
                ),
            ),
        ),
    ),
)

INFERENCER_CONFIG = MessageType(
    "inferencer_config",
    (
        Field(
            "tlt_config",
            MessageType("tlt_config", (Field("model", "string", required=True),)),
            replaced=_MODEL,
        ),
        Field("tensorrt_config", TENSORRT_CONFIG, replaced=_MODEL),
        Field("input_nodes", "string", repeated=True, note=_CONTRACT),
        Field("output_nodes", "string", repeated=True, note=_CONTRACT),
        Field("batch_size", "int32", 1, "[0, inf)", zero_is_unset=True, note=_BATCH),
        Field("image_height", "int32", 544, "[0, inf)", zero_is_unset=True, note=_CONTRACT),
        Field("image_width", "int32", 960, "[0, inf)", zero_is_unset=True, note=_CONTRACT),
        Field("image_channels", "int32", 3, (1, 3), zero_is_unset=True, note=_CONTRACT),
        Field("gpu_index", "int32", allowed="[0, inf)", note="ONNX Runtime chooses the device"),
        Field("target_classes", "string", repeated=True, required=True),
        Field("stride", "int32", 16, "[0, inf)", zero_is_unset=True, note=_CONTRACT),
    ),
    oneofs=(("tlt_config", "tensorrt_config"),),
)

BBOX_COLOR = MessageType(
    "bbox_color", tuple(Field(name, "int32", allowed="[0, 255]") for name in ("R", "G", "B"))
)

CLASSWISE = MessageType(
    "classwise_bbox_handler_config",
    (
        Field("clustering_config", INFERENCE_CLUSTERING_CONFIG, required=True),
        Field("confidence_model", "string", "aggregate_cov", ("aggregate_cov", "mean_cov")),
        Field("output_map", "string"),
        Field("bbox_color", BBOX_COLOR),
    ),
    aliases={"confidence_threshold": ("clustering_config", "dbscan_confidence_threshold")},
)

BBOX_HANDLER_CONFIG = MessageType(
    "bbox_handler_config",
    (
        Field("kitti_dump", "bool"),
        Field("disable_overlay", "bool"),
        Field("overlay_linewidth", "int32", 1, "[0, inf)", zero_is_unset=True),
        Field("classwise_bbox_handler_config", CLASSWISE, map=True, required=True),
        Field("postproc_classes", "string", repeated=True),
        Field("wandb_config", WANDB_CONFIG, note="nothing is sent to a tracking service"),
    ),
)

INFERENCE = MessageType(
    "inference",
    (
        Field("inferencer_config", INFERENCER_CONFIG, required=True),
        Field("bbox_handler_config", BBOX_HANDLER_CONFIG, required=True),
    ),
)

# A JSON object; its maps may hold the key "default" for classes that are not named.
CLUSTER_PARAMS = MessageType(
    "cluster_params",
    (
        Field("dbscan_criterion", "string", "IOU", ("IOU", "MSE")),
        # 1 - IoU, so at most 1; with MSE a distance in pixels.
        Field("dbscan_eps", "float", map=True, allowed="[0, inf)", required=True),
        Field("dbscan_min_samples", "float", map=True, allowed="[0, inf)"),
        Field("min_cov_to_cluster", "float", map=True, allowed="[0, 1]", required=True),
        Field("min_obj_height", "float", map=True, allowed="[0, inf)"),
        Field("target_classes", "string", repeated=True, required=True),
        Field("confidence_th", "float", map=True, allowed="[0, inf)"),
        Field("confidence_model", "string", map=True, allowed=("aggregate_cov", "mean_cov")),
        Field("output_map", "string", map=True),
        Field("color", "string", map=True),
        Field("postproc_classes", "string", repeated=True),
        Field("image_height", "int32", 544, "[0, inf)", multiple=16, zero_is_unset=True, note=_CONTRACT),
        Field("image_width", "int32", 960, "[0, inf)", multiple=16, zero_is_unset=True, note=_CONTRACT),
        Field("stride", "int32", 16, "[0, inf)", zero_is_unset=True, note=_CONTRACT),
        Field("dbscan_min_coverage", "float", map=True, allowed="[0, inf)", ours=True),
    ),
)
