"""
Scale and shift under a sigmoid
===============================

*Normalizing the inputs of a sigmoid would constrain them to its linear part*, which is why batch
norm learns a scale and a shift (Ioffe and Szegedy, 2015). Normalized values lie within two
deviations mostly, where a sigmoid answers between 0.1 and 0.9. Do networks without scale and shift
stay there, do networks with them leave, and are they better for it?
"""

# %%
# The measure: three hidden layers of sigmoids, and the share of outputs between 0.1 and 0.9 on the
# test rows.

import matplotlib.pyplot as plt
import numpy as np
from protocol import (
    SEEDS,
    Row,
    Table,
    error,
    estimator,
    fit,
    hidden_outputs,
    judge,
    load,
    over_seeds,
    show,
)

from sknorm.inspection import ActivationDistributionDisplay

ARMS = {
    "scale and shift": {"norm_affine": True},
    "neither": {"norm_affine": False},
    "no norm": {"normalization": None},
}


def measure(table: Table, seed: int) -> dict:
    """Shares of each layer, test losses and models."""
    found = {}
    for name, settings in ARMS.items():
        settings = {"activation": "logistic", "learning_rate_init": 0.01, "max_iter": 30} | settings
        model = fit(estimator(table, seed, hidden_layer_sizes=(32, 32, 32), **settings), table)
        layers = hidden_outputs(model, table.X_test)
        shares = [np.mean((each > 0.1) & (each < 0.9)) for each in layers]
        found[name] = {"model": model, "shares": shares, "loss": error(model, table)}
    return found


def summarize(runs: list[dict]) -> Row:
    """Mean share of the layers."""
    shares = {name: [np.mean(run[name]["shares"]) for run in runs] for name in ARMS}
    gains = [run["neither"]["loss"] / run["scale and shift"]["loss"] for run in runs]
    linear = min(shares["neither"]) > 0.9
    chosen = max(shares["scale and shift"]) < min(shares["neither"])
    names = ("scale and shift", "neither")
    return Row(
        "share of sigmoids between 0.1 and 0.9",
        "; ".join(f"{name} {over_seeds(shares[name], '.0%')}" for name in names),
        over_seeds(shares["no norm"], ".0%"),
        f"near-linear without them: {'holds' if linear else 'fails'}; left with them: "
        f"{'holds' if chosen else 'fails'}; lower test loss with them: {judge(gains)}",
    )


# %%
# The picture: the outputs of each layer, of the first seed.


def draw(table: Table, runs: list[dict]) -> None:
    """One row for each network."""
    _, rows = plt.subplots(3, figsize=(6.4, 7), layout="constrained", facecolor="white")
    for ax, name in zip(rows, ARMS, strict=True):
        model = runs[0][name]["model"]
        ActivationDistributionDisplay.from_estimator(model, table.X_test).plot(ax)
        ax.set_title(f"{name}: {np.mean(runs[0][name]['shares']):.0%} between 0.1 and 0.9")
        ax.axvspan(0.1, 0.9, color="0.5", alpha=0.1, linewidth=0)
        ax.set_xlim(0, 1)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# They stay there, and networks with scale and shift leave. Whether that is better depends on the
# table. :doc:`More tables </claims>`.
