"""List probable label errors that a detector finds, with pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectnet.logs import parser, run


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__)
    made.add_argument("--model", type=Path, required=True, help="the detector: model.keras or model.onnx")
    made.add_argument("--spec", type=Path, required=True, help="experiment spec of its training")
    made.add_argument("--records", type=Path, nargs="+", required=True, help="record shards of all folds")
    made.add_argument("--split", type=Path, required=True, help="split.csv")
    made.add_argument("--data", type=Path, default=Path("data"), help="folder with kitti/ and resized/")
    made.add_argument("--out", type=Path, required=True, help="folder for audit.csv and audit.html")
    made.add_argument("--pictures", type=int, default=12, help="findings shown of each kind and source")
    made.add_argument("--threads", type=int, default=2, help="threads of the network")
    return made


def main(args: argparse.Namespace) -> None:
    """Audit as the command line says."""
    from detectnet import spec
    from detectnet.report.audit_page import write_audit

    write_audit(
        args.model,
        args.records,
        spec.load(args.spec, "experiment"),
        data=args.data,
        split_csv=args.split,
        out_dir=args.out,
        shown=args.pictures,
        threads=args.threads,
    )


if __name__ == "__main__":
    run(main, arguments().parse_args())
