"""COCO files of any shape: read, or refused with the entry that is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectnet.data.coco import box_of, read_coco_file
from detectnet.errors import UserError

GOOD = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
    "categories": [{"id": 2, "name": "plate"}],
    "annotations": [{"id": 3, "image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4]}],
}


def written(tmp_path, content):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(content))
    return path


def changed(where, value):
    """GOOD with the entry of ``where`` replaced, or removed where the value is ``del``."""
    content = json.loads(json.dumps(GOOD))
    *way, last = where
    inner = content
    for one in way:
        inner = inner[one]
    if value == "del":
        del inner[last]
    else:
        inner[last] = value
    return content


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("images",), {}, "c.json: not a COCO file"),
        (("images",), "del", "c.json: not a COCO file"),
        (("images", 0), "a.jpg", r"c\.json images\[0\]: the entry is no object"),
        (("images", 0, "id"), "del", r"c\.json images\[0\]: the entry lacks 'id'"),
        (("images", 0, "id"), [1], r"c\.json images\[0\]\.id: \[1\] cannot stand here.*a number or a text"),
        (("images", 0, "id"), None, r"images\[0\]\.id: None cannot stand here"),
        (("images", 0, "file_name"), 5, r"images\[0\]\.file_name: 5 cannot stand here.*Allowed: a text"),
        (("images", 0, "width"), "wide", r"images\[0\]\.width: 'wide' cannot stand here.*Allowed: a number"),
        (("images", 0, "height"), float("nan"), r"images\[0\]\.height: nan cannot stand here"),
        (("images", 0, "height"), float("inf"), r"images\[0\]\.height: inf cannot stand here"),
        (("images", 0, "height"), True, r"images\[0\]\.height: True cannot stand here"),
        (("categories",), 7, "c.json: 'categories' is no list"),
        (("categories", 0, "name"), "del", r"categories\[0\]: the entry lacks 'name'"),
        (("categories", 0, "name"), ["plate"], r"categories\[0\]\.name: \['plate'\] cannot stand here"),
        (("annotations",), {"1": []}, "c.json: 'annotations' is no list"),
        (("annotations", 0), None, r"annotations\[0\]: the entry is no object"),
        (("annotations", 0, "image_id"), {}, r"annotations\[0\]\.image_id: \{\} cannot stand here"),
        (("annotations", 0, "category_id"), [2], r"annotations\[0\]\.category_id: \[2\] cannot stand here"),
    ],
)
def test_wrong_entries_are_named(tmp_path, where, value, said):
    with pytest.raises(UserError, match=said):
        read_coco_file(written(tmp_path, changed(where, value)))


def test_ids_must_be_unique(tmp_path):
    content = changed(("images",), GOOD["images"] * 2)
    with pytest.raises(UserError, match=r"images\[1\]: has the id 1 of images\[0\]"):
        read_coco_file(written(tmp_path, content))


def test_annotations_go_to_their_pictures(tmp_path):
    loose = {"id": 4, "image_id": 9, "category_id": 2}
    content = changed(("annotations",), [*GOOD["annotations"], loose, {"id": 5}])
    read = read_coco_file(written(tmp_path, content))
    assert read.annotations == {1: GOOD["annotations"]}
    assert read.loose == [loose, {"id": 5}]
    assert read.names == {2: "plate"}


@pytest.mark.parametrize(
    ("annotation", "box"),
    [
        ({"bbox": [1, 2, 3, 4]}, (1, 2, 4, 6)),
        ({"bbox": ["1", 2.5, 3, 4]}, (1, 2.5, 4, 6.5)),
        ({"bbox": [], "segmentation": [[5, 6, 9, 6, 9, 1], [2, 7, 3, 7]]}, (2, 1, 9, 7)),
        ({"segmentation": {"counts": [1], "size": [2, 2]}}, None),
        ({"segmentation": [[1, 2, 3]]}, None),
        ({"bbox": [1, 2, 3]}, None),
        ({"bbox": {"x": 1}}, None),
        ({"bbox": 5}, None),
        ({"bbox": [1, 2, None, 4]}, None),
        ({}, None),
    ],
)
def test_boxes(annotation, box):
    if box is None:
        with pytest.raises(ValueError, match=r"bbox|segmentation"):
            box_of(annotation)
    else:
        assert box_of(annotation) == box


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "file_name", "name", "image_id", "category_id", "bbox", "segmentation"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries({name: anything | st.lists(anything, max_size=3) for name in GOOD}))
def test_anything_is_read_or_refused_in_words(tmp_path_factory, content):
    path = written(tmp_path_factory.mktemp("any"), content)
    try:
        read = read_coco_file(path)
    except UserError as error:
        assert "c.json" in str(error)
        return
    for entries in read.annotations.values():
        for one in entries:
            try:
                assert len(box_of(one)) == 4
            except ValueError as error:
                assert str(error)
