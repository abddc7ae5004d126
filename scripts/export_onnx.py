"""Export a trained network to ONNX, and check that it still says the same on validation pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    from detectnet.deploy.form import CHANNEL_ORDERS, NAMES, PREPROCESSING, Form

    default = Form()
    made = parser(__doc__)
    made.add_argument("--model", type=Path, required=True, help="model.keras of any stage")
    made.add_argument("--spec", type=Path, required=True, help="experiment spec that it was trained with")
    made.add_argument(
        "--opset", type=int, default=default.opset, help="ONNX operator set; TensorRT 8.2 reads up to 13"
    )
    made.add_argument("--batch", default=str(default.batch), help="pictures at once; dynamic: any number")
    made.add_argument(
        "--names", choices=NAMES, default=default.names, help="of tensors; tensorflow: ending in :0"
    )
    made.add_argument(
        "--preprocess",
        choices=PREPROCESSING,
        default=default.preprocess,
        help="outside: input RGB 0..1; embedded: 0..255, scaled in the first convolution",
    )
    made.add_argument(
        "--channel-order", choices=CHANNEL_ORDERS, default=default.channel_order, help="of an embedded input"
    )
    made.add_argument(
        "--metrics",
        type=Path,
        help="metrics.json of the model; its best threshold becomes the default, and its choice for "
        "DeepStream is kept in the contract",
    )
    made.add_argument("--validation", type=Path, nargs="*", default=[], help="record shards to compare on")
    made.add_argument("--pictures", type=int, default=64, help="how many of their pictures are compared")
    made.add_argument("--out", type=Path, required=True, help="folder for model.onnx and what goes with it")
    return made


def main(args: argparse.Namespace) -> None:
    from detectnet import spec
    from detectnet.deploy.bundle import with_best_threshold, with_deepstream
    from detectnet.deploy.form import Form, batch_of
    from detectnet.deploy.keras_network import KerasNetwork
    from detectnet.deploy.onnx_export import export
    from detectnet.deploy.parity import write_parity
    from detectnet.deploy.runtime import OnnxNetwork

    trained = spec.contract_of(spec.load(args.spec, "experiment"))
    form = Form(args.opset, batch_of(args.batch), args.names, args.preprocess, args.channel_order)
    contract = form.of(trained)
    if args.metrics:
        contract = with_deepstream(with_best_threshold(contract, args.metrics), args.metrics)
    sealed = export(args.model, contract, args.out)
    if args.validation:
        networks = KerasNetwork(args.model), OnnxNetwork(args.out / "model.onnx")
        # With the spec's own threshold, the low one of scoring: more detections are compared.
        options = {"pictures": args.pictures, "exported_contract": sealed}
        write_parity(*networks, trained, args.validation, args.out / "parity.json", **options)


if __name__ == "__main__":
    run(main, arguments().parse_args())
