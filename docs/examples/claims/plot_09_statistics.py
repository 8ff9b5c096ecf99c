"""
Training and inference statistics
=================================

In training, batch norm standardizes by the mean and the variance of a batch; a prediction has no
batch, and needs others. *Running averages stand in for the statistics of the population* (Ioffe and
Szegedy, 2015). The estimators know three: ``running`` (an exponential average over batches),
``cumulative`` (the plain average over the last epoch), and ``population`` (the exact statistics of
the training rows under the final weights). Do they differ, and does that depend on the batch size?
"""

# %%
# The measure. The same seed trains the same weights under all three, so that they differ in nothing
# else.

import numpy as np
from protocol import (
    BLUE,
    GREEN,
    GREY,
    SEEDS,
    VERMILLION,
    Row,
    Table,
    axes,
    band,
    error,
    estimator,
    fit,
    judge,
    load,
    mark_sizes,
    show,
)

BATCHES = (4, 16, 64, 256, 1024)
KINDS = ("running", "cumulative", "population")


def measure(table: Table, seed: int) -> dict:
    """Test loss for each batch size under each of the statistics, and without a norm."""
    losses = {}
    for kind in (*KINDS, None):
        settings = {"norm_statistics": kind} if kind else {"normalization": None}
        settings |= {"learning_rate_init": 3e-3, "max_iter": 10}
        models = (estimator(table, seed, batch_size=size, **settings) for size in BATCHES)
        losses[kind] = np.array([error(fit(each, table), table) for each in models])
    return losses


def summarize(runs: list[dict]) -> Row:
    """Test losses of the smallest and of the largest batch."""
    cells, parts = {}, []
    for kind in (*KINDS, None):
        smallest, largest = np.mean([run[kind][[0, -1]] for run in runs], axis=0)
        cells[kind] = f"{smallest:.3g}, {largest:.3g}"
    for place in (0, -1):
        gains = [run["running"][place] / run["population"][place] for run in runs]
        parts.append(f"batches of {BATCHES[place]}: {judge(gains)}")
    return Row(
        "test loss, batches of 4 and 1024",
        "; ".join(f"{kind} {cells[kind]}" for kind in KINDS),
        cells[None],
        "exact statistics better than running ones, " + "; ".join(parts),
    )


# %%
# The picture: test loss on the left, and on the right beside that under population statistics.


def draw(table: Table, runs: list[dict]) -> None:
    """A line for each of the statistics."""
    _, (left, right) = axes(2)
    for kind, color, style in (
        ("running", BLUE, "-o"),
        ("cumulative", GREEN, "--s"),
        ("population", VERMILLION, ":^"),
        (None, GREY, "-."),
    ):
        band(left, BATCHES, [run[kind] for run in runs], color, kind or "no norm", style)
        if kind:
            ratios = [run[kind] / run["population"] for run in runs]
            band(right, BATCHES, ratios, color, kind, style)
    for ax in (left, right):
        mark_sizes(ax, BATCHES)
        ax.set_title(table.name)
    left.set(ylabel="test loss")
    right.set(ylabel="ratio to population statistics")
    left.legend(frameon=False)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# They hardly differ here. Running averages are a little worse where batches are very small, and
# where there are few of them in a training. :doc:`More tables </claims>`.
