"""The folder in which ``deepstream-app -c config_deepstream.txt`` runs on a Jetson Nano.

Written for JetPack 4.6.x with DeepStream 6.0.1. Every value that says how a picture becomes a tensor, or a
tensor boxes, comes from the contract; nvinfer's built-in DetectNet_v2 parser finds the outputs by name.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from detectnet.contract import BBOX_OFFSET, BBOX_SCALE, LETTERBOXES, STRIDE, TOP_LEFT, Contract
from detectnet.deploy.bundle import CONTRACT_FILE, labels_text
from detectnet.detection.cluster import ClusterSettings, settings_of
from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path, write_text
from detectnet.logs import log

SAMPLE = "file:///opt/nvidia/deepstream/deepstream/samples/streams/sample_1080p_h264.mp4"
BATCH, GPU = 1, 0
NETWORK_MODES = {"fp32": 0, "fp16": 2}
CLUSTER_MODES = {"DBSCAN": 1, "NMS": 2, "HYBRID": 3}
SCALING_FILTERS = {"nearest": 0, "linear": 1}
COLOUR_FORMATS = {"RGB": 0, "BGR": 1, "GRAY": 2}
_WORKSPACE_MB = 512


@dataclass(frozen=True)
class StreamSettings:
    """What the app plays.

    Attributes:
        uri: ``file:///...``, ``rtsp://...``, ``v4l2:N`` for the camera /dev/videoN, ``csi:N`` for sensor N.
        width, height: of the stream in pixels. nvstreammux stretches each frame to them, so they must be the
            source's own, or its aspect is lost before the detector sees it.
        frame_rate: asked of a camera, frames a second.
    """

    uri: str = SAMPLE
    width: int = 1920
    height: int = 1080
    frame_rate: int = 30


def write_folder(
    contract: Contract, onnx_path: PathLike, out_dir: PathLike, settings: StreamSettings | None = None
) -> None:
    """Write config_deepstream.txt, config_infer_primary.txt, labels.txt and a copy of the model.

    Raises:
        UserError: nvinfer 6.0.1 cannot do what the contract says, or the uri has an unknown scheme.
    """
    stream, out = settings or StreamSettings(), Path(out_dir)
    texts = {
        "config_infer_primary.txt": infer_text(contract, stream),
        "config_deepstream.txt": app_text(stream),
        "labels.txt": labels_text(contract),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    with atomic_path(out / "model.onnx") as temporary:
        shutil.copyfile(onnx_path, temporary)
    log.info("wrote %s; on the device, run there: deepstream-app -c config_deepstream.txt", out)


def infer_text(
    contract: Contract,
    stream: StreamSettings,
    *,
    model: str = "model.onnx",
    origin: str = CONTRACT_FILE,
    precision: str = "fp16",
) -> str:
    """The nvinfer file of the detector.

    Args:
        contract: of the network.
        stream: what is played; its size says how many frame pixels an input pixel is.
        model: name of the ONNX file beside it.
        origin: name of the contract's file, for the head.
        precision: of the engine that nvinfer builds, a key of ``NETWORK_MODES``.
    """
    _check(contract)
    scale = _scale(contract, stream)
    classes = {
        f"class-attrs-{index}": {"label": name, "keys": class_attributes(settings, scale)}
        for index, (name, settings) in enumerate(settings_of(contract).items())
    }
    return _rendered(
        "config_infer_primary.txt.j2",
        property=_property(contract, model, precision),
        classes=classes,
        origin=origin,
        stream=stream,
        scale=round(scale, 4),
    )


def _scale(contract: Contract, stream: StreamSettings) -> float:
    """Frame pixels per network-input pixel, of heights."""
    across, down = stream.width / contract.width, stream.height / contract.height
    return max(across, down) if contract.letterbox == TOP_LEFT else down


def class_attributes(settings: ClusterSettings, scale: float = 1.0) -> dict[str, int | float]:
    """The nvinfer keys that come nearest to TLT's clustering of one class.

    nvinfer's DBSCAN counts boxes where TLT sums coverages, and reports the greatest coverage where TLT
    reports the sum. TLT's threshold on the sum is ``dbscan-min-score``; its summed coverage of a core point
    needs at least that many boxes, ``minBoxes`` (0 would switch DBSCAN off).

    Args:
        settings: of the class.
        scale: frame pixels per network-input pixel, since nvinfer filters sizes in frame pixels.
    """
    keys: dict[str, int | float] = {"pre-cluster-threshold": settings.coverage_threshold}
    if settings.clustering_algorithm in ("DBSCAN", "HYBRID"):
        keys["eps"] = settings.dbscan_eps
        keys["minBoxes"] = math.ceil(settings.core_coverage)
        keys["dbscan-min-score"] = settings.dbscan_confidence_threshold
        keys["detected-min-h"] = math.ceil(settings.minimum_bounding_box_height * scale)
    if settings.clustering_algorithm in ("NMS", "HYBRID"):
        keys["nms-iou-threshold"] = settings.nms_iou
        keys["post-cluster-threshold"] = settings.nms_confidence_threshold
    return keys


def app_text(stream: StreamSettings) -> str:
    """The deepstream-app file."""
    source = _source(stream)
    live = int(source["type"] != _URI)
    frame = {"width": stream.width, "height": stream.height}
    sections: dict[str, dict[str, Any]] = {
        "application": {"enable-perf-measurement": 1, "perf-measurement-interval-sec": 5},
        "tiled-display": {
            "enable": 1,
            "rows": 1,
            "columns": 1,
            **frame,
            "gpu-id": GPU,
            "nvbuf-memory-type": 0,
        },
        "source0": source,
        "streammux": {
            "gpu-id": GPU,
            "live-source": live,
            "batch-size": BATCH,
            "batched-push-timeout": 40000,
            **frame,
            "enable-padding": 0,
            "nvbuf-memory-type": 0,
        },
        "primary-gie": {
            "enable": 1,
            "gpu-id": GPU,
            "batch-size": BATCH,
            "gie-unique-id": 1,
            "interval": 0,
            "nvbuf-memory-type": 0,
            "bbox-border-color0": "0;1;0;1",
            "config-file": "config_infer_primary.txt",
        },
        "osd": {"enable": 1, "gpu-id": GPU, "border-width": 2, "text-size": 14, "text-color": "1;1;1;1"}
        | {"text-bg-color": "0.2;0.2;0.2;1", "font": "Serif", "show-clock": 0, "nvbuf-memory-type": 0},
        "sink0": _file_sink(live),
        "sink1": {
            "enable": 0,
            "type": 2,
            "sync": 1 - live,
            "source-id": 0,
            "gpu-id": GPU,
            "nvbuf-memory-type": 0,
        },
        "tests": {"file-loop": 0},
    }
    return _rendered("config_deepstream.txt.j2", sections=sections, notes=_NOTES, remarks=_REMARKS)


_URI = 3
_NOTES = {
    "source0": ["type: 1 V4L2 camera, 3 file, 4 RTSP, 5 CSI camera"],
    "streammux": [
        "Every frame is stretched to this size before the detector sees it: it must be the source's own,",
        "or plates change their shape.",
    ],
    "sink0": ["The annotated stream as a file, from the hardware encoder"],
    "sink1": ["A window; set enable=1 with a display connected"],
}
_REMARKS = {"application": {"gie-kitti-output-dir": "kitti"}}
"""Off by default, ready to be switched on: KITTI files of each frame, for scoring; the folder must exist."""


def _file_sink(live: int) -> dict[str, Any]:
    encoder = {"container": 1, "codec": 1, "enc-type": 0, "bitrate": 4000000, "profile": 0}
    return {"enable": 1, "type": 3, **encoder, "output-file": "annotated.mp4", "sync": 0, "source-id": 0}


def _source(stream: StreamSettings) -> dict[str, Any]:
    scheme, _, rest = stream.uri.partition(":")
    camera = {"camera-width": stream.width, "camera-height": stream.height, "camera-fps-d": 1}
    camera["camera-fps-n"] = stream.frame_rate
    if scheme == "file":
        return {"enable": 1, "type": _URI, "uri": stream.uri, "num-sources": 1, "gpu-id": GPU}
    if scheme == "rtsp":
        return {"enable": 1, "type": 4, "uri": stream.uri, "num-sources": 1, "latency": 200, "gpu-id": GPU}
    if scheme in ("v4l2", "csi") and rest.isdecimal():
        kind, key = {"v4l2": (1, "camera-v4l2-dev-node"), "csi": (5, "camera-csi-sensor-id")}[scheme]
        return {"enable": 1, "type": kind, **camera, key: int(rest)}
    raise UserError(
        f"'{stream.uri}' is no source that deepstream-app plays",
        where="uri",
        allowed=("file:///folder/video.mp4", "rtsp://host/path", "v4l2:0", "csi:0"),
    )


def _property(contract: Contract, model: str, precision: str) -> dict[str, Any]:
    algorithms = {settings.clustering_algorithm for settings in settings_of(contract).values()}
    return {
        "gpu-id": GPU,
        "onnx-file": model,
        # what nvinfer itself appends to the name of the ONNX file
        "model-engine-file": f"{model}_b{BATCH}_gpu{GPU}_{precision}.engine",
        "labelfile-path": "labels.txt",
        "batch-size": BATCH,
        "network-mode": NETWORK_MODES[precision],
        "network-type": 0,
        "process-mode": 1,
        "gie-unique-id": 1,
        "interval": 0,
        "workspace-size": _WORKSPACE_MB,
        "num-detected-classes": len(contract.classes),
        "infer-dims": f"{contract.channels};{contract.height};{contract.width}",
        "output-blob-names": f"{contract.bbox_name};{contract.cov_name}",
        "model-color-format": COLOUR_FORMATS[contract.channel_order],
        "net-scale-factor": repr(contract.scale),
        "offsets": ";".join(map(repr, contract.offsets[: contract.channels])),
        "maintain-aspect-ratio": int(contract.letterbox == TOP_LEFT),
        "scaling-filter": SCALING_FILTERS[contract.interpolation],
        "cluster-mode": CLUSTER_MODES[algorithms.pop()],
    }


def _check(contract: Contract) -> None:
    """Refuse what nvinfer 6.0.1 would silently do otherwise."""
    fixed = {"bbox_scale": BBOX_SCALE, "bbox_offset": BBOX_OFFSET, "stride": STRIDE, "padding": 0}
    for name, value in fixed.items():
        if getattr(contract, name) != value:
            raise UserError(
                f"{name} is {getattr(contract, name)}",
                where="contract.json",
                allowed=f"{value}, which is built into nvinfer",
                remedy="Train with this value to deploy with DeepStream.",
            )
    if contract.letterbox not in LETTERBOXES:
        raise UserError(
            f"letterbox is {contract.letterbox}",
            where="contract.json",
            allowed=f"{' and '.join(LETTERBOXES)}, which are built into nvinfer",
        )
    if contract.interpolation not in SCALING_FILTERS:
        raise UserError(
            f"nvinfer cannot scale with '{contract.interpolation}'",
            where="contract.json interpolation",
            allowed=SCALING_FILTERS,
        )
    algorithms = {name: one.clustering_algorithm for name, one in settings_of(contract).items()}
    if len(set(algorithms.values())) > 1:
        raise UserError(
            f"the classes are clustered in different ways: {algorithms}",
            where="contract.json clustering",
            remedy="nvinfer has one cluster-mode for all classes; give them the same clustering_algorithm.",
        )


def _rendered(template: str, **values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("detectnet.deploy"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(template).render(**values)
