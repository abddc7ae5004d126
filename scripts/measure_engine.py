"""Run an engine on the device that it was built on: its outputs and how long it takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.deploy import hosts
from detectnet.logs import parser, positive, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--model", type=Path, required=True, help="model.onnx that the engine was built of")
    made.add_argument("--build", type=Path, required=True, help="build.json, the engine beside it")
    made.add_argument("--spec", type=Path, required=True, help="experiment spec of the training")
    made.add_argument("--validation", type=Path, nargs="+", required=True, help="record shards of the fold")
    made.add_argument("--out", type=Path, required=True, help="folder for outputs.npz and benchmark.json")
    made.add_argument("--pictures", type=positive, default=200, help="of the fold, evenly over it")
    made.add_argument("--warm-up", type=positive, default=20, help="runs before the first that counts")
    made.add_argument("--runs", type=positive, default=400, help="that count, at least")
    hosts.add_options(made)
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet import spec
    from detectnet.deploy.device_run import RunSettings, measure

    experiment = spec.load(args.spec, "experiment")
    settings = RunSettings(args.pictures, args.warm_up, args.runs)
    host = hosts.of_arguments(args)
    measure(args.model, args.build, args.validation, experiment, host, args.out, settings)


if __name__ == "__main__":
    run(main, arguments().parse_args())
