"""From the picture of a record to the network's input: resized or not, scaled, cropped, padded."""

import cv2
import numpy as np
import pytest
import record_files
import tensorflow as tf

from detectnet import spec
from detectnet.errors import UserError
from detectnet.network.augmentation import AugmentationSettings
from detectnet.network.inputs import InputSettings, fit_boxes, fit_picture, plain_feed, plain_labels
from detectnet.network.predict import records_of

BOX = (40, 24, 72, 40)


def frame_of(folder, size, experiment, boxes=(BOX,), channels=3):
    """A picture of size x size with every box in white; its smooth ground shows where a pixel is from."""
    ground = np.linspace(0, 120, size, dtype=np.float32)
    made = np.stack(
        [np.tile(ground, (size, 1)), np.tile(ground[:, None], (1, size)), np.zeros((size, size))], 2
    )
    made = made.round().astype(np.uint8)
    for x1, y1, x2, y2 in boxes:
        made[y1:y2, x1:x2] = 255
    path = folder / record_files.SHARD.format(source="cars", fold=1)
    with tf.io.TFRecordWriter(str(path)) as writer:
        data = record_files.example(
            "images/a", boxes, ["plate"] * len(boxes), record_files.encoded(made), size=size
        )
        writer.write(data)
    return made, records_of(experiment, [path])


def experiment(words):
    text = record_files.experiment().to_text()
    return spec.parse(text.replace("preprocessing {", f"preprocessing {{ {words}"), "experiment")


def bright(picture):
    rows, columns = np.nonzero(picture[..., 0] > 190)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("size", [64, 96, 160])
def test_without_resizing_pictures_keep_their_pixels_and_are_cut_or_padded(tmp_path, size):
    """As TAO does: right and bottom, with black."""
    made, records = frame_of(tmp_path, size, experiment(""))
    picture = fit_picture(records.frames[0], InputSettings.from_spec(experiment("")))
    kept = min(size, 96)
    assert picture.shape == (96, 96, 3)
    assert np.array_equal(picture[:kept, :kept], made[:kept, :kept])
    assert not picture[kept:].any()
    assert not picture[:, kept:].any()


CASES = {
    # words -> the box in the network's input, by hand, from 160 x 160 pixels
    "enable_auto_resize: true": (24, 14.4, 43.2, 24),
    "scale_width: 0.5 scale_height: 0.5": (20, 12, 36, 20),
    "scale_width: 0.5": (20, 24, 36, 40),
    "scale_height: 1.5": (40, 36, 72, 60),
    "crop_left: 32 crop_top: 16 crop_right: 128 crop_bottom: 112": (8, 8, 40, 24),
    "crop_right: 96 crop_bottom: 96": (40, 24, 72, 40),
    "scale_width: 2 scale_height: 2 crop_left: 64 crop_top: 32 crop_right: 160 crop_bottom: 128": (
        16,
        16,
        80,
        48,
    ),
    "enable_auto_resize: true scale_width: 1.5 scale_height: 1.5": (36, 21.6, 64.8, 36),
}


@pytest.mark.parametrize("words", CASES)
def test_boxes_and_pixels_go_the_same_way(tmp_path, words):
    given = experiment(words)
    _, records = frame_of(tmp_path, 160, given)
    settings = InputSettings.from_spec(given)
    frame = records.frames[0]
    assert fit_boxes(frame, settings)[0] == pytest.approx(CASES[words], abs=1e-4)
    picture = fit_picture(frame, settings)
    assert picture.shape == (96, 96, 3)
    assert bright(picture) == pytest.approx(CASES[words], abs=1)
    assert np.array_equal(next(iter(plain_feed(records, settings, batch=1)))[0][0], picture)


def test_resizing_is_opencvs_and_leaves_a_picture_of_the_right_size_alone(tmp_path):
    given = experiment("enable_auto_resize: true")
    settings = InputSettings.from_spec(given)
    made, records = frame_of(tmp_path, 160, given)
    assert np.array_equal(fit_picture(records.frames[0], settings), cv2.resize(made, (96, 96)))
    made, records = frame_of(tmp_path, 96, given)
    assert np.array_equal(fit_picture(records.frames[0], settings), made)


def test_grey_pictures_are_scaled_and_cropped_too(tmp_path):
    text = experiment(
        "scale_width: 0.8 scale_height: 0.8 crop_left: 9 crop_right: 105 crop_bottom: 96"
    ).to_text()
    text = text.replace("output_image_channel: 3", "output_image_channel: 1")
    given = spec.parse(text, "experiment")
    _, records = frame_of(tmp_path, 160, given)
    assert fit_picture(records.frames[0], InputSettings.from_spec(given)).shape == (96, 96, 1)


def test_boxes_are_cut_to_the_crop_and_lost_outside_of_it(tmp_path):
    """In TAO a crop's labels are compared with the crop's rectangle in the wrong coordinates."""
    given = experiment("crop_left: 56 crop_top: 16 crop_right: 152 crop_bottom: 112")
    boxes = [BOX, (0, 0, 50, 20), (140, 100, 160, 130)]
    _, records = frame_of(tmp_path, 160, given, boxes)
    kept, _ = plain_labels(records.frames[0], InputSettings.from_spec(given))
    assert kept.tolist() == [[0, 8, 16, 24], [84, 84, 96, 96]]


def test_a_crop_of_another_size_than_the_networks_is_refused():
    given = experiment("crop_left: 10 crop_top: 10 crop_right: 100 crop_bottom: 100")
    with pytest.raises(UserError, match="90 x 90") as caught:
        InputSettings.from_spec(given)
    assert "96 x 96" in str(caught.value)


def test_small_boxes_are_left_out_as_the_spec_says(tmp_path):
    """TAO's default loader leaves out what is under a pixel, whatever the spec says."""
    given = experiment("min_bbox_width: 20 min_bbox_height: 10")
    boxes = [(0, 0, 20, 10), (30, 0, 49, 30), (60, 0, 90, 9), (85, 50, 110, 70)]
    _, records = frame_of(tmp_path, 160, given, boxes)
    kept, _ = plain_labels(records.frames[0], InputSettings.from_spec(given))
    assert kept.tolist() == [[0, 0, 20, 10]]  # of the last, 11 pixels are left


def test_the_spec_sets_every_field():
    text = record_files.experiment(
        augmentation="""spatial_augmentation { hflip_probability: 0.1 vflip_probability: 0.2 zoom_min: 0.8
        zoom_max: 1.3 translate_max_x: 8.9 translate_max_y: 6 rotate_rad_max: 0.3 rotate_probability: 0.25
        resampling: [NEAREST, AREA] fill: 0.125 }
        color_augmentation { color_shift_stddev: 0.05 hue_rotation_max: 25 saturation_shift_max: 0.2
        contrast_scale_max: 0.1 contrast_center: 0.5 grey_probability: 0.3 blur_sigma_max: 1.5
        noise_stddev_max: 0.02 jpeg_quality_min: 40 }"""
    ).to_text()
    text = text.replace("preprocessing {", "preprocessing { min_bbox_width: 3 min_bbox_height: 0.5")
    made = AugmentationSettings.from_spec(spec.parse(text, "experiment"))
    assert made == AugmentationSettings(
        width=96,
        height=96,
        hflip=0.1,
        vflip=0.2,
        zoom=(0.8, 1.3),
        translate=(8, 6),  # whole pixels
        rotate=0.3,
        rotate_probability=0.25,
        resampling=("NEAREST", "AREA"),
        fill=0.125,
        brightness=0.05,
        hue=25.0,
        saturation=0.2,
        contrast=0.1,
        contrast_center=0.5,
        grey=0.3,
        blur=1.5,
        noise=0.02,
        jpeg_quality=40,
        minimum_box=(3.0, 1.0),  # as in TAO nothing below a pixel
    )
    plain = AugmentationSettings.from_spec(record_files.experiment(augmentation=""))
    assert plain == AugmentationSettings(96, 96, contrast_center=0.0)
    assert plain.fill == 0.5
