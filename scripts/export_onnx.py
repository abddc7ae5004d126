"""Export a trained network to ONNX, and check that it still says the same on validation pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--model", type=Path, required=True, help="model.keras of any stage")
    made.add_argument("--spec", type=Path, required=True, help="experiment spec that it was trained with")
    made.add_argument("--opset", type=int, default=13, help="ONNX operator set; TensorRT 8.2 reads up to 13")
    made.add_argument(
        "--metrics",
        type=Path,
        help="metrics.json of the model; its best threshold becomes the default",
    )
    made.add_argument("--validation", type=Path, nargs="*", default=[], help="record shards to compare on")
    made.add_argument("--pictures", type=int, default=64, help="how many of their pictures are compared")
    made.add_argument("--out", type=Path, required=True, help="folder for model.onnx and what goes with it")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet import spec
    from detectnet.deploy.bundle import with_best_threshold
    from detectnet.deploy.keras_network import KerasNetwork
    from detectnet.deploy.onnx_export import export
    from detectnet.deploy.parity import write_parity
    from detectnet.deploy.runtime import OnnxNetwork

    contract = spec.contract_of(spec.load(args.spec, "experiment"), args.opset)
    export(args.model, with_best_threshold(contract, args.metrics) if args.metrics else contract, args.out)
    if args.validation:
        networks = KerasNetwork(args.model), OnnxNetwork(args.out / "model.onnx")
        # With the spec's own threshold, the low one of scoring: more detections are compared.
        write_parity(*networks, contract, args.validation, args.out / "parity.json", pictures=args.pictures)


if __name__ == "__main__":
    run(main, arguments().parse_args())
