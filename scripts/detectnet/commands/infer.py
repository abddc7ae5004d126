"""Run a detector on pictures; write KITTI labels and annotated pictures, as NVIDIA's `inference` does."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.commands.flags import CommandLine, add_common, threads
from detectnet.commands.models import located
from detectnet.errors import UserError

if TYPE_CHECKING:
    from detectnet.deploy.cluster_params import ClusterParams
    from detectnet.spec import Message

PICTURES = (".jpeg", ".jpg", ".png", ".ppm")
"""What NVIDIA's inference looks for in a folder, in any case."""


def declare(line: CommandLine) -> None:
    """Add the flags."""
    line.path(
        "-e --experiment_spec --inference_spec --spec_file -cp --cluster_params_file",
        "SPEC",
        "inference spec (prototxt) of TLT 2.0 and later, or cluster_params.json of TLT 1.0",
        required=True,
        dest="spec",
    )
    line.flag(
        "-i --inference_input --image_dir --image_directory",
        f"picture, or folder of pictures ({', '.join(PICTURES)}); a video works, too",
        required=True,
        metavar="INPUT",
        dest="input",
    )
    line.path(
        "-o --output_dir --inference_output -r --results_dir",
        "DIR",
        "folder for labels/ and images_annotated/",
        required=True,
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
        type=int,
        metavar="N",
    )
    line.unneeded("-b -bs --batch_size", "the number of pictures at a time does not change the result")
    add_common(line)


def main(args: argparse.Namespace) -> None:
    """Infer as the command line says."""
    from detectnet.deploy.cluster_params import ClusterParams, load_settings
    from detectnet.deploy.infer import infer, open_detector

    settings = load_settings(args.spec)
    model = located(args.model or Path(_model_of(settings)))
    params = _with_width(ClusterParams.from_message(settings), args.line_width)
    detector = open_detector(model, threads=threads(), classes=tuple(params.clustering))
    infer(detector, args.input, args.output, params, suffixes=PICTURES)


def _with_width(params: ClusterParams, width: int | None) -> ClusterParams:
    return params if width is None else dataclasses.replace(params, linewidth=width)


def _model_of(settings: Message) -> str:
    """The model that an inference spec names.

    Raises:
        UserError: it names none; a clustering file of TLT 1.0 never does.
    """
    if settings.kind == "inference":
        runtime, engine = settings.inferencer_config.tlt_config, settings.inferencer_config.tensorrt_config
        named = (runtime.model, engine.trt_engine, engine.etlt_model, engine.uff_model, engine.caffemodel)
        for name in named:
            if name:
                return name
    raise UserError("the file names no model", where=settings.where(), remedy="Name it with -m.")
