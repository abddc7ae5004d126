"""Run a detector on pictures; write KITTI labels and annotated pictures, as NVIDIA's `inference` does."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectnet.commands.flags import CommandLine, add_common, threads
from detectnet.commands.models import KERAS, experiment_of, located, named, training_spec
from detectnet.errors import UserError
from detectnet.files import check_writable
from detectnet.logs import log, positive

if TYPE_CHECKING:
    from detectnet.contract import Contract
    from detectnet.deploy.cluster_params import ClusterParams
    from detectnet.spec import Message

PICTURES = (".jpeg", ".jpg", ".png", ".ppm")
"""What NVIDIA's inference looks for in a folder, in any case."""


def declare(line: CommandLine) -> None:
    """Add the flags."""
    line.once(
        "-e --experiment_spec --inference_spec --spec_file -cp --cluster_params_file",
        "SPEC",
        "inference spec (prototxt) of TLT 2.0 and later, or cluster_params.json of TLT 1.0",
        dest="spec",
    )
    line.flag(
        "-i --inference_input --image_dir --image_directory",
        f"picture, or folder of pictures ({', '.join(PICTURES)}); a video works, too",
        required=True,
        metavar="INPUT",
        dest="input",
    )
    line.once(
        "-o --output_dir --inference_output -r --results_dir",
        "DIR",
        "folder for labels/ and images_annotated/",
        dest="output",
    )
    line.path(
        "-m --model --model_path",
        "MODEL",
        ".hdf5, .keras or .onnx; the spec's tlt_config or tensorrt_config names it otherwise",
    )
    line.flag(
        "-lw --line_width",
        "of the boxes, pixels; the spec's overlay_linewidth otherwise",
        type=positive,
        metavar="N",
    )
    line.unneeded(
        "--kitti_dump", "labels are always written, unless the spec says kitti_dump: false", nargs=0
    )
    line.unneeded("-b -bs --batch_size", "the number of pictures at a time does not change the result")
    add_common(line)


def main(args: argparse.Namespace) -> None:
    """Infer as the command line says."""
    from detectnet.deploy.cluster_params import ClusterParams, load_settings
    from detectnet.deploy.inference.inferring import infer
    from detectnet.deploy.inference.opening import open_detector

    settings = load_settings(args.spec, for_rules=False)
    model = located(args.model) if args.model else _model_of(settings)
    params = _with_width(ClusterParams.from_message(settings), args.line_width)
    known = _known(model, params) if model.suffix.lower() in KERAS else {}
    check_writable(args.output)
    detector = open_detector(model, threads=threads(), **known)
    _warn_of_size(settings, detector.contract)
    infer(detector, args.input, args.output, params, suffixes=PICTURES)


def _with_width(params: ClusterParams, width: int | None) -> ClusterParams:
    return params if width is None else dataclasses.replace(params, linewidth=width)


def _known(model: Path, params: ClusterParams) -> dict[str, Any]:
    """What a Keras file does not say itself: the contract of its training, or the classes alone."""
    if training_spec(model) is None:
        names = tuple(params.clustering)
        log.info(
            "%s does not say its classes; the spec's are trusted in their order: %s", model, ", ".join(names)
        )
        return {"classes": names}
    from detectnet.spec import contract_of

    # clustering for classes that are not the model's is refused before the model is read
    return {"contract": params.applied(contract_of(experiment_of(model, None)))}


def _warn_of_size(settings: Message, contract: Contract) -> None:
    """The model's size is in effect, whatever the spec says."""
    config = settings.inferencer_config if settings.kind == "inference" else settings
    for name, own in (("image_width", contract.width), ("image_height", contract.height)):
        if config.has(name) and getattr(config, name) not in (0, own):
            log.warning(
                "%s: %d here, but the model takes %d, which is in effect",
                config.where(name),
                getattr(config, name),
                own,
            )


def _model_of(settings: Message) -> Path:
    """The model that an inference spec names.

    Raises:
        UserError: it names none, as a clustering file of TLT 1.0 never does, or one that cannot be used.
    """
    if settings.kind == "inference":
        runtime, engine = settings.inferencer_config.tlt_config, settings.inferencer_config.tensorrt_config
        fields = ("trt_engine", "etlt_model", "uff_model", "caffemodel")
        for message, field in ((runtime, "model"), *((engine, one) for one in fields)):
            if getattr(message, field):
                return named(message, field)
    raise UserError("the file names no model", where=settings.where(), remedy="Name it with -m.")
