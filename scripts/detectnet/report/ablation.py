"""Which change of a training helps: the variants of an ablation against their baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from detectnet.errors import UserError
from detectnet.files import PathLike, read_json, write_csv, write_text
from detectnet.logs import log
from detectnet.report.figures import figure
from detectnet.variants import BASELINE

GAIN, LOSS, NO_EFFECT = "gain", "loss", "no effect"
COLOURS = {GAIN: "#2a9d63", LOSS: "#c0392b", NO_EFFECT: "#808080", "": "#3b6ea5"}
MEASURES = ("AP", "AP70", "AP_all_sizes")
"""Of metrics.json: correct AP at IoU 0.5 and 0.7, and at 0.5 with the narrowest plates as well."""
PAGE = """# One change at a time

The baseline `{spec}` and every change, trained once with each of the seeds {seeds}. AP is that of the
validation fold, and the mean over the seeds. The *spread* is the distance between the seeds, of the baseline
or of the change, whichever is larger: a difference to the baseline within it is no effect.

{table}

AP (IoU 0.5) and AP70 (0.7) leave objects narrower than the spec's `minimum_width_neutral` out, AP_all_sizes
(0.5) has them all. `cpu_minutes` are those of one training, its input and validation included.
"""


def write_ablation(ablation: dict[str, Any], folder: PathLike) -> None:
    """Compare the trained variants; write ``ablation.csv``, ``ablation.md`` and ``ablation.svg``.

    Args:
        ablation: of a complete config: ``spec``, ``seeds``, ``changes``.
        folder: holds ``{variant}/seed-{seed}/`` with ``provenance.json`` and ``evaluation/metrics.json``;
            the three files are written into it.

    Raises:
        UserError: a file is missing, or no ground truth counted.
    """
    names = [BASELINE, *sorted(ablation["changes"])]
    trained = pd.DataFrame(
        [read_trained(Path(folder), name, seed) for name in names for seed in ablation["seeds"]]
    )
    table = compared(trained)
    changes = table.variant.map(lambda name: _change(ablation["changes"].get(name)))
    table.insert(1, "change", changes.map("; ".join))
    write_csv(Path(folder, "ablation.csv"), table.round(dict.fromkeys(table.select_dtypes("number"), 4)))
    write_text(Path(folder, "ablation.svg"), _drawn(table) + "\n")
    write_text(Path(folder, "ablation.md"), _page(ablation, table, changes))
    log.info("%s", table.drop(columns="change").to_string(index=False, float_format="{:.4f}".format))


def read_trained(folder: Path, variant: str, seed: int) -> dict[str, Any]:
    """What one training left behind: variant, seed, steps, cpu_minutes and MEASURES (fractions 0..1).

    Raises:
        UserError: a file is missing, or no ground truth counted.
    """
    place = folder / variant / f"seed-{seed}"
    provenance = read_json(place / "provenance.json")
    measured = _measures(read_json(place / "evaluation" / "metrics.json"))
    if None in measured:
        raise UserError("no AP: no ground truth of the validation fold counts", where=place / "evaluation")
    return {
        "variant": variant,
        "seed": seed,
        "steps": provenance["steps"],
        "cpu_minutes": provenance["cpu_seconds"] / 60,
        **dict(zip(MEASURES, measured, strict=True)),
    }


def compared(trained: pd.DataFrame) -> pd.DataFrame:
    """The variants against the baseline.

    Args:
        trained: one row a training: ``read_trained``.

    Returns:
        one row a variant, the baseline first, then from gain to loss: means over the seeds; ``AP_seed_N``;
        ``difference`` of AP to the baseline; ``spread``, the largest AP less the smallest, of the baseline's
        seeds or the variant's, whichever is more; ``verdict``: no effect where the difference is within it.
    """
    means = trained.groupby("variant")[["steps", "cpu_minutes", *MEASURES]].mean()
    by_seed = trained.pivot(index="variant", columns="seed", values="AP")
    spread = by_seed.max(axis=1) - by_seed.min(axis=1)
    difference = means.AP - means.AP[BASELINE]
    table = means.join(by_seed.add_prefix("AP_seed_")).assign(
        steps=means.steps.round().astype(int),
        difference=difference,
        spread=spread.clip(lower=spread[BASELINE]),
    )
    table["verdict"] = [_verdict(*one) for one in zip(table.difference, table.spread, strict=True)]
    table.loc[BASELINE, "verdict"] = ""
    changes = table.drop(BASELINE).sort_values(["difference", "variant"], ascending=[False, True])
    seeds = [f"AP_seed_{seed}" for seed in by_seed]
    columns = ["steps", "cpu_minutes", *seeds, "AP", "difference", "spread", "verdict", *MEASURES[1:]]
    return pd.concat([table.loc[[BASELINE]], changes])[columns].reset_index()


def _measures(metrics: dict[str, Any]) -> list[float | None]:
    deployed = metrics["deployed"]
    rows = {
        row["iou"]: row["mAP"]
        for row in metrics["results"]
        if (row["clustering"], row["ap"]) == (deployed["clustering"], deployed["ap"])
        and not isinstance(row["iou"], dict)
    }
    return [rows[0.5], rows[0.7], metrics["all_sizes"]["mAP"]]


def _verdict(difference: float, spread: float) -> str:
    if abs(difference) <= spread:
        return NO_EFFECT
    return GAIN if difference > 0 else LOSS


def _change(change: dict[str, list[str]] | None) -> list[str]:
    return [] if change is None else [*change["fields"], *(f"source {one}" for one in change["sources"])]


def _page(ablation: dict[str, Any], table: pd.DataFrame, changes: pd.Series) -> str:
    shown = table.assign(change=changes.map(_cell))
    for name in shown.select_dtypes("float"):
        form = {"cpu_minutes": "{:.1f}", "difference": "{:+.3f}"}.get(name, "{:.3f}")
        shown[name] = shown[name].map(form.format)
    shown.loc[0, "difference"] = ""
    rows = [list(shown), ["---"] * len(shown.columns), *shown.astype(str).to_numpy().tolist()]
    return PAGE.format(
        spec=ablation["spec"],
        seeds=", ".join(map(str, ablation["seeds"])),
        table="\n".join(f"| {' | '.join(row)} |" for row in rows),
    )


def _cell(lines: list[str]) -> str:
    return "<br>".join(f"`{line}`".replace("|", "\\|") for line in lines)


def _drawn(table: pd.DataFrame) -> str:
    """AP of every seed (dots) and their mean (line), the baseline's seeds as a band behind all."""

    def draw(axes: Axes) -> None:
        seeds = table.filter(regex="^AP_seed_")
        axes.axvspan(seeds.iloc[0].min(), seeds.iloc[0].max(), color=COLOURS[""], alpha=0.15, linewidth=0)
        for place, (_, row) in enumerate(table.iterrows()):
            colour = COLOURS[row.verdict]
            axes.plot(seeds.iloc[place], [place] * seeds.shape[1], "o", color=colour, markersize=4)
            axes.plot([row.AP] * 2, [place - 0.3, place + 0.3], color=colour)
        axes.set_yticks(range(len(table)), table.variant)
        axes.invert_yaxis()
        axes.set(xlabel="AP at IoU 0.5, validation fold")

    return figure(draw, width=6.0, height=0.8 + 0.3 * len(table))
