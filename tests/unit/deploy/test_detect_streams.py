"""Videos and streams through scripts/detect.py; a stream of JPEGs is served over HTTP by the test itself."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from plain_network import box, bright_cells, frames_of, picture, write_video

import detect
from detectnet.data.kitti import read_detections
from detectnet.deploy.inference.sources import Stream
from detectnet.errors import UserError

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "detect.py"
FRAMES = [picture([(1 + number % 18, 4)]) for number in range(36)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return bright_cells(tmp_path_factory.mktemp("model") / "model.onnx")


def run(model, source, out, *options):
    line = [str(source), "--model", str(model), "--output", str(out), "--threads", "1", *options]
    detect.main(detect.arguments().parse_args(line))
    return out


def found(out):
    """Frame number to boxes."""
    paths = sorted((out / "labels").iterdir())
    return {int(path.stem[-6:]): read_detections(path)[1].tolist() for path in paths}


def right(number):
    return [box(1 + number % 18, 4)]


def test_every_third_frame_of_a_video(model, tmp_path):
    video = write_video(tmp_path / "gate.mp4", FRAMES, rate=30)
    out = run(model, video, tmp_path / "out", "--every", "3")
    assert found(out) == {number: right(number) for number in range(0, 36, 3)}
    made = cv2.VideoCapture(str(out / "annotated.mp4"))
    assert made.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert len(frames_of(out / "annotated.mp4")) == 12


def test_the_limit_of_a_video(model, tmp_path):
    video = write_video(tmp_path / "gate.mp4", FRAMES)
    assert list(found(run(model, video, tmp_path / "out", "--limit", "5"))) == [0, 1, 2, 3, 4]
    assert len(frames_of(tmp_path / "out" / "annotated.mp4")) == 5


def test_going_on_with_a_video_is_refused(model, tmp_path):
    video = write_video(tmp_path / "gate.mp4", FRAMES)
    with pytest.raises(UserError, match=r"cannot be gone on with.*--resume"):
        run(model, video, tmp_path / "out", "--resume")


def test_a_video_that_is_cut_short_says_how_many_frames_are_missing(model, tmp_path, caplog):
    # Motion JPEG in an AVI keeps its index in front of nothing: a cut file still opens, and ends early.
    video = write_video(tmp_path / "gate.avi", FRAMES, code="MJPG")
    data = video.read_bytes()
    video.write_bytes(data[: len(data) // 2])
    readable = len(frames_of(video))
    said = int(cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT))
    assert 0 < readable < said
    with caplog.at_level("WARNING", "detectnet"):
        out = run(model, video, tmp_path / "out")
    assert len(found(out)) == readable
    assert f"{said - readable} of {said} frames cannot be read" in caplog.text


class Capture:
    """A double of a capture whose third frame cannot be decoded."""

    def __init__(self):
        self.number = -1

    def grab(self):
        self.number += 1
        return self.number < 5

    def retrieve(self):
        return self.number != 2, np.full((2, 2, 3), (1, 2, self.number), np.uint8)


def test_a_frame_that_cannot_be_decoded_is_counted_and_listed(caplog):
    stream = Stream(Capture(), "gate", total=5)
    frames = list(stream.frames())
    assert [number for number, _ in frames] == [0, 1, 3, 4]
    assert frames[2][1][0, 0].tolist() == [3, 2, 1]
    stream.report()
    assert "frame 2 cannot be decoded" in caplog.text
    assert "ends before" not in caplog.text


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_a_whole_video_and_whole_labels(model, tmp_path):
    video = write_video(tmp_path / "long.mp4", FRAMES * 60)
    out = tmp_path / "out"
    line = [sys.executable, str(SCRIPT), str(video), "--model", str(model), "--output", str(out)]
    process = subprocess.Popen(
        line, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONFAULTHANDLER": "1"}
    )
    try:
        deadline = time.monotonic() + 60
        while len(list(out.glob("labels/long_*.txt"))) < 20 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert "interrupted" in said
    seen = found(out)
    assert 20 <= len(seen) < len(FRAMES) * 60
    assert seen == {number: right(number) for number in range(len(seen))}
    assert len(frames_of(out / "annotated.mp4")) == len(seen)


class MotionJpeg(http.server.BaseHTTPRequestHandler):
    """A camera: it sends a JPEG every 20 ms, whether anybody has looked at the last one or not."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for frame in FRAMES:
            data = cv2.imencode(".jpg", frame)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
            time.sleep(0.02)
        self.wfile.write(b"--frame--\r\n")

    def log_message(self, *_):
        """Nothing on the screen."""


@pytest.fixture
def address(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), MotionJpeg)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/camera.mjpg"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_stream_over_http(model, tmp_path, address, caplog):
    with caplog.at_level("INFO", "detectnet"):
        out = run(model, address, tmp_path / "out")
    seen = found(out)
    assert len(seen) > 3
    assert max(seen) < len(FRAMES)
    # Whatever was left out, each frame has its own number: the bright cell is where that frame has it.
    for number, boxes in seen.items():
        np.testing.assert_allclose(boxes, right(number), atol=0.01)
    # The video lasts as long as the source, and says the rate in a corner that is dark in the source.
    video = frames_of(out / "annotated.mp4")
    assert len(video) == max(seen) + 1
    assert video[-1][:30, :90].max() > 200
    left_out = max(seen) + 1 - len(seen)
    assert (f"{left_out} frames came faster" in caplog.text) == (left_out > 0)


def test_the_limit_of_an_endless_stream(model, tmp_path, address):
    assert len(found(run(model, address, tmp_path / "out", "--limit", "2"))) == 2


def test_an_address_that_nobody_serves(model, tmp_path):
    with pytest.raises(UserError, match="cannot be opened"):
        run(model, "http://127.0.0.1:9/camera.mjpg", tmp_path / "out")
