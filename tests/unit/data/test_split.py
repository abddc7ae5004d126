"""The split: no look-alikes on both sides, old folds kept, shares met, NVIDIA's modes to the letter."""

import csv
import hashlib
import itertools
import logging
import tempfile
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from staged import far_hashes, kitti_source, resized_manifest, scene

from detectnet.data.folds import COLUMNS, FROZEN_COLUMNS, read_split
from detectnet.data.resizing import letterbox_source
from detectnet.data.split import freeze, split
from detectnet.errors import UserError


def rows_of(path):
    with Path(path).open(newline="") as handle:
        return list(csv.DictReader(handle))


def fold_of(path):
    return {(row["source"], Path(row["image"]).stem): row["fold"] for row in rows_of(path)}


def singles(count, seed=0, start=0):
    pairs = far_hashes(count, seed)
    return {f"p{start + index:04d}": (*pair, "") for index, pair in enumerate(pairs)}


def frozen(folder, folds, source="src"):
    """An earlier list: stem -> fold, for pictures of ``resized_manifest``."""
    path = folder / "frozen.csv"
    lines = [
        f"{source},images/{stem}.jpg,{hashlib.sha256(f'{source}/{stem}'.encode()).hexdigest()},g,{fold}"
        for stem, fold in folds.items()
    ]
    path.write_text("\n".join([",".join(FROZEN_COLUMNS), *lines]) + "\n")
    return path


# --- pictures: copies that a data set really holds ---


def as_jpeg(rgb, quality):
    return cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


COPIES = {
    "same": lambda rgb: rgb,
    "jpeg": lambda rgb: as_jpeg(rgb, 30),
    "mirrored": lambda rgb: rgb[:, ::-1],
    "mirrored_jpeg": lambda rgb: as_jpeg(np.ascontiguousarray(rgb[:, ::-1]), 40),
    "cropped": lambda rgb: rgb[3:-3, 4:-4],
    "small": lambda rgb: cv2.resize(rgb, (160, 120), interpolation=cv2.INTER_AREA),
    "bright": lambda rgb: cv2.convertScaleAbs(rgb, alpha=1.1, beta=10),
    "grey": lambda rgb: np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
}


def test_planted_copies_stay_with_their_original(tmp_path):
    """Copies lie in another source under another name; only what they show gives them away."""
    originals = {f"o{index:02d}.png": (scene(index), [], f"o{index:02d}") for index in range(32)}
    copies, origin = {}, {}
    for index, (kind, change) in zip(range(32), itertools.cycle(COPIES.items())):
        copies[f"{kind}{index}.png"] = (change(scene(index)), [], f"{kind}{index}")
        origin[f"{kind}{index}"] = f"o{index:02d}"
    manifests = {}
    for source, pictures in (("a", originals), ("b", copies)):
        kitti = kitti_source(tmp_path / "kitti" / source, pictures, source)
        letterbox_source(kitti, tmp_path / source, 320, 320, workers=1)
        manifests[source] = tmp_path / source / "manifest.csv"
    made = split(manifests, tmp_path / "split.csv", share=40)
    folds, groups = fold_of(tmp_path / "split.csv"), made.set_index(["source", "image"])["group"]
    for copy, original in origin.items():
        assert folds["b", copy] == folds["a", original], copy
        assert groups["b", f"images/{copy}.jpg"] == groups["a", f"images/{original}.jpg"]
    assert made["group"].nunique() == 32  # and nothing else was thrown together
    assert 10 <= sum(fold == "validation" for (source, _), fold in folds.items() if source == "a") <= 16


# --- hashes: the rule itself against brute force ---


@st.composite
def collections(draw):
    """Sources of few pictures with hashes around few centres, videos, and old folds of some."""
    centres = [pair[0] for pair in far_hashes(6)]
    sources = {}
    for source in ("a", "b"):
        rows = {}
        for index in range(draw(st.integers(1, 9))):
            near = [draw(st.sampled_from(centres)) ^ draw(st.integers(0, 7)) for _ in range(2)]
            rows[f"p{index}"] = (*near, draw(st.sampled_from(["", "", "video", "film"])))
        sources[source] = rows
    folds = st.sampled_from(["training", "validation", "excluded", None, None])
    old = {(source, stem): draw(folds) for source, rows in sources.items() for stem in rows}
    fixed = draw(st.sampled_from([{}, {}, {"a": "training"}, {"b": "validation"}]))
    return sources, {key: fold for key, fold in old.items() if fold}, fixed


def clusters_by_brute_force(sources, threshold):
    keys = [(source, stem) for source, rows in sources.items() for stem in rows]
    group = {key: {key} for key in keys}
    for one, other in itertools.combinations(keys, 2):
        plain, mirrored, video = sources[one[0]][one[1]]
        plain2, mirrored2, video2 = sources[other[0]][other[1]]
        distances = (plain ^ plain2, mirrored ^ plain2, plain ^ mirrored2)
        alike = min(value.bit_count() for value in distances) <= threshold
        if alike or (video and video == video2 and one[0] == other[0]):
            joined = group[one] | group[other]
            for key in joined:
                group[key] = joined
    return group


@given(collections())
@settings(max_examples=80)
def test_no_look_alikes_cross_and_old_folds_hold(case):
    sources, old, fixed = case
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifests = {
            source: resized_manifest(folder / source, rows, source) for source, rows in sources.items()
        }
        previous = folder / "previous.csv"
        lines = [
            f"{source},images/{stem}.jpg,x{source}{stem},g,{fold}" for (source, stem), fold in old.items()
        ]
        previous.write_text("\n".join([",".join(FROZEN_COLUMNS), *lines]) + "\n")
        split(manifests, folder / "split.csv", share=30, fixed=fixed, previous=previous, threshold=4)
        folds = fold_of(folder / "split.csv")
        links = rows_of(folder / "split_links.csv")
    kept = {key: fixed.get(key[0], old.get(key)) for key in folds}
    left = set()
    for key, members in clusters_by_brute_force(sources, 4).items():
        measured = any(fixed.get(source) == "validation" for source, _ in members)
        validated = "validation" in {kept[member] for member in members}
        if kept[key] == "training" and (measured or (validated and old.get(key) != "training")):
            assert folds[key] == "excluded"
            assert links
            left.add(key)
    rest = {
        source: {stem: row for stem, row in rows.items() if (source, stem) not in left}
        for source, rows in sources.items()
    }
    for key, members in clusters_by_brute_force(rest, 4).items():
        used = {folds[member] for member in members} - {"excluded"}
        assert len(used) <= 1
        wanted = {kept[member] for member in members}
        torn = {"training", "validation"} <= wanted
        if kept[key] is None:
            assert folds[key] != "excluded"
            if torn:
                assert folds[key] == "training"
        elif torn and kept[key] == "validation":
            assert folds[key] == "excluded"
            assert links
        else:
            assert folds[key] == kept[key]


def test_a_new_picture_that_links_both_folds_goes_to_training(tmp_path, caplog):
    rows = singles(6)
    first, second = rows["p0000"][0], rows["p0001"][0]
    bridge = first  # and its mirror image looks like the second
    rows["new"] = (bridge, second, "")
    old = {"p0000": "training", "p0001": "validation", "p0002": "validation", "p0003": "training"}
    manifests = {"src": resized_manifest(tmp_path / "src", rows)}
    with caplog.at_level(logging.INFO, "detectnet"):
        split(manifests, tmp_path / "split.csv", share=0, previous=frozen(tmp_path, old))
    folds = {stem: fold for (_, stem), fold in fold_of(tmp_path / "split.csv").items()}
    assert folds == {
        "p0000": "training",
        "p0001": "excluded",
        "p0002": "validation",
        "p0003": "training",
        "p0004": "training",
        "p0005": "training",
        "new": "training",
    }
    links = rows_of(tmp_path / "split_links.csv")
    seen = {(link["image"], link["linked_image"], link["by"], link["bits"]) for link in links}
    assert seen == {
        ("images/new.jpg", "images/p0000.jpg", "near-duplicate", "0"),
        ("images/new.jpg", "images/p0001.jpg", "mirrored near-duplicate", "0"),
    }
    assert "1 validation pictures leave the evaluation" in caplog.text


def test_fixed_folds_that_share_a_look_alike_are_not_called_old(tmp_path, caplog):
    rows = singles(2)
    manifests = {name: resized_manifest(tmp_path / name, rows, name) for name in ("a", "b")}
    with caplog.at_level(logging.WARNING, "detectnet"):
        split(manifests, tmp_path / "split.csv", fixed={"a": "training", "b": "validation"})
    folds = fold_of(tmp_path / "split.csv")
    assert {source: folds[source, stem] for source, stem in folds} == {"a": "excluded", "b": "validation"}
    assert "0 validation pictures leave the evaluation and 2 training pictures the training" in caplog.text
    assert "2 groups join pictures whose fold is settled, by an old list or for the" in caplog.text
    assert "old training" not in caplog.text


def test_a_source_fixed_for_validation_is_measured_whole_and_nothing_like_it_is_trained_on(tmp_path):
    rows = singles(8)
    like = {f"like{k}": rows[f"p000{k}"] for k in range(3)}
    chain = {
        "far": (rows["p0000"][0], rows["p0004"][0], "")
    }  # joins p0000 and, mirrored, p0004 of the source
    apart = {f"own{k}": row for k, row in enumerate(singles(30, seed=1).values())}
    manifests = {
        "held": resized_manifest(tmp_path / "held", rows, "held"),
        "trained": resized_manifest(tmp_path / "trained", like | apart, "trained"),
        "dealt": resized_manifest(tmp_path / "dealt", chain, "dealt"),
    }
    old = {"p0000": "training", "p0001": "validation", "p0002": "training", "p0003": "training"}
    made = split(
        manifests,
        tmp_path / "split.csv",
        share=0,
        fixed={"held": "validation", "trained": "training"},
        previous=frozen(tmp_path, old, "held"),
    )
    folds = fold_of(tmp_path / "split.csv")
    assert {fold for (source, _), fold in folds.items() if source == "held"} == {"validation"}
    assert {stem for (_, stem), fold in folds.items() if fold == "excluded"} == set(like)
    assert folds["dealt", "far"] == "validation"
    used = made[made["fold"] != "excluded"]
    assert (used.groupby("group")["fold"].nunique() == 1).all()
    linked = {(row["image"], row["linked_image"]) for row in rows_of(tmp_path / "split_links.csv")}
    assert ("images/p0001.jpg", "images/like1.jpg") in linked


def test_new_pictures_of_a_source_fixed_for_training_take_nothing_from_a_frozen_validation(tmp_path):
    rows = singles(6)
    (first, _, _), (second, _, _) = rows["p0000"], rows["p0001"]
    scenes = {
        "like": rows["p0001"],
        "bridge": (first, second, ""),  # like an old training picture and, mirrored, an old validation one
        "apart": singles(1, seed=1)["p0000"],
    }
    old = {"p0000": "training", "p0001": "validation", "p0002": "validation", "p0003": "training"}
    manifests = {
        "src": resized_manifest(tmp_path / "src", rows),
        "scenes": resized_manifest(tmp_path / "scenes", scenes, "scenes"),
    }
    given = {"share": 0, "fixed": {"scenes": "training"}, "previous": frozen(tmp_path, old)}
    made = split(manifests, tmp_path / "split.csv", **given)
    folds = fold_of(tmp_path / "split.csv")
    assert {stem: folds["src", stem] for stem in old} == old
    assert {stem: folds["scenes", stem] for stem in scenes} == {
        "like": "excluded",
        "bridge": "excluded",
        "apart": "training",
    }
    used = made[made["fold"] != "excluded"]
    assert (used.groupby("group")["fold"].nunique() == 1).all()


def test_frames_of_a_video_stay_together_when_its_first_one_is_left_out(tmp_path):
    seen, second, third, other = far_hashes(4)
    held = resized_manifest(tmp_path / "held", {"seen": (*seen, "")}, "held")
    frames = {"f0": (*seen, "film"), "f1": (*second, "film"), "f2": (*third, "film"), "g": (*other, "")}
    manifests = {"held": held, "src": resized_manifest(tmp_path / "src", frames)}
    previous = frozen(tmp_path, {"f0": "training", "g": "training"})
    made = split(manifests, tmp_path / "split.csv", share=60, fixed={"held": "validation"}, previous=previous)
    folds = fold_of(tmp_path / "split.csv")
    assert folds["src", "f0"] == "excluded" and folds["held", "seen"] == "validation"
    assert folds["src", "f1"] == folds["src", "f2"]
    assert made["group"][made["image"].isin(["images/f1.jpg", "images/f2.jpg"])].nunique() == 1


def test_frozen_twice_is_frozen(tmp_path):
    """Freezing and splitting again changes nothing, with pictures added neither for the old ones."""
    rows = singles(60)
    manifests = {"src": resized_manifest(tmp_path / "src", rows)}
    split(manifests, tmp_path / "one.csv", share=20)
    freeze(tmp_path / "one.csv", manifests, tmp_path / "frozen.csv")
    split(manifests, tmp_path / "two.csv", share=50, previous=tmp_path / "frozen.csv")
    assert fold_of(tmp_path / "one.csv") == fold_of(tmp_path / "two.csv")
    more = {"src": resized_manifest(tmp_path / "more", rows | singles(40, seed=1, start=60))}
    split(more, tmp_path / "three.csv", share=20, previous=tmp_path / "frozen.csv")
    one, three = fold_of(tmp_path / "one.csv"), fold_of(tmp_path / "three.csv")
    assert {key: three[key] for key in one} == one
    assert sum(fold == "validation" for fold in three.values()) == 20


def test_frozen_list_has_its_columns_in_order(tmp_path):
    manifests = {
        source: resized_manifest(tmp_path / source, singles(5, seed), source)
        for seed, source in enumerate(("b", "a"))
    }
    split(manifests, tmp_path / "split.csv", share=40)
    freeze(tmp_path / "split.csv", manifests, tmp_path / "frozen.csv")
    rows = rows_of(tmp_path / "frozen.csv")
    assert tuple(rows[0]) == FROZEN_COLUMNS
    assert [(row["source"], row["image"]) for row in rows] == sorted(
        (row["source"], row["image"]) for row in rows
    )
    assert {(row["source"], Path(row["image"]).stem): row["fold"] for row in rows} == fold_of(
        tmp_path / "split.csv"
    )


def test_renamed_and_newly_encoded_pictures_are_known_again(tmp_path):
    rows = singles(4)
    path = resized_manifest(tmp_path / "src", rows)
    folds = {"p0000": "validation", "p0001": "training", "p0002": "validation", "p0003": "training"}
    previous = frozen(tmp_path, folds)
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.loc[0, "image"] = "images/renamed.jpg"
    frame.loc[2, "sha256"] = "another encoder"
    frame.to_csv(path, index=False)
    mirrored = pd.read_csv(path.with_name("mirrored.csv"), dtype=str)
    mirrored.loc[0, "image"] = "images/renamed.jpg"
    mirrored.to_csv(path.with_name("mirrored.csv"), index=False)
    split({"src": path}, tmp_path / "split.csv", share=0, previous=previous)
    found = {stem: fold for (_, stem), fold in fold_of(tmp_path / "split.csv").items()}
    assert found == {
        "renamed": "validation",
        "p0001": "training",
        "p0002": "validation",
        "p0003": "training",
    }


def test_shares_are_met_source_by_source_and_spread(tmp_path, caplog):
    manifests = {
        source: resized_manifest(tmp_path / source, singles(count, seed), source)
        for seed, (source, count) in enumerate({"a": 100, "b": 50, "c": 40, "d": 30}.items())
    }
    with caplog.at_level(logging.INFO, "detectnet"):
        split(
            manifests,
            tmp_path / "split.csv",
            share={"a": 14, "b": 50, "c": 14, "d": 14},
            fixed={"c": "training", "d": "validation"},
        )
    folds = defaultdict(list)
    for (source, _), fold in sorted(fold_of(tmp_path / "split.csv").items()):
        folds[source].append(fold)
    assert [folds[source].count("validation") for source in "abcd"] == [14, 25, 0, 30]
    assert "validation" in folds["a"][14:]  # not the sorted prefix
    assert "14.0 %" in caplog.text
    assert "all validation" in caplog.text


def test_videos_stay_whole(tmp_path):
    rows = {
        stem: (plain, mirrored, f"video{index % 7}")
        for index, (stem, (plain, mirrored, _)) in enumerate(singles(70).items())
    }
    manifests = {"src": resized_manifest(tmp_path / "src", rows)}
    made = split(manifests, tmp_path / "split.csv", share=14)
    assert (made.groupby("group")["fold"].nunique() == 1).all()
    assert made["group"].nunique() == 7
    assert (made["fold"] == "validation").sum() == 10


def test_random_is_nvidias_sorted_prefix_and_counts_the_leak(tmp_path, caplog):
    rows = singles(50)
    rows["p0049"] = rows["p0003"]  # the last, in training, is a copy of one in the prefix
    manifests = {"src": resized_manifest(tmp_path / "src", rows)}
    with caplog.at_level(logging.INFO, "detectnet"):
        split(manifests, tmp_path / "split.csv", share=14, mode="random")
    folds = fold_of(tmp_path / "split.csv")
    assert [stem for (_, stem), fold in sorted(folds.items()) if fold == "validation"] == [
        f"p{index:04d}" for index in range(7)
    ]
    assert "leaks: 1 of 7 validation pictures" in caplog.text


def test_the_percentage_of_random_is_a_float32_as_in_nvidias_spec(tmp_path):
    """1.8 is 1.7999999523 there, and 17 pictures of 1000 are validation; 18 by 1.8 itself."""
    rows = {f"{index:06d}": (index << 20, index << 20, "") for index in range(1000)}
    manifests = {"kitti": resized_manifest(tmp_path / "kitti", rows, "kitti")}
    made = split(manifests, tmp_path / "split.csv", share=1.8, mode="random", threshold=0)
    assert (made["fold"] == "validation").sum() == 17


def test_kittis_7481_pictures_give_nvidias_1047(tmp_path):
    rows = {f"{index:06d}": (index << 20, index << 20, "") for index in range(7481)}
    manifests = {"kitti": resized_manifest(tmp_path / "kitti", rows, "kitti")}
    made = split(manifests, tmp_path / "split.csv", share=14, mode="random", threshold=0)
    assert (made["fold"] == "validation").sum() == 1047
    assert (made["fold"] == "training").sum() == 6434


def test_sequence_deals_the_longest_videos_in_turn(tmp_path):
    lengths = {"e": 9, "b": 6, "d": 6, "a": 3, "c": 1}
    names = [video for video, length in lengths.items() for _ in range(length)]
    rows = {
        f"p{index:04d}": (*pair, video)
        for index, (video, pair) in enumerate(zip(names, far_hashes(len(names)), strict=True))
    }
    made = split(
        {"src": resized_manifest(tmp_path / "src", rows)}, tmp_path / "split.csv", share=14, mode="sequence"
    )
    by_video = dict(zip(names, made["fold"], strict=True))
    # e 9, b 6, d 6, a 3, c 1: e, d, c to the first list, b and a to the second; then the lists are swapped.
    assert by_video == {
        "e": "training",
        "b": "validation",
        "d": "training",
        "a": "validation",
        "c": "training",
    }


def test_same_bytes_whatever_the_order_of_sources(tmp_path):
    manifests = {
        source: resized_manifest(tmp_path / source, singles(20, seed), source)
        for seed, source in enumerate(("a", "b"))
    }
    split(manifests, tmp_path / "one" / "split.csv")
    split(dict(reversed(manifests.items())), tmp_path / "two" / "split.csv")
    for name in ("split.csv", "split_links.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert tuple(rows_of(tmp_path / "one/split.csv")[0]) == COLUMNS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fixed": {"scr": "training"}}, "Did you mean 'src'"),
        ({"fixed": {"src": "test"}}, "training, validation"),
        ({"share": 140}, "0 to 100"),
        ({"share": {}}, "no validation share for the source 'src'"),
        ({"mode": "groupd"}, "Did you mean 'grouped'"),
    ],
)
def test_mistakes_are_named(tmp_path, options, message):
    manifests = {"src": resized_manifest(tmp_path / "src", singles(3))}
    with pytest.raises(UserError, match=message):
        split(manifests, tmp_path / "split.csv", **options)


def test_a_manifest_of_another_source_is_refused(tmp_path):
    path = resized_manifest(tmp_path / "src", singles(3))
    with pytest.raises(UserError, match="holds the source 'src', not 'other'"):
        split({"other": path}, tmp_path / "split.csv")


def test_a_split_with_an_unknown_fold_names_its_line(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("image,source,group,fold\na,s,g,training\nb,s,g,test\n")
    with pytest.raises(UserError, match=r"split\.csv:3.*'test'"):
        read_split(path)
    path.write_text("image,source,fold\n")
    with pytest.raises(UserError, match="'group' is missing"):
        read_split(path)
