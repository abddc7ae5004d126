"""Export a trained detector to ONNX, as NVIDIA's `export` does to .etlt."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.commands.flags import TASK, CommandLine, add_common
from detectnet.commands.models import KERAS, experiment_of, located, output_file
from detectnet.contract import FIRST_OUTPUT, Contract
from detectnet.deploy.form import PLAIN, TENSORFLOW, Form
from detectnet.errors import UserError, did_you_mean
from detectnet.files import check_writable, write_text
from detectnet.logs import log

DATA_TYPES = ("fp32", "fp16", "int8")
_ENGINE = "an engine is built from the .onnx where it runs, by DeepStream or trtexec"
_NAMES_OF_ROUTE = {"keras2onnx": PLAIN, "tf2onnx": TENSORFLOW}
_CALIBRATION = "INT8 calibration, and the Jetson Nano has no INT8"


def declare(line: CommandLine) -> None:
    """Add the flags."""
    line.word("word", "MODEL", "as -m, in TLT 1.0")
    line.path("-m --model --model_path", "MODEL", ".hdf5 or .keras")
    line.flag(
        "-o --output_file",
        "NAME.onnx is written, also for NAME.etlt; in a folder, and without it, that of MODEL",
        metavar="NAME",
    )
    line.path(
        "-e --experiment_spec --experiment_spec_file --spec_file",
        "SPEC",
        "experiment spec with the classes; spec.cfg of the model's training folder otherwise",
        dest="spec",
    )
    line.flag("--export_module", "the task, in TLT 1.0", default=TASK, metavar="TASK")
    line.flag("--outputs", "names of the outputs, in TLT 1.0; checked, not chosen", metavar="A,B")
    line.flag(
        "--data_type",
        "of the engine that is built from the file; the file itself is float32",
        default="fp32",
        choices=DATA_TYPES,
    )
    line.flag("--target_opset", "ONNX operator set", type=int, default=13, metavar="N")
    line.flag(
        "--static_batch_size",
        "pictures that the file takes at once; -1 is any number",
        type=int,
        default=1,
        metavar="N",
    )
    line.flag(
        "--onnx_route",
        "there is one way to ONNX here; tf2onnx: names of tensors end in :0, as that one's do",
        default="keras2onnx",
        choices=tuple(_NAMES_OF_ROUTE),
    )
    line.flag(
        "--gen_ds_config",
        "also write labels.txt and nvinfer_config.txt, which DeepStream takes as it is",
        action="store_true",
    )
    line.flag("--force", "replace NAME.onnx; not a flag of NVIDIA's", action="store_true")
    _declare_unneeded(line)
    add_common(line)


def _declare_unneeded(line: CommandLine) -> None:
    for flag in ("engine_file", "max_workspace_size", "max_batch_size", "min_batch_size", "opt_batch_size"):
        line.unneeded(f"--{flag}", _ENGINE)
    line.unneeded("-s --strict_type_constraints", _ENGINE, nargs=0)
    for flag in ("data_file", "image_dir", "cache_file", "json_file"):
        line.unneeded(f"--cal_{flag}", _CALIBRATION)
    line.unneeded("--batches", _CALIBRATION)
    line.unneeded("--batch_size", _CALIBRATION)
    line.unneeded("--force_ptq", _CALIBRATION, nargs=0)
    line.unneeded("-r --results_dir", "the files lie where -o says")


def main(args: argparse.Namespace) -> None:
    """Export as the command line says."""
    from detectnet import spec

    _check_task(args.export_module)
    model = located(_model(args), KERAS)
    output = output_file(args.output_file or str(model.with_suffix(".onnx")), ".onnx", model.stem)
    form = Form(args.target_opset, args.static_batch_size, _NAMES_OF_ROUTE[args.onnx_route])
    contract = form.of(spec.contract_of(experiment_of(model, args.spec)))
    _check_outputs(args.outputs or "", contract)
    _check_precision(args.data_type)
    if output.exists() and not args.force:
        raise UserError(
            "the file exists, and an export never replaces one unasked",
            where=output,
            remedy="Choose another -o, or add --force.",
        )
    sealed = _export(model, contract, output)
    if args.gen_ds_config:
        _write_deepstream(sealed, output, args.data_type)


def _model(args: argparse.Namespace) -> Path:
    given = [Path(one) for one in (args.model, args.word) if one]
    if len(given) != 1:
        raise UserError(
            f"{len(given)} models are given", where="-m", allowed="one, with -m or as a word of its own"
        )
    return given[0]


def _check_task(task: str) -> None:
    if task != TASK:
        raise UserError(f"'{task}' is not made here", where="--export_module", allowed=TASK)


def _check_outputs(text: str, contract: Contract) -> None:
    """The names are fixed, because DeepStream finds the outputs by them."""
    own = [name.removesuffix(FIRST_OUTPUT) for name in (contract.bbox_name, contract.cov_name)]
    given = [one.strip().removesuffix(FIRST_OUTPUT) for one in text.split(",") if one.strip()]
    for name in given:
        if name not in own:
            raise UserError(
                f"the network has no output '{name}'",
                where="--outputs",
                allowed=own,
                remedy=did_you_mean(name, own),
            )


def _check_precision(data_type: str) -> None:
    if data_type == "int8":
        raise UserError(
            "the Jetson Nano has no INT8",
            where="--data_type",
            allowed=("fp16", "fp32"),
            remedy="Take fp16: on the Nano it is the fastest.",
        )
    log.info("The ONNX file is float32; %s is chosen where the engine is built.", data_type)


def _export(model: Path, contract: Contract, output: Path) -> Contract:
    """Write NAME.onnx and NAME.contract.json."""
    check_writable(output.parent)
    from detectnet.deploy.onnx_export import export_file

    sealed = export_file(model, contract, output, _contract_file(output))
    log.info("Written %s, and %s, which says how it is fed and read.", output, _contract_file(output).name)
    return sealed


def _contract_file(output: Path) -> Path:
    return output.with_suffix(".contract.json")


def _write_deepstream(contract: Contract, output: Path, precision: str) -> None:
    from detectnet.deploy.bundle import labels_text
    from detectnet.deploy.deepstream import StreamSettings, infer_text

    write_text(output.with_name("labels.txt"), labels_text(contract))
    text = infer_text(
        contract,
        StreamSettings(),
        model=output.name,
        origin=_contract_file(output).name,
        precision=precision,
    )
    write_text(output.with_name("nvinfer_config.txt"), text)
    log.info("Written labels.txt and nvinfer_config.txt, whole: no [property] header is to be added.")
