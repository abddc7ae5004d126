"""Random changes to training pictures and their boxes: one warp, one colour matrix, then the camera's faults.

Distributions are DetectNet_v2's (the MULTISOURCE loader), with its defects mended: rotation is in
radians, a box that was rotated is the hull of its four corners, ``vflip_probability``,
``rotate_probability: 0`` and ``min_bbox_*`` do what they say, and boxes are clipped to the picture.
Geometry uses row vectors, ``[x, y, 1] @ matrix``, in continuous pixel coordinates, and matrices lead
from the changed picture back to the given one.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from detectnet.spec import Message

LUMA = np.array([0.299, 0.587, 0.114])
# Hue and saturation as linear maps of row vectors (R, G, B): the grey, and two parts of the colour.
_GREY = np.outer(LUMA, np.ones(3))
_COSINE = np.eye(3) - _GREY
_SINE = np.array([[0.168, -0.328, 1.25], [0.330, 0.035, -1.05], [-0.497, 0.292, -0.203]])
_NORMAL = NormalDist()
_TAIL = _NORMAL.cdf(-2.0)
_INTERPOLATION = {"LINEAR": cv2.INTER_LINEAR, "AREA": cv2.INTER_LINEAR, "NEAREST": cv2.INTER_NEAREST}
_FAINTEST_BLUR = 0.1  # pixels; a Gaussian this narrow changes no 8-bit value
_NOISE_PERIOD = 1 << 14  # starting points in the noise bank


@dataclass(frozen=True)
class AugmentationSettings:
    """Ranges of the random changes; the defaults change nothing.

    Attributes:
        width, height: of the pictures, pixels.
        hflip, vflip: probabilities.
        zoom: range of r; r > 1 makes the content smaller by r.
        translate: largest shift in x and y, whole pixels.
        rotate: largest angle, radians; rotate_probability: how often.
        resampling: of ``LINEAR``, ``AREA``, ``NEAREST``; one is drawn per picture.
        fill: value 0..1 of what the picture does not cover.
        brightness: standard deviation of an offset, 0..1.
        contrast, contrast_center: largest change of contrast, and the value that stays.
        hue: largest rotation, degrees. saturation: largest change, 0..1.
        grey: probability of a picture without colour.
        blur: largest sigma of a Gaussian, pixels.
        noise: largest standard deviation of noise, 0..1.
        jpeg_quality: lowest quality of a second JPEG compression, 1..100; 0 for none.
        minimum_box: smallest width and height of a box afterwards, pixels.
    """

    width: int
    height: int
    hflip: float = 0.0
    vflip: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    translate: tuple[int, int] = (0, 0)
    rotate: float = 0.0
    rotate_probability: float = 1.0
    resampling: tuple[str, ...] = ("LINEAR",)
    fill: float = 0.5
    brightness: float = 0.0
    contrast: float = 0.0
    contrast_center: float = 0.5
    hue: float = 0.0
    saturation: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg_quality: int = 0
    minimum_box: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def from_spec(cls, experiment: Message) -> AugmentationSettings:
        """Read ``augmentation_config``."""
        config = experiment.augmentation_config
        picture, space, color = config.preprocessing, config.spatial_augmentation, config.color_augmentation
        has_probability = space.has("rotate_probability")
        return cls(
            width=picture.output_image_width,
            height=picture.output_image_height,
            hflip=space.hflip_probability,
            vflip=space.vflip_probability,
            zoom=(space.zoom_min or 1.0, space.zoom_max or 1.0),
            translate=(int(space.translate_max_x), int(space.translate_max_y)),
            rotate=space.rotate_rad_max,
            rotate_probability=space.rotate_probability if has_probability else 1.0,
            resampling=tuple(str(one) for one in space.resampling) or ("LINEAR",),
            fill=space.fill if space.has("fill") else 0.5,
            brightness=color.color_shift_stddev,
            contrast=color.contrast_scale_max,
            contrast_center=color.contrast_center,
            hue=color.hue_rotation_max,
            saturation=color.saturation_shift_max,
            grey=color.grey_probability,
            blur=color.blur_sigma_max,
            noise=color.noise_stddev_max,
            jpeg_quality=int(color.jpeg_quality_min),
            minimum_box=(max(picture.min_bbox_width, 1.0), max(picture.min_bbox_height, 1.0)),
        )


@dataclass(frozen=True)
class Change:
    """One draw from the ranges.

    Attributes:
        matrix: (3, 3) float64, from changed to given pixel coordinates.
        zoom: r of this picture.
        resampling: of this picture.
        color: (4, 3) float64, ``[r, g, b, 1] @ color`` on values 0..1.
        blur, noise: sigma in pixels, standard deviation 0..1.
        noise_start: where in the bank of noise to begin.
        jpeg_quality: 1..100, or 0 for none.
    """

    matrix: np.ndarray
    zoom: float
    resampling: str
    color: np.ndarray
    blur: float
    noise: float
    noise_start: int
    jpeg_quality: int


def draw(settings: AugmentationSettings, seed: int, sample: int) -> Change:
    """The change of sample number ``sample`` of a training; depends on nothing but the arguments."""
    u = np.random.default_rng((seed, sample)).random(18)
    zoom = settings.zoom[0] + u[0] * (settings.zoom[1] - settings.zoom[0])
    quality = settings.jpeg_quality + u[1] * (101 - settings.jpeg_quality) if settings.jpeg_quality else 0
    return Change(
        matrix=_matrix(settings, zoom, u[2:9]),
        zoom=zoom,
        resampling=settings.resampling[int(u[9] * len(settings.resampling))],
        color=_color(settings, u[10:15]),
        blur=settings.blur * u[15],
        noise=settings.noise * u[16],
        noise_start=int(u[17] * _NOISE_PERIOD),
        jpeg_quality=int(quality),
    )


def _matrix(settings: AugmentationSettings, zoom: float, u: np.ndarray) -> np.ndarray:
    """Flip, shift, zoom and rotation about the centre as one matrix; u are 7 numbers in 0..1."""
    width, height = settings.width, settings.height
    made = np.eye(3)
    if u[0] < settings.hflip:
        made = made @ [[-1, 0, 0], [0, 1, 0], [width, 0, 1]]
    if u[1] < settings.vflip:
        made = made @ [[1, 0, 0], [0, -1, 0], [0, height, 1]]
    shift = [
        int(share * (2 * most + 1)) - most for share, most in zip(u[2:4], settings.translate, strict=True)
    ]
    made = made @ [[1, 0, 0], [0, 1, 0], [-shift[0], -shift[1], 1]]
    # the content, or the window into it, may lie anywhere inside
    left, top = u[4] * (width - width / zoom), u[5] * (height - height / zoom)
    made = made @ [[zoom, 0, 0], [0, zoom, 0], [-left * zoom, -top * zoom, 1]]
    if settings.rotate and u[6] < settings.rotate_probability:
        angle = (2 * u[6] / settings.rotate_probability - 1) * settings.rotate
        cosine, sine = np.cos(angle), np.sin(angle)
        x, y = width / 2, height / 2
        made = made @ [
            [cosine, sine, 0],
            [-sine, cosine, 0],
            [x - x * cosine + y * sine, y - x * sine - y * cosine, 1],
        ]
    return made


def _color(settings: AugmentationSettings, u: np.ndarray) -> np.ndarray:
    """Contrast, hue and saturation, brightness, and the loss of colour, as one (4, 3) matrix."""
    contrast = _truncated(u[0]) * settings.contrast / 2
    hue = np.deg2rad(_truncated(u[1]) * settings.hue / 2)
    saturation = 1 + (2 * u[2] - 1) * settings.saturation
    turn = _GREY + saturation * (np.cos(hue) * _COSINE + np.sin(hue) * _SINE)
    offset = np.full(3, -contrast * settings.contrast_center) @ turn
    offset = offset + _truncated(u[3]) * settings.brightness
    made = np.vstack([(1 + contrast) * turn, offset])
    return made @ _GREY if u[4] < settings.grey else made


def _truncated(u: float) -> float:
    """A standard normal number cut at two sigma, from a uniform one."""
    return _NORMAL.inv_cdf(_TAIL + u * (1 - 2 * _TAIL))


def transform_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) in the changed picture: the upright hull of the four moved corners, float64."""
    if np.array_equal(matrix, np.eye(3)):
        return boxes.astype(np.float64)
    x, y = boxes[:, [0, 2, 2, 0]], boxes[:, [1, 1, 3, 3]]
    corners = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(matrix)
    return np.concatenate([corners[..., :2].min(axis=1), corners[..., :2].max(axis=1)], axis=1)


def clip_boxes(boxes: np.ndarray, settings: AugmentationSettings) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) cut to the picture, and which of them (N,) bool are still large enough to be one."""
    limit = np.array([settings.width, settings.height] * 2, np.float64)
    cut = np.clip(boxes, 0, limit)
    keep = np.all(cut[:, 2:] - cut[:, :2] >= settings.minimum_box, axis=1)
    return cut, keep


def apply(picture: np.ndarray, change: Change, settings: AugmentationSettings) -> np.ndarray:
    """The changed picture, uint8 (height, width, channels) like the given one."""
    colored = picture.shape[2] == 3
    picture = _warp(picture, change, settings)  # OpenCV drops a single channel's axis
    if colored:
        picture = _recolor(picture, change.color)
    if change.blur > _FAINTEST_BLUR:
        picture = cv2.GaussianBlur(picture, (0, 0), change.blur)
    if change.noise > 0:
        picture = _add_noise(picture, change)
    if change.jpeg_quality:
        picture = _compress(picture, change.jpeg_quality)
    return picture.reshape(settings.height, settings.width, -1)


def _warp(picture: np.ndarray, change: Change, settings: AugmentationSettings) -> np.ndarray:
    matrix = change.matrix
    if np.array_equal(matrix, np.eye(3)):
        return picture
    if change.resampling == "AREA" and change.zoom > 1:
        # shrink with averaging first; what is left for the warp has no scale
        given = picture.shape[1], picture.shape[0]
        size = tuple(max(1, round(extent / change.zoom)) for extent in given)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([size[0] / given[0], size[1] / given[1], 1.0])
    # OpenCV counts from pixel centres
    half = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 1]])
    matrix = half @ matrix @ np.linalg.inv(half)
    return cv2.warpAffine(
        picture,
        matrix.T[:2],
        (settings.width, settings.height),
        flags=_INTERPOLATION[change.resampling] | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=[round(255 * settings.fill)] * 4,
    )


def _recolor(picture: np.ndarray, color: np.ndarray) -> np.ndarray:
    if np.allclose(color[:3], np.eye(3), atol=1e-9) and not color[3].any():
        return picture
    return cv2.transform(picture, np.vstack([color[:3], 255 * color[3:]]).T)


def _add_noise(picture: np.ndarray, change: Change) -> np.ndarray:
    bank = _noise_bank(picture.size + _NOISE_PERIOD)
    noise = bank[change.noise_start : change.noise_start + picture.size].reshape(picture.shape)
    noisy = cv2.scaleAdd(noise, 255 * change.noise, picture.astype(np.float32))
    return np.rint(noisy).clip(0, 255).astype(np.uint8)


def _compress(picture: np.ndarray, quality: int) -> np.ndarray:
    colored = picture.ndim == 3 and picture.shape[2] == 3
    given = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if colored else picture
    _, data = cv2.imencode(".jpg", given, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB if colored else cv2.IMREAD_GRAYSCALE)


_banks: dict[int, np.ndarray] = {}


def _noise_bank(size: int) -> np.ndarray:
    """Standard normal numbers, float32; the same for every picture, which begins somewhere in it."""
    if size not in _banks:
        _banks[size] = np.random.default_rng(0).standard_normal(size, np.float32)
    return _banks[size]
