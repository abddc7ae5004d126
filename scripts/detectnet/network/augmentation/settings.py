"""The ranges of the random changes, as a spec gives them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detectnet.spec import Message


@dataclass(frozen=True)
class MixingSettings:
    """How pictures are made from several; the defaults mix nothing.

    Attributes:
        mosaic: probability that four pictures share the place of one.
        paste: probability that objects of other pictures are pasted in, where it is no mosaic.
        paste_most: largest number of them.
    """

    mosaic: float = 0.0
    paste: float = 0.0
    paste_most: int = 1

    @property
    def active(self) -> bool:
        """Whether any picture needs others."""
        return bool(self.mosaic or self.paste)


@dataclass(frozen=True)
class AugmentationSettings:
    """Ranges of the random changes; the defaults change nothing.

    Attributes:
        width, height: of the changed pictures, pixels.
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
        canvas: width and height of the network's input, of which the changed pictures are windows; None
            where they are all of it.
        log_zoom: r is log-uniform, not uniform.
        aspect: largest ratio, >= 1, by which width and height are stretched against each other.
        object_window: share of the windows that are laid around an object, 0..1.
        visible_share: of its area that an object needs inside of the changed picture, 0..1.
        gamma: largest exponent, >= 1, of values 0..1; its inverse is the smallest.
        white_balance: largest change of a channel's gain, 0..1.
        motion_blur: largest length of the line that a point becomes, pixels.
        fog: largest share of the haze in a pixel, 0..1.
        shadow: probability of a shadow.
        downscale: largest factor, >= 1, by which a picture is made smaller and then large again.
        mixing: of several pictures.
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
    canvas: tuple[int, int] | None = None
    log_zoom: bool = False
    aspect: float = 1.0
    object_window: float = 0.0
    visible_share: float = 0.0
    gamma: float = 1.0
    white_balance: float = 0.0
    motion_blur: float = 0.0
    fog: float = 0.0
    shadow: float = 0.0
    downscale: float = 1.0
    mixing: MixingSettings = field(default_factory=MixingSettings)

    @property
    def whole(self) -> tuple[int, int]:
        """Width and height of the network's input, pixels: of the picture before the change."""
        return self.canvas or (self.width, self.height)

    @property
    def hides(self) -> bool:
        """Whether objects can be left out for being cut, so that they are neither object nor background."""
        return bool(self.visible_share or self.mixing.mosaic)

    def window(self, width: int, height: int) -> AugmentationSettings:
        """The same for changed pictures that are windows of this size, pixels, at the same scale."""
        return replace(self, width=width, height=height, canvas=self.whole)

    @classmethod
    def from_spec(cls, experiment: Message) -> AugmentationSettings:
        """Read ``augmentation_config``."""
        config = experiment.augmentation_config
        picture, mixing = config.preprocessing, config.mixing
        return cls(
            width=picture.output_image_width,
            height=picture.output_image_height,
            minimum_box=(max(picture.min_bbox_width, 1.0), max(picture.min_bbox_height, 1.0)),
            visible_share=picture.minimum_visible_share,
            mixing=MixingSettings(mixing.mosaic_probability, mixing.paste_probability, mixing.paste_max),
            **_space(config.spatial_augmentation),
            **_color(config.color_augmentation),
        )


def _space(space: Message) -> dict[str, object]:
    has_probability = space.has("rotate_probability")
    return {
        "hflip": space.hflip_probability,
        "vflip": space.vflip_probability,
        "zoom": (space.zoom_min or 1.0, space.zoom_max or 1.0),
        "translate": (int(space.translate_max_x), int(space.translate_max_y)),
        "rotate": space.rotate_rad_max,
        "rotate_probability": space.rotate_probability if has_probability else 1.0,
        "resampling": tuple(str(one) for one in space.resampling) or ("LINEAR",),
        "fill": space.fill if space.has("fill") else 0.5,
        "log_zoom": space.zoom_log_uniform,
        "aspect": space.aspect_max,
        "object_window": space.object_window_probability,
    }


def _color(color: Message) -> dict[str, object]:
    return {
        "brightness": color.color_shift_stddev,
        "contrast": color.contrast_scale_max,
        "contrast_center": color.contrast_center,
        "hue": color.hue_rotation_max,
        "saturation": color.saturation_shift_max,
        "grey": color.grey_probability,
        "blur": color.blur_sigma_max,
        "noise": color.noise_stddev_max,
        "jpeg_quality": int(color.jpeg_quality_min),
        "gamma": color.gamma_max,
        "white_balance": color.white_balance_max,
        "motion_blur": color.motion_blur_max,
        "fog": color.fog_max,
        "shadow": color.shadow_probability,
        "downscale": color.downscale_max,
    }
