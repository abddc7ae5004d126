"""What a split came to: a table for the screen, and the look-alikes that cost a picture its fold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from detectnet.data.folds import EXCLUDED, TRAINING, VALIDATION
from detectnet.logs import log

LINK_COLUMNS = ("source", "image", "fold", "linked_source", "linked_image", "linked_fold", "by", "bits")


def link_table(made: pd.DataFrame, links: pd.DataFrame, group: np.ndarray, old: np.ndarray) -> pd.DataFrame:
    """The links within groups that hold pictures settled for training and for validation, and a warning.

    Args:
        made: columns image, source, fold; one row a picture.
        links: columns i and j (rows of ``made``), by, bits.
        group: int (N,), number of each picture's group, all links counted.
        old: the fold that each picture had to keep, "" for none.
    """
    count = group.max(initial=-1) + 1
    torn = np.ones(count, dtype=bool)
    for fold in (TRAINING, VALIDATION):
        torn &= np.bincount(group[old == fold], minlength=count) > 0
    edges = links[torn[group[links["i"].to_numpy(dtype=np.int64)]]] if count else links
    left = made.iloc[edges["i"]].reset_index(drop=True)
    right = made.iloc[edges["j"]].reset_index(drop=True).add_prefix("linked_")
    table = pd.concat([left, right, edges[["by", "bits"]].reset_index(drop=True)], axis=1)
    table["bits"] = table["bits"].astype(str).replace("-1", "")
    left_out = old[(made["fold"] == EXCLUDED).to_numpy()]
    if len(table):
        log.warning(
            "%d groups join pictures whose fold is settled, by an old list or for the whole source, and not "
            "the same; %d validation pictures leave the evaluation and %d training pictures the training, "
            "their links are in split_links.csv",
            int(torn.sum()),
            *(int((left_out == fold).sum()) for fold in (VALIDATION, TRAINING)),
        )
    return table[list(LINK_COLUMNS)].sort_values(list(LINK_COLUMNS))


def say(
    made: pd.DataFrame, boxes: pd.Series, shares: Mapping[str, float], fixed: Mapping[str, str], mode: str
) -> None:
    """Log what every source got, and how much of it leaks.

    Args:
        made: the rows of ``split.csv``.
        boxes: objects of each picture, under the same index.
        shares: source -> percent wanted for validation.
        fixed: source -> fold of all its pictures.
        mode: of the split.
    """
    rows = []
    for source, part in made.groupby("source"):
        evaluated = int((part["fold"] != EXCLUDED).sum())
        validation = int((part["fold"] == VALIDATION).sum())
        wanted = f"all {fixed[source]}" if source in fixed else f"{shares[source]:.1f} %"
        rows.append(
            {
                "source": source,
                "pictures": len(part),
                "plates": int(boxes[part.index].sum()),
                "groups": part["group"].nunique(),
                "validation": validation,
                "excluded": len(part) - evaluated,
                "wanted": "videos dealt" if mode == "sequence" and source not in fixed else wanted,
                "got": f"{100 * validation / max(evaluated, 1):.1f} %",
            }
        )
    log.info("%s", pd.DataFrame(rows).to_string(index=False))
    largest = made["group"].value_counts()
    log.info("%d groups, the largest holds %d pictures", len(largest), int(largest.iloc[0]))
    _warn_of_leaks(made)


def _warn_of_leaks(made: pd.DataFrame) -> None:
    used = made[made["fold"] != EXCLUDED]
    torn = used.groupby("group")["fold"].transform("nunique") > 1
    leaking = used[torn & (used["fold"] == VALIDATION)]
    if len(leaking):
        log.warning(
            "this split leaks: %d of %d validation pictures have a near-duplicate or a frame of their video "
            "in training (%d groups); partition_mode 'grouped' would not",
            len(leaking),
            int((used["fold"] == VALIDATION).sum()),
            leaking["group"].nunique(),
        )
