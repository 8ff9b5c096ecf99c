"""
Norms inside the default recipe
===============================

The other examples switch everything off but the norm. Does the norm still matter inside the
defaults, with their dropout, embeddings of numbers, schedule and early stopping? One network
(``n_members=1``) is trained under the defaults with batch norm, layer norm and none, on up to 700
rows of scikit-learn's tables. The same was measured on 19 development tables of up to 10,000 rows,
there with ghost batch norm too: :doc:`the figures </claims>`.
"""

# %%
# The measure: one less the area under the ROC curve for two classes, the log loss for more, and the
# root mean square error, over the deviation of the target, for numbers. 0.01 is added to each, so
# that tables with nearly no errors do not decide.

import json

import numpy as np
from protocol import (
    BLUE,
    GREY,
    RESULTS,
    SEEDS,
    VERMILLION,
    Row,
    Table,
    axes,
    error,
    fit,
    judge,
    load,
    over_seeds,
    show,
)
from scipy.stats import gmean
from sklearn.metrics import roc_auc_score

from sknorm import MLPClassifier, MLPRegressor

ARMS = ("batch", "layer", None)
NAMES = ("breast_cancer", "diabetes", "digits", "wine")
RECORDED = RESULTS / "norms.json"


def measure(table: Table, seed: int) -> dict:
    """Errors on the test rows by norm."""
    kind = MLPClassifier if table.n_classes else MLPRegressor
    found = {"table": table.name}
    for norm in ARMS:
        model = fit(kind(n_members=1, normalization=norm, random_state=seed), table)
        if table.n_classes == 2:
            scores = model.predict_proba(table.X_test)[:, 1]
            found[norm] = 1.01 - roc_auc_score(table.y_test, scores)
        else:
            power = 1.0 if table.n_classes else 0.5
            found[norm] = 0.01 + error(model, table) ** power
    return found


def summarize(runs: list[dict]) -> Row:
    """Errors with batch norm and without, and of layer norm beside it."""
    layer, none = ([run[norm] / run["batch"] for run in runs] for norm in ARMS[1:])
    return Row(
        "error under the defaults, one network",
        over_seeds([run["batch"] - 0.01 for run in runs], ".3f"),
        over_seeds([run[None] - 0.01 for run in runs], ".3f"),
        f"{judge(none)}; layer norm's errors over batch norm's: {gmean(layer):.3f}",
    )


def recorded() -> dict:
    """Ratios of the recorded errors to batch norm's, by norm."""
    rows = json.loads(RECORDED.read_text(encoding="utf-8"))["rows"]
    errors = np.array([row[2:] for row in rows], dtype=np.float64) + 0.01
    return dict(zip(("batch", "ghost", "layer", None), (errors / errors[:, :1]).T, strict=True))


# %%
# The picture: a point for each table, left of the line where the norm is better than batch norm;
# the bar is the geometric mean.


def draw(runs: list[dict]) -> None:
    """Ratios of the recorded tables, and of those of this run."""
    names = [run["table"] for run in runs]
    own = {
        norm: [
            gmean([run[norm] / run["batch"] for run in runs if run["table"] == name])
            for name in dict.fromkeys(names)
        ]
        for norm in ARMS
    }
    _, ax = axes(height=3.2)
    groups = [("scikit-learn's tables", own, VERMILLION, "s", 0.15)]
    if RECORDED.exists():
        groups.append(("19 development tables", recorded(), BLUE, "o", -0.15))
    for label, ratios, color, marker, shift in groups:
        for row, norm in enumerate(("ghost", "layer", None)):
            if norm not in ratios:
                continue
            place = row + shift
            ax.plot(ratios[norm], [place] * len(ratios[norm]), marker, color=color, alpha=0.5)
            ax.plot([gmean(ratios[norm])] * 2, [place - 0.13, place + 0.13], color=color, lw=3)
        ax.plot([], [], marker, color=color, label=label)
    ax.axvline(1.0, color=GREY, linestyle=":")
    ax.set_yticks(range(3), ["ghost batch norm", "layer norm", "no norm"])
    ax.set(xscale="log", xlabel="error, that of batch norm = 1", ylim=(2.6, -0.6))
    ticks = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.tick_params(axis="x", which="minor", labelbottom=False)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.14), ncols=2)


if __name__ == "__main__":
    runs = []
    for name in NAMES:
        table = load(name, rows=700)
        own = [measure(table, seed) for seed in SEEDS]
        print(f"\n{name}")
        show(summarize(own))
        runs += own
    draw(runs)

# %%
# Little is left of the norm inside the defaults: a few percent on average, clear on digits, and
# the other way round on wine, whose training has 133 rows.
