"""Table of training_config."""

from __future__ import annotations

from detectnet.spec.schema import Enum, Field, MessageType

_EVENTS = "the loss, the learning rate and the weights of the objectives are always written to events/"

_RATES = (
    Field("min_learning_rate", "float", allowed="(0, inf)", required=True),
    Field("max_learning_rate", "float", allowed="(0, inf)", required=True),
)

LEARNING_RATE = MessageType(
    "learning_rate",
    (
        Field(
            "soft_start_annealing_schedule",
            MessageType(
                "soft_start_annealing_schedule",
                (
                    *_RATES,
                    Field("soft_start", "float", 0.0, "[0, 1)"),
                    Field("annealing", "float", 0.0, "[0, 1]"),
                    # How the rate falls: straight in its logarithm, as in TAO, or along half a cosine.
                    Field("annealing_shape", Enum("ANNEALING_SHAPE", ("LOG_LINEAR", "COSINE")), ours=True),
                ),
            ),
        ),
        Field(
            "early_stopping_annealing_schedule",
            MessageType(
                "early_stopping_annealing_schedule",
                (
                    *_RATES,
                    Field("soft_start_epochs", "uint32"),
                    Field("annealing_epochs", "uint32", allowed="(0, inf)", required=True),
                    Field("patience_steps", "uint32", allowed="(0, inf)", required=True),  # epochs
                ),
            ),
        ),
    ),
    oneofs=(("soft_start_annealing_schedule", "early_stopping_annealing_schedule"),),
)

REGULARIZER = MessageType(
    "regularizer",
    (
        Field("type", Enum("REGULARIZATION_TYPE", ("NO_REG", "L1", "L2"))),
        Field("weight", "float", allowed="[0, inf)"),
    ),
)

OPTIMIZER = MessageType(
    "optimizer",
    (
        Field(
            "adam",
            MessageType(
                "adam",
                (
                    Field("epsilon", "float", allowed="(0, inf)", required=True),
                    Field("beta1", "float", allowed="[0, 1)"),
                    Field("beta2", "float", allowed="[0, 1)"),
                    # Kernels of convolutions shrink by this share of the learning rate; 0: they do not.
                    Field("weight_decay", "float", allowed="[0, 1)", ours=True),
                    # Largest norm of all gradients together; 0: any.
                    Field("clip_norm", "float", allowed="[0, inf)", ours=True),
                ),
            ),
            required=True,
        ),
    ),
    oneofs=(("adam",),),
)

COST_SCALING = MessageType(
    "cost_scaling",
    (
        Field("enabled", "bool"),
        Field("initial_exponent", "double", allowed="[0, inf)"),
        Field("increment", "double", allowed="[0, inf)"),
        Field("decrement", "double", allowed="[0, inf)"),
    ),
)

WANDB_CONFIG = MessageType(
    "wandb_config",
    (
        Field("enabled", "bool"),
        Field("key", "string"),
        Field("project", "string"),
        Field("entity", "string"),
        Field("reinit", "bool"),
        Field("name", "string"),
        Field("tags", "string", repeated=True),
        Field("wandb_dir", "string"),
        Field("notes", "string"),
        Field("mode", Enum("WANDB_MODE", ("ONLINE", "OFFLINE", "DISABLED"))),
    ),
)

CLEARML_CONFIG = MessageType(
    "clearml_config",
    (
        Field("project", "string"),
        Field("task", "string"),
        Field("tags", "string", repeated=True),
        Field("reuse_last_task_id", "bool"),
        Field("continue_last_task", "bool"),
        Field("deferred_init", "bool"),
    ),
)

VISUALIZER = MessageType(
    "visualizer",
    (
        Field("enabled", "bool"),
        Field("num_images", "uint32"),
        Field("scalar_logging_frequency", "uint32", 10, zero_is_unset=True),
        Field("infrequent_logging_frequency", "uint32", 1, zero_is_unset=True),
        Field(
            "target_class_config",
            MessageType("target_class_config", (Field("coverage_threshold", "float", allowed="[0, 1]"),)),
            map=True,
        ),
        Field("wandb_config", WANDB_CONFIG),
        Field("clearml_config", CLEARML_CONFIG),
    ),
)

# Windows of width x height px at the network's own scale, up to a share of all steps.
INPUT_STAGE = MessageType(
    "input_stages",
    (
        Field("until", "float", allowed="(0, 1]", required=True),
        Field("width", "uint32", allowed="(0, inf)", multiple=16, required=True),
        Field("height", "uint32", allowed="(0, inf)", multiple=16, required=True),
    ),
)

# A trained network whose outputs are learnt as well; factors of the cost of either output.
DISTILLATION = MessageType(
    "distillation",
    (
        Field("teacher_model_file", "string"),
        Field("cov_weight", "float", 1.0, "[0, inf)"),
        Field("bbox_weight", "float", 1.0, "[0, inf)"),
    ),
)

TRAINING_CONFIG = MessageType(
    "training_config",
    (
        Field("batch_size_per_gpu", "uint32", allowed="(0, inf)", required=True),
        Field("num_epochs", "uint32", allowed="(0, inf)", required=True),
        # Steps of an epoch, whatever the number of pictures; 0: as many as it takes to draw so many.
        Field("steps_per_epoch", "uint32", ours=True),
        Field("learning_rate", LEARNING_RATE, required=True),
        Field("regularizer", REGULARIZER, required=True),
        Field("optimizer", OPTIMIZER, required=True),
        Field("cost_scaling", COST_SCALING, note="bfloat16 has the range of float32 and needs no scaling"),
        Field("checkpoint_interval", "uint32", 10, zero_is_unset=True),
        Field("enable_qat", "bool", note="the Nano computes in FP16 and has no INT8"),
        Field("visualizer", VISUALIZER, note=_EVENTS),
        Field("mixed_bfloat16", "bool", ours=True),
        Field("checkpoint_seconds", "float", allowed="[0, inf)", ours=True),  # 0: only after epochs
        Field("input_stages", INPUT_STAGE, repeated=True, ours=True),
        # Of the moving average of all weights that is validated and kept; 0: the weights themselves.
        Field("ema_decay", "float", allowed="[0, 1)", ours=True),
        Field("distillation", DISTILLATION, ours=True),
    ),
)
