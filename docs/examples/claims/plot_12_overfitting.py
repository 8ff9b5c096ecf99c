"""
Against overfitting
===================

*Early stopping, dropout, noise on the inputs and mixup keep networks from overfitting* (Prechelt,
1998; Srivastava et al., 2014; Bishop, 1995; Zhang et al., 2018). Networks are trained on 300 rows
for far too long, each with one of them, with batch norm and without. How much worse is the loss of
held-out rows at the end than with the remedy, and than at its best epoch?
"""

# %%
# The measure: the test rows are held out, so that the history has their loss after each epoch.

import numpy as np
from protocol import (
    BLUE,
    GREEN,
    GREY,
    PINK,
    SEEDS,
    VERMILLION,
    Row,
    Table,
    axes,
    estimator,
    fit,
    judge,
    load,
    over_seeds,
    show,
)

ROWS, EPOCHS = 300, 100
ARMS = ("batch", None)
REMEDIES = {
    "none": ({}, VERMILLION, "-"),
    "dropout": ({"dropout": 0.3}, BLUE, "--"),
    "noise": ({"input_noise": 0.3}, GREEN, "-."),
    "mixup": ({"mixup_alpha": 0.3}, PINK, ":"),
    "L2": ({"alpha": 0.03}, GREY, (0, (5, 1, 1, 1, 1, 1))),
}


def measure(table: Table, seed: int) -> dict:
    """Held-out loss by epoch, norm and remedy."""
    rows = np.random.default_rng(seed).permutation(len(table.X_train))[:ROWS]
    held_out = np.arange(len(rows) + len(table.X_test)) >= len(rows)
    whole = table._replace(
        X_train=np.concatenate([table.X_train[rows], table.X_test]),
        y_train=np.concatenate([table.y_train[rows], table.y_test]),
    )
    found = {}
    for norm in ARMS:
        for name, (remedy, *_) in REMEDIES.items():
            settings = {"normalization": norm, "max_iter": EPOCHS, "learning_rate_init": 3e-3}
            settings |= {"early_stopping": True, "validation_fraction": held_out} | remedy
            history = fit(estimator(whole, seed, **settings), whole).history_
            found[norm, name] = np.negative(history["validation"])
    return found


def summarize(runs: list[dict]) -> Row:
    """Losses at the end, and what each remedy saves."""
    cells = []
    for norm in ARMS:
        ends = over_seeds([run[norm, "none"][-1] for run in runs])
        best = over_seeds([run[norm, "none"].min() for run in runs])
        cells.append(f"end {ends}, best epoch {best}")
    parts = []
    stop = [run["batch", "none"][-1] / run["batch", "none"].min() for run in runs]
    parts.append(f"early stopping: {judge(stop)}")
    for name in list(REMEDIES)[1:]:
        gains = [run["batch", "none"][-1] / run["batch", name][-1] for run in runs]
        parts.append(f"{name}: {judge(gains)}")
    return Row(
        f"held-out loss after {EPOCHS} epochs, {ROWS} rows at most", *cells, "; ".join(parts)
    )


# %%
# The picture: held-out loss by epoch, mean over the seeds.


def draw(table: Table, runs: list[dict]) -> None:
    """With batch norm on the left, without on the right."""
    _, both = axes(2, sharey=True)
    epochs = np.arange(1, EPOCHS + 1)
    for ax, norm in zip(both, ARMS, strict=True):
        for name, (_, color, style) in REMEDIES.items():
            middle = np.mean([run[norm, name] for run in runs], axis=0)
            ax.plot(epochs, middle, color=color, linestyle=style, label=name)
        ax.set(xscale="log", xlabel="epoch")
        ax.set_title(f"{table.name}, {'batch norm' if norm else 'no norm'}")
    both[0].set(ylabel="held-out loss")
    both[0].legend(frameon=False)


if __name__ == "__main__":
    table = load("diabetes")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# Dropout and early stopping help most. L2 keeps networks without a norm from overfitting, but
# hardly those with it, whose answers do not depend on the length of their weights. :doc:`More
# tables </claims>`.
