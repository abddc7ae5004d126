from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from detectnet.sources.naming import group_of, unique_stems

PART = st.sampled_from(["a", "b", "a_b", "a_jpg", "x"])
PATH = st.builds(
    lambda folders, stem, suffix: "/".join([*folders, stem]) + suffix,
    st.lists(PART, max_size=2),
    PART,
    st.sampled_from([".jpg", ".png", ".JPG"]),
)


@given(st.sets(PATH, max_size=12))
def test_stems_are_unique_whatever_the_names(paths: set[str]) -> None:
    stems = unique_stems(paths)
    assert set(stems) == paths
    assert len(set(stems.values())) == len(paths)
    assert unique_stems(sorted(paths, reverse=True)) == stems


@given(st.sets(PATH, min_size=1, max_size=12))
def test_a_stem_of_its_own_is_kept(paths: set[str]) -> None:
    plain = [PurePosixPath(path).stem for path in paths]
    for path, stem in unique_stems(paths).items():
        own = PurePosixPath(path).stem
        assert (stem == own) == (plain.count(own) == 1)


def test_stems_with_dots_are_whole() -> None:
    assert unique_stems(["ride.mp4#t=1.jpg"]) == {"ride.mp4#t=1.jpg": "ride.mp4#t=1"}


def test_shared_stems_are_told_apart_by_what_differs() -> None:
    assert unique_stems(["a.jpg", "a.png"]) == {"a.jpg": "a_jpg", "a.png": "a_png"}
    assert unique_stems(["x/a.jpg", "y/a.jpg"]) == {"x/a.jpg": "x_a", "y/a.jpg": "y_a"}
    assert unique_stems(["x/a.jpg", "y/a.jpg", "x_a.jpg"])["x_a.jpg"] == "x_a"


def test_the_video_comes_from_the_file_name() -> None:
    assert group_of("v1_x/ride_01.mp4#t=3.jpg", "stem", r"^(.+)\.mp4") == "ride_01"
    assert group_of("still.jpg", "still", r"^(.+)\.mp4") == "still"
    assert group_of("still.jpg", "still", r"^(x)?still") == "still"
    assert group_of("still.jpg", "still", None) == "still"
