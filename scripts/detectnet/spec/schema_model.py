"""Table of model_config."""

from __future__ import annotations

from detectnet.spec.schema import Enum, Field, MessageType

BBOX_OBJECTIVE = MessageType(
    "bbox",
    (
        Field("input", "string"),  # part of a layer's name; empty: the last layer of the backbone
        Field("scale", "float", 35.0, "(0, inf)"),
        Field("offset", "float", 0.5, "[0, inf)"),
    ),
)

COV_OBJECTIVE = MessageType("cov", (Field("input", "string"),))

OBJECTIVE_SET = MessageType(
    "objective_set",
    (Field("bbox", BBOX_OBJECTIVE, required=True), Field("cov", COV_OBJECTIVE, required=True)),
)

TRAINING_PRECISION = MessageType(
    "training_precision",
    (
        Field(
            "backend_floatx",
            Enum("BACKEND_FLOATX", ("FLOAT32", "FLOAT16", "INVALID")),
            note="training_config.mixed_bfloat16 chooses the precision",
        ),
    ),
)

ACTIVATION = MessageType(
    "activation",
    (
        Field("activation_type", "string"),
        Field("activation_parameters", "float", map=True),
    ),
)

MODEL_CONFIG = MessageType(
    "model_config",
    (
        Field("pretrained_model_file", "string"),
        Field("freeze_pretrained_layers", "bool", note="has no effect in TAO either; see freeze_blocks"),
        Field("allow_loaded_model_modification", "bool"),  # with load_graph
        Field("num_layers", "int32", 18, "[0, inf)", zero_is_unset=True),  # by arch: see check_model
        Field("use_pooling", "bool"),
        Field("use_batch_norm", "bool"),
        Field("dropout_rate", "float", allowed="[0, 1]", note="has no effect in TAO either"),
        Field("activation", ACTIVATION, note="has no effect in TAO either; it is always ReLU"),
        Field("objective_set", OBJECTIVE_SET, required=True),
        Field("training_precision", TRAINING_PRECISION),
        Field("freeze_bn", "bool"),
        Field("freeze_blocks", "float", repeated=True),  # by arch: see check_model
        Field("arch", "string", "resnet"),
        Field("load_graph", "bool"),
        Field("all_projections", "bool"),
        # Filters of every layer times this, rounded to a multiple of 8, at least 8.
        Field("width_multiplier", "float", 1.0, "(0, 4]", ours=True),
        # Cells between the taps of the 3x3 convolutions of a ResNet's last block.
        Field("dilation", "uint32", 1, "[1, 8]", ours=True),
    ),
)
