"""The file of deepstream-app: one stream, one detector, and where the frames go."""

from __future__ import annotations

from typing import Any

from detectnet.deploy.deepstream.groups import Group, groups_text
from detectnet.deploy.deepstream.nvinfer import GPU
from detectnet.deploy.deepstream.stream import CSI, FILE, NO_TRACKER, RTSP, SAMPLE, USB, StreamSettings

INFER_FILE = "config_infer_primary.txt"
KITTI_FOLDER = "kitti"
VIDEO = "annotated.mp4"
RTSP_PORT = 8554
_EXAMPLES = {FILE: SAMPLE, RTSP: "rtsp://host:554/path", USB: f"{USB}:0", CSI: f"{CSI}:0"}
_SOURCE_NOTES = {
    FILE: "a video file",
    RTSP: "a network camera",
    USB: "a USB camera, /dev/videoN; it must offer this size and rate: v4l2-ctl --list-formats-ext",
    CSI: "a CSI camera; Jetson only",
}
_ENCODED = "enc-type=0: the hardware encodes; 1 where it cannot, as on a Jetson Orin Nano and some GPUs"
_SINK_NOTES = {
    "file": ["the annotated stream as a file", _ENCODED],
    "window": ["a window; needs a display"],
    "rtsp": [f"a network stream, rtsp://DEVICE:{RTSP_PORT}/ds-test", _ENCODED],
    "fake": ["nothing, for measuring; with enable=0 in [osd] no time goes into drawing"],
}
_SAMPLES = "/opt/nvidia/deepstream/deepstream"
_TRACKER_LIBRARY = f"{_SAMPLES}/lib/libnvds_nvmultiobjecttracker.so"
# In DeepStream 6.0.1 and in all versions since.
_TRACKER_FILES = {"iou": "config_tracker_IOU.yml", "nvdcf": "config_tracker_NvDCF_perf.yml"}
_HEAD = (
    "Run in this folder: deepstream-app -c config_deepstream.txt",
    "For DeepStream 6.0.1 (JetPack 4.6.x) and later, on Jetson and on a GPU; what differs is said beside it.",
    "A group that is commented out replaces the active one of its name: there must be one.",
)


def app_text(stream: StreamSettings) -> str:
    """The deepstream-app file: every source and sink is in it, all but the chosen ones commented out.

    Raises:
        UserError: the uri is none that deepstream-app plays, or a setting is out of range.
    """
    groups = [
        _application(stream),
        Group(
            "tiled-display",
            {"enable": 1, "rows": 1, "columns": 1, **_frame(stream), "gpu-id": GPU, "nvbuf-memory-type": 0},
        ),
        *_sources(stream),
        _streammux(stream),
        _detector(stream),
        _tracker(stream),
        _display(stream),
        *_sinks(stream),
        Group("tests", {"file-loop": 0}),
    ]
    return groups_text("deepstream-app", _HEAD, groups)


def _frame(stream: StreamSettings) -> dict[str, int]:
    return {"width": stream.width, "height": stream.height}


def _application(stream: StreamSettings) -> Group:
    keys = {"enable-perf-measurement": 1, "perf-measurement-interval-sec": 5}
    kitti = {"gie-kitti-output-dir": KITTI_FOLDER}
    notes = [f"gie-kitti-output-dir: a KITTI file for each frame, for scoring; {KITTI_FOLDER}/ must exist"]
    return (
        Group("application", keys | kitti, notes)
        if stream.kitti
        else Group("application", keys, notes, True, kitti)
    )


def _sources(stream: StreamSettings) -> list[Group]:
    """The chosen source, then one of each other kind."""
    chosen = stream.scheme
    uris = _EXAMPLES | {chosen: stream.uri}
    return [
        Group("source0", _source(stream, kind, uris[kind]), _source_notes(stream, kind), kind == chosen)
        for kind in (chosen, *(kind for kind in _EXAMPLES if kind != chosen))
    ]


def _source_notes(stream: StreamSettings, kind: str) -> list[str]:
    live = kind != FILE
    turned = [] if live == stream.live else [f"with it, live-source={int(live)} in [streammux]"]
    return [f"Source: {_SOURCE_NOTES[kind]}", *turned]


def _source(stream: StreamSettings, kind: str, uri: str) -> dict[str, Any]:
    camera = {
        "camera-width": stream.width,
        "camera-height": stream.height,
        "camera-fps-n": stream.frame_rate,
        "camera-fps-d": 1,
    }
    number = uri.partition(":")[2]
    return {"enable": 1} | {
        FILE: {"type": 3, "uri": uri, "num-sources": 1, "gpu-id": GPU},
        RTSP: {"type": 4, "uri": uri, "num-sources": 1, "latency": 200, "gpu-id": GPU},
        USB: {"type": 1, **camera, "camera-v4l2-dev-node": number},
        CSI: {"type": 5, **camera, "camera-csi-sensor-id": number},
    }[kind]


def _streammux(stream: StreamSettings) -> Group:
    keys = {
        "gpu-id": GPU,
        "live-source": int(stream.live),
        "batch-size": 1,
        "batched-push-timeout": 40000,
        **_frame(stream),
        "enable-padding": 0,
        "nvbuf-memory-type": 0,
    }
    notes = [
        "Every frame is stretched to this size before the detector sees it: it must be the source's own,",
        "or objects change their shape. Leave USE_NEW_NVSTREAMMUX unset in later versions: that one does not",
        "read the size.",
    ]
    return Group("streammux", keys, notes)


def _detector(stream: StreamSettings) -> Group:
    keys = {
        "enable": 1,
        "gpu-id": GPU,
        "batch-size": 1,
        "gie-unique-id": 1,
        "interval": stream.interval,
        "nvbuf-memory-type": 0,
        "bbox-border-color0": "0;1;0;1",
        "config-file": INFER_FILE,
    }
    return Group("primary-gie", keys, ["interval: frames left out between two that the detector sees"])


def _tracker(stream: StreamSettings) -> Group:
    kind = stream.tracker if stream.tracker in _TRACKER_FILES else next(iter(_TRACKER_FILES))
    keys = {
        "enable": int(stream.tracker != NO_TRACKER),
        "tracker-width": 640,
        "tracker-height": 384,
        "ll-lib-file": _TRACKER_LIBRARY,
        "ll-config-file": f"{_SAMPLES}/samples/configs/deepstream-app/{_TRACKER_FILES[kind]}",
        "gpu-id": GPU,
        "enable-batch-process": 1,
        "display-tracking-id": 1,
    }
    notes = [
        "Numbers objects from frame to frame, and fills the frames that interval leaves out. IOU costs",
        f"nearly nothing; {_TRACKER_FILES['nvdcf']} follows better and takes the GPU's time.",
        "enable-batch-process: for 6.0.1; later versions warn of the key and go on.",
    ]
    return Group("tracker", keys, notes)


def _display(stream: StreamSettings) -> Group:
    keys = {
        "enable": int(stream.display),
        "gpu-id": GPU,
        "border-width": 2,
        "text-size": 14,
        "text-color": "1;1;1;1",
        "text-bg-color": "0.2;0.2;0.2;1",
        "font": "Serif",
        "show-clock": 0,
        "nvbuf-memory-type": 0,
    }
    return Group("osd", keys, ["Draws boxes and names"])


def _sinks(stream: StreamSettings) -> list[Group]:
    """The chosen sink, then the others."""
    kinds = [stream.sink, *(kind for kind in _SINK_NOTES if kind != stream.sink)]
    made = []
    for kind in kinds:
        first, *others = _SINK_NOTES[kind]
        notes = [f"Output: {first}", *others]
        made.append(Group("sink0", _sink(kind, int(stream.live)), notes, kind == stream.sink))
    return made


def _sink(kind: str, live: int) -> dict[str, Any]:
    encoder = {"codec": 1, "enc-type": 0, "bitrate": 4000000, "profile": 0}
    played = {"sync": 1 - live, "source-id": 0}
    return {"enable": 1} | {
        "file": {"type": 3, "container": 1, **encoder, "output-file": VIDEO, "sync": 0, "source-id": 0},
        "window": {"type": 2, **played, "gpu-id": GPU, "nvbuf-memory-type": 0},
        "rtsp": {"type": 4, **encoder, **played, "rtsp-port": RTSP_PORT, "udp-port": 5400},
        "fake": {"type": 1, "sync": 0, "source-id": 0},
    }[kind]
