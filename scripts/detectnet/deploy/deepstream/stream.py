"""What deepstream-app plays, and where the annotated stream goes."""

from __future__ import annotations

from dataclasses import dataclass

from detectnet.errors import UserError, did_you_mean

SAMPLE = "file:///opt/nvidia/deepstream/deepstream/samples/streams/sample_1080p_h264.mp4"
FILE, RTSP, USB, CSI = "file", "rtsp", "v4l2", "csi"
SINKS = ("file", "window", "rtsp", "fake")
NO_TRACKER = "none"
TRACKERS = (NO_TRACKER, "iou", "nvdcf")


@dataclass(frozen=True)
class StreamSettings:
    """What the app plays and shows.

    Attributes:
        uri: ``file:///...``, ``rtsp://...``, ``v4l2:N`` for the camera /dev/videoN, ``csi:N`` for sensor N.
        width, height: of the stream in pixels. nvstreammux stretches each frame to them, so they must be the
            source's own, or its aspect is lost before the detector sees it.
        frame_rate: asked of a camera, frames a second.
        sink: where the frames go, one of ``SINKS``; ``fake`` shows nothing, for measuring.
        tracker: one of ``TRACKERS``.
        interval: frames that are left out between two that the detector sees.
        kitti: whether detections are written as KITTI files, one a frame.
        display: whether boxes are drawn.
    """

    uri: str = SAMPLE
    width: int = 1920
    height: int = 1080
    frame_rate: int = 30
    sink: str = SINKS[0]
    tracker: str = NO_TRACKER
    interval: int = 0
    kitti: bool = False
    display: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (("sink", SINKS), ("tracker", TRACKERS)):
            value = getattr(self, name)
            if value not in allowed:
                raise UserError(
                    f"'{value}' is not known",
                    where=f"deepstream.{name}",
                    allowed=allowed,
                    remedy=did_you_mean(value, allowed),
                )

    @property
    def scheme(self) -> str:
        """Kind of the source: ``FILE``, ``RTSP``, ``USB`` or ``CSI``.

        Raises:
            UserError: deepstream-app plays no such uri.
        """
        scheme, _, rest = self.uri.partition(":")
        camera = scheme in (USB, CSI) and rest.isascii() and rest.isdecimal()
        if camera or (scheme in (FILE, RTSP) and rest.startswith("//")):
            return scheme
        raise UserError(
            f"'{self.uri}' is no source that deepstream-app plays",
            where="uri",
            allowed=("file:///folder/video.mp4", "rtsp://host/path", "v4l2:0", "csi:0"),
        )

    @property
    def live(self) -> bool:
        """Whether frames come when they come, as from a camera."""
        return self.scheme != FILE
