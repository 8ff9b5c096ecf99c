"""
Larger learning rates
=====================

*Batch normalization allows much larger learning rates* (Ioffe and Szegedy, 2015). Networks of two
hidden layers are trained by gradient descent with momentum at rates from 0.001 to 100, with the
norm and without. A rate still trains if the loss of the training rows ends nearer to the best one
than to that of a constant answer.
"""

# %%
# The measure. ``protocol.py``, beside this file, holds what the examples on claims share.

import numpy as np
from protocol import (
    BLUE,
    GREY,
    SEEDS,
    VERMILLION,
    Row,
    Table,
    axes,
    band,
    constant_loss,
    estimator,
    fit,
    judge,
    load,
    loss,
    over_ratios,
    show,
    trains,
)

RATES = np.logspace(-3, 2, 16)
ARMS = ("batch", None)


def measure(table: Table, seed: int) -> dict:
    """Training loss at each rate, and the largest rate that trains."""
    losses = {}
    for norm in ARMS:
        settings = {"normalization": norm, "solver": "sgd"}
        models = (estimator(table, seed, learning_rate_init=rate, **settings) for rate in RATES)
        losses[norm] = [loss(fit(each, table), table.X_train, table.y_train) for each in models]
    best = min(map(min, losses.values()))
    rates = {norm: RATES[trains(losses[norm], table, best)].max() for norm in ARMS}
    return {"losses": losses, "rates": rates, "best": best}


def summarize(runs: list[dict]) -> Row:
    """The largest rates over the seeds."""
    with_norm, without = ([run["rates"][norm] for run in runs] for norm in ARMS)
    return Row(
        "largest learning rate that still trains",
        over_ratios(with_norm),
        over_ratios(without),
        judge(np.divide(with_norm, without)),
    )


# %%
# The picture: lines are means over the seeds, and bands reach from the smallest to the largest
# loss. A line ends where a network has diverged.


def draw(table: Table, runs: list[dict]) -> None:
    """Loss over the learning rate."""
    _, ax = axes()
    for norm, color, label, style in (
        ("batch", BLUE, "batch norm", "-o"),
        (None, VERMILLION, "no norm", "--s"),
    ):
        band(ax, RATES, [run["losses"][norm] for run in runs], color, label, style)
        ax.axvline(np.mean([run["rates"][norm] for run in runs]), color=color, linestyle=":")
    ax.axhline(constant_loss(table), color=GREY, linewidth=1, label="constant answer")
    ax.set(xscale="log", ylim=(0, 2 * constant_loss(table)))
    ax.set(xlabel="learning rate", ylabel="loss of the training rows", title=table.name)
    ax.legend(frameon=False)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# It holds here, and on all tables with classes that were tried. On tables with numeric targets it
# is the other way round. :doc:`More tables </claims>`.
