"""
Any initial scale
=================

*Training is less sensitive to the scale of the initial weights* (Ioffe and Szegedy, 2015), because
batch norm gives the same answer for weights of a thousand times the size. All initial weights of a
network are multiplied by factors from 0.001 to 1,000. With which of them does it still train?
"""

# %%
# The measure. Estimators draw their initial weights themselves, so the networks of this example are
# written in NumPy: ``networks.py``, beside this file, makes them of
# :func:`~sknorm.functional.batch_norm` and its gradients. They have three hidden layers of ReLU.

import numpy as np
from networks import Network, targets
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
    judge,
    load,
    over_seeds,
    show,
    trains,
)

SCALES = np.logspace(-3, 3, 13)  # two a decade
RATES = (0.01, 0.1)
ARMS = ("batch", None)


def measure(table: Table, seed: int) -> dict:
    """Training loss for each scale, at the better of two rates, and the decades that train."""
    losses = {norm: [_loss(table, seed, norm, scale) for scale in SCALES] for norm in ARMS}
    best = min(map(min, losses.values()))
    decades = {norm: 0.5 * trains(losses[norm], table, best).sum() for norm in ARMS}
    return {"losses": losses, "decades": decades}


def _loss(table: Table, seed: int, norm: str | None, scale: float) -> float:
    Y = targets(table.y_train, table.n_classes)
    found = []
    for rate in RATES:
        sizes = [table.X_train.shape[1], 32, 32, 32, Y.shape[1]]
        network = Network(sizes, norm, "relu", seed, scale)
        network.train(table.X_train, Y, rate, epochs=5, batch=64)
        found.append(network.loss(table.X_train, Y))
    return min(found)


def summarize(runs: list[dict]) -> Row:
    """Decades of scales that train."""
    with_norm, without = ([run["decades"][norm] for run in runs] for norm in ARMS)
    return Row(
        f"decades of initial scales that train, of {len(SCALES) / 2}",
        over_seeds(with_norm),
        over_seeds(without),
        judge(np.divide(with_norm, np.maximum(without, 0.25))),
    )


# %%
# The picture: lines are means over the seeds, and bands reach from the smallest to the largest.


def draw(table: Table, runs: list[dict]) -> None:
    """Loss over the factor of the initial weights."""
    _, ax = axes()
    band(ax, SCALES, [run["losses"]["batch"] for run in runs], BLUE, "batch norm")
    band(ax, SCALES, [run["losses"][None] for run in runs], VERMILLION, "no norm", "--s")
    ax.axhline(constant_loss(table), color=GREY, linewidth=1, label="constant answer")
    ax.set(xscale="log", ylim=(0, 2 * constant_loss(table)), title=table.name)
    ax.set(xlabel="factor of all initial weights", ylabel="loss of the training rows")
    ax.legend(frameon=False)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# It holds, on all tables that were tried, most of all for small weights. Large ones make every
# step small beside them: the norm keeps their answer, and they hardly learn. :doc:`More tables
# </claims>`.
