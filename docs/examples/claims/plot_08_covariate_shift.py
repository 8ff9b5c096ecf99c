"""
Covariate shift, or smoothness?
===============================

*Batch norm reduces internal covariate shift*: the inputs of a layer change less while the layers
before it train (Ioffe and Szegedy, 2015). *No, it makes the loss smoother*: gradients predict
better what lies ahead along the step (Santurkar et al., 2018, How does batch normalization help
optimization?). Both can be measured.
"""

# %%
# The measure, on networks in NumPy (``networks.py``) at one learning rate. Drift: by how many
# deviations the mean inputs of the output layer move in a step, on the same rows. Smoothness: by
# how much of its length the gradient changes along the step, at most, up to four times the step
# (the smaller, the more it predicts).

import copy

import numpy as np
from networks import Network, targets
from protocol import BLUE, SEEDS, VERMILLION, Row, Table, axes, band, judge, load, over_seeds, show

RATE, STEPS, EVERY, BATCH = 0.1, 120, 4, 64
AHEAD = (0.5, 1.0, 2.0, 4.0)
ARMS = ("batch", None)


def measure(table: Table, seed: int) -> dict:
    """Drift and change of the gradient along the training."""
    Y = targets(table.y_train, table.n_classes)
    sizes = [table.X_train.shape[1], 32, 32, 32, Y.shape[1]]
    found = {}
    for norm in ARMS:
        network, rng = Network(sizes, norm, "relu", seed), np.random.default_rng(seed)
        drifts, changes = [], []
        for step in range(STEPS):
            rows = rng.choice(len(table.X_train), min(BATCH, len(table.X_train)), replace=False)
            X, own = table.X_train[rows], Y[rows]
            slopes = network.gradients(X, own)[1]
            if step % EVERY == 0:
                changes.append(max(_change(network, X, own, slopes, t) for t in AHEAD))
                before = network.forward(X)[1][-1][0]
            network.step(slopes, RATE, momentum=0.0)
            if step % EVERY == 0:
                drifts.append(_drift(before, network.forward(X)[1][-1][0]))
        found[norm] = {"drift": np.array(drifts), "change": np.array(changes)}
    return found


def _change(network: Network, X: np.ndarray, Y: np.ndarray, slopes: list, times: float) -> float:
    """Length of the difference of two gradients, over that of the first."""
    moved = copy.deepcopy(network)
    moved.step(slopes, RATE * times, momentum=0.0)
    ahead = np.concatenate([each.ravel() for each in moved.gradients(X, Y)[1]])
    here = np.concatenate([each.ravel() for each in slopes])
    return float(np.linalg.norm(ahead - here) / np.linalg.norm(here))


def _drift(before: np.ndarray, after: np.ndarray) -> float:
    """Distance of the units' means, in deviations of the units."""
    return float(
        np.linalg.norm(after.mean(axis=0) - before.mean(axis=0))
        / np.sqrt(before.var(axis=0).sum() + 1e-12)
    )


def summarize(runs: list[dict]) -> Row:
    """Means over the training."""
    means = {
        what: {norm: [np.mean(run[norm][what]) for run in runs] for norm in ARMS}
        for what in ("drift", "change")
    }
    cells = [
        f"{over_seeds(means['drift'][norm])}; {over_seeds(means['change'][norm])}" for norm in ARMS
    ]
    verdicts = [judge(np.divide(own[None], own["batch"])) for own in means.values()]
    return Row(
        "drift of the last layer's inputs; change of the gradient along a step",
        *cells,
        f"less drift: {verdicts[0]}; smoother: {verdicts[1]}",
    )


# %%
# The picture: both along the training.


def draw(table: Table, runs: list[dict]) -> None:
    """Drift on the left, the gradient's change on the right."""
    _, both = axes(2)
    steps = np.arange(0, STEPS, EVERY)
    names = ("drift of the inputs, deviations", "change of the gradient")
    for ax, what, name in zip(both, ("drift", "change"), names, strict=True):
        band(ax, steps, [run["batch"][what] for run in runs], BLUE, "batch norm", "-")
        band(ax, steps, [run[None][what] for run in runs], VERMILLION, "no norm", "--")
        ax.set(xlabel="step", ylabel=name, title=table.name, yscale="log")
    both[1].legend(frameon=False)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# Both are true here: inputs drift less, and gradients predict better. :doc:`More tables
# </claims>`.
