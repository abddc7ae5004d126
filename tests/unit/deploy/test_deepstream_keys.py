"""The table of keys that DeepStream 6.0.1 reads, and what is refused by it."""

from __future__ import annotations

import pytest
import yaml
from jsonschema import Draft202012Validator

from detectnet.deploy.deepstream.groups import Group, groups_text
from detectnet.deploy.deepstream.keys import TABLE, check
from detectnet.errors import UserError

# Keys as users of this version write them, with values of the kind that NVIDIA's documentation shows.
IN_USE = {
    ("nvinfer", "property"): """net-scale-factor=0.0039215697906911373 offsets=77.5;21.2;11.8
        model-color-format=0 onnx-file=/home/ubuntu/model.onnx labelfile-path=labels.txt batch-size=30
        model-engine-file=model.onnx_b30_gpu0_fp16.engine infer-dims=3;224;224 network-mode=2 network-type=0
        num-detected-classes=91 process-mode=1 interval=1 gie-unique-id=2 cluster-mode=2 enable-dbscan=1
        output-blob-names=output_bbox/BiasAdd;output_cov/Sigmoid maintain-aspect-ratio=0
        symmetric-padding=1 scaling-filter=1 scaling-compute-hw=2 workspace-size=45 filter-out-class-ids=1;2
        output-tensor-meta=1 gpu-id=0 network-type=100
        output-io-formats=conv2d_bbox:fp32:chw;conv2d_cov:fp32:chw
        enable-dla=1 use-dla-core=0 force-implicit-batch-dim=1""",
    ("nvinfer", "class-attrs-all"): "threshold=0.5 topk=-1 nms-iou-threshold=0.2 eps=0.7 minBoxes=1",
    ("nvinfer", "class-attrs-2"): """pre-cluster-threshold=1.1 post-cluster-threshold=0.5 group-threshold=1
        dbscan-min-score=0.7 roi-top-offset=200 detected-min-w=64 detected-max-h=200 border-color=1;0;0;1
        bg-color=0;1;0;0.3 topk=10""",
    ("deepstream-app", "application"): """enable-perf-measurement=1 perf-measurement-interval-sec=10
        gie-kitti-output-dir=/home/ubuntu/kitti_data/
        kitti-track-output-dir=/home/ubuntu/kitti_data_tracker/""",
    ("deepstream-app", "tiled-display"): "enable=1 rows=5 columns=6 width=1280 height=720 gpu-id=0",
    ("deepstream-app", "source0"): """enable=1 type=1 uri=rtsp://foo.com/stream1 num-sources=2
        intra-decode-enable=1 gpu-id=1 camera-id=2 camera-width=1920 camera-height=1080 camera-fps-n=30
        camera-fps-d=1 camera-v4l2-dev-node=1 camera-csi-sensor-id=1 latency=200 rtsp-reconnect-interval-sec=0
        drop-frame-interval=5 select-rtp-protocol=4 num-extra-surfaces=5""",
    ("deepstream-app", "streammux"): """gpu-id=1 live-source=0 buffer-pool-size=4 batch-size=4
        batched-push-timeout=40000 batched-push-timeout=-1 width=1280 height=720 enable-padding=0
        nvbuf-memory-type=3 attach-sys-ts-as-ntp=0 sync-inputs=0""",
    ("deepstream-app", "primary-gie"): """enable=1 gie-unique-id=2 gpu-id=1 batch-size=2 interval=2
        bbox-border-color2=1;0;0;1 bbox-bg-color3=0;1;0;0.3 operate-on-gie-id=1 operate-on-class-ids=1;2
        labelfile-path=labels.txt plugin-type=0 config-file=config_infer_primary.txt nvbuf-memory-type=3
        infer-raw-output-dir=/home/ubuntu/infer_raw_out""",
    ("deepstream-app", "tracker"): """enable=1 tracker-width=960 tracker-height=544 gpu-id=0
        ll-config-file=config_tracker_NvDCF_perf.yml ll-lib-file=/opt/nvidia/libnvds_nvmultiobjecttracker.so
        enable-batch-process=1 enable-past-frame=1 display-tracking-id=1 tracking-surface-type=0""",
    ("deepstream-app", "osd"): """enable=1 gpu-id=0 border-width=3 text-size=16 text-color=0;0;0.7;1
        text-bg-color=0;0;0;0.5 font=Purisa show-clock=1 clock-x-offset=800 clock-y-offset=820
        clock-text-size=12 clock-color=1;0;0;1 nvbuf-memory-type=3 process-mode=1 display-text=1
        display-bbox=1 display-mask=1""",
    ("deepstream-app", "sink1"): """enable=1 type=2 width=1920 height=1080 qos=0 sync=1 source-id=1 gpu-id=1
        container=1 codec=1 enc-type=0 bitrate=4000000 iframeinterval=30 output-file=out.mp4 profile=2
        nvbuf-memory-type=3 rtsp-port=8554 udp-port=5400 overlay-id=2 offset-x=100 offset-y=120 display-id=0
        link-to-demux=0 udp-buffer-size=100000""",
    ("deepstream-app", "tests"): "file-loop=0",
}


@pytest.mark.parametrize(("program", "group"), IN_USE)
def test_lines_that_are_in_use_are_taken(program, group):
    for line in IN_USE[program, group].split():
        key, _, value = line.partition("=")
        check(program, group, {key: value})


def test_the_table_s_own_schemas_are_sound():
    content = yaml.safe_load(TABLE.read_text())
    schemas = [
        schema
        for program in ("nvinfer", "deepstream-app")
        for keys in content[program].values()
        for schema in keys.values()
    ]
    assert len(schemas) > 150
    for schema in schemas:
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("program", "group", "key", "nearest"),
    [
        ("nvinfer", "property", "net-scale-facter", "net-scale-factor"),
        ("nvinfer", "property", "network_mode", "network-mode"),
        ("nvinfer", "class-attrs-0", "minboxes", "minBoxes"),
        ("nvinfer", "class-attrs-all", "nms-threshold", "nms-iou-threshold"),
        ("deepstream-app", "sink0", "output-files", "output-file"),
        ("deepstream-app", "tracker", "ll-libfile", "ll-lib-file"),
    ],
)
def test_an_unknown_key_names_the_nearest(program, group, key, nearest):
    with pytest.raises(UserError, match=f"'{key}'.*Did you mean '{nearest}'"):
        check(program, group, {key: 1})


@pytest.mark.parametrize(
    ("program", "group"),
    [
        ("deepstream-app", "source"),
        ("deepstream-app", "sinks0"),
        ("deepstream-app", "property"),
        ("nvinfer", "class-attr-0"),
        ("nvinfer", "sink0"),
    ],
)
def test_an_unknown_group_is_refused(program, group):
    with pytest.raises(UserError, match=f"'{group}'"):
        check(program, group, {})


@pytest.mark.parametrize(
    ("program", "group", "key", "value", "allowed"),
    [
        ("nvinfer", "property", "network-mode", 3, "0, 1, 2"),
        ("nvinfer", "property", "cluster-mode", 5, "4 and below"),
        ("nvinfer", "property", "net-scale-factor", 0, "above 0"),
        ("nvinfer", "property", "net-scale-factor", "nan", "number"),
        ("nvinfer", "property", "net-scale-factor", "1/255", "number"),
        ("nvinfer", "property", "infer-dims", "3;640", "at least 3"),
        ("nvinfer", "property", "infer-dims", "3;640;0", "1 and above"),
        ("nvinfer", "property", "batch-size", 0, "1 and above"),
        ("nvinfer", "property", "batch-size", 1.0, "integer"),
        ("nvinfer", "property", "interval", True, "integer"),
        ("nvinfer", "property", "offsets", "0;zero;0", "number"),
        ("nvinfer", "class-attrs-0", "topk", -2, "-1 and above"),
        ("nvinfer", "class-attrs-0", "nms-iou-threshold", 1.01, "1 and below"),
        ("nvinfer", "class-attrs-0", "pre-cluster-threshold", -0.1, "0 and above"),
        ("nvinfer", "class-attrs-0", "minBoxes", 0.5, "integer"),
        ("deepstream-app", "source0", "uri", "rtsp://a\n[sink7]", "one line"),
        ("deepstream-app", "source0", "uri", "", "one line"),
        ("deepstream-app", "source0", "uri", " file:///a", "one line"),
        ("deepstream-app", "source0", "uri", "file:///a\\b", "one line"),
        ("deepstream-app", "osd", "text-color", "1;1;1", "at least 4"),
        ("deepstream-app", "osd", "text-color", "1;1;1;2", "1 and below"),
        ("deepstream-app", "tracker", "tracker-width", 650, "a multiple of 32"),
        ("deepstream-app", "sink0", "rtsp-port", 70000, "65535 and below"),
        ("deepstream-app", "sink0", "enable", "yes", "0, 1"),
    ],
)
def test_a_value_that_the_parser_would_not_take_is_refused(program, group, key, value, allowed):
    with pytest.raises(UserError, match=rf"\[{group}\] {key}: .*{allowed}"):
        check(program, group, {key: value})


@pytest.mark.parametrize(
    "group",
    [
        Group("sink0", {"typ": 3}, active=False),
        Group("sink0", {"type": 3}, spare={"typ": 3}),
    ],
)
def test_what_is_commented_out_is_checked_as_well(group):
    with pytest.raises(UserError, match="Did you mean 'type'"):
        groups_text("deepstream-app", [], [group])
