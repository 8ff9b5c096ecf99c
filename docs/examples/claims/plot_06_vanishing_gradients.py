"""
Vanishing gradients
===================

*Batch norm lets networks with saturating activations be trained* (Ioffe and Szegedy, 2015).
Gradients shrink from layer to layer on their way back through sigmoids. Networks of ten hidden
layers of sigmoids and of tanh tell how much they do, before training, with and without the norm;
and what they have learned after it.
"""

# %%
# The measure, on networks in NumPy (``networks.py``) with Glorot's initial weights: the root mean
# square of each layer's gradient on all training rows, and the loss after eight epochs of
# gradient descent at the better of two rates.

import numpy as np
from networks import Network, targets
from protocol import (
    BLUE,
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
)

DEPTH, WIDTH = 10, 32
ARMS = ("batch", None)
ACTIVATIONS = ("logistic", "tanh")


def measure(table: Table, seed: int) -> dict:
    """Gradients by layer, and the training loss over that of a constant answer."""
    Y = targets(table.y_train, table.n_classes)
    sizes = [table.X_train.shape[1], *[WIDTH] * DEPTH, Y.shape[1]]
    found = {}
    for activation in ACTIVATIONS:
        for norm in ARMS:
            network = Network(sizes, norm, activation, seed)
            slopes = network.gradients(table.X_train, Y)[1][::3]
            losses = []
            for rate in (0.01, 0.1):
                trained = Network(sizes, norm, activation, seed)
                trained.train(table.X_train, Y, rate, epochs=8, batch=64)
                losses.append(trained.loss(table.X_train, Y))
            found[activation, norm] = {
                "gradients": np.array([np.sqrt(np.mean(each**2)) for each in slopes]),
                "loss": min(losses) / constant_loss(table),
            }
    return found


def summarize(runs: list[dict]) -> Row:
    """Orders of magnitude between the first hidden layer and the last, and losses."""
    cells, verdicts, vanish = {}, [], {}
    for norm in ARMS:
        parts = []
        for activation in ACTIVATIONS:
            own = [run[activation, norm] for run in runs]
            orders = [np.log10(each["gradients"][0] / each["gradients"][-2]) for each in own]
            vanish[activation] = max(orders) < -1  # without, the last of the arms
            losses = [each["loss"] for each in own]
            parts.append(f"{activation} {over_seeds(orders, '.1f')}, loss {over_seeds(losses)}")
        cells[norm] = "; ".join(parts)
    for activation in ACTIVATIONS:
        gains = [run[activation, None]["loss"] / run[activation, "batch"]["loss"] for run in runs]
        vanishes = "vanishes" if vanish[activation] else "does not vanish"
        verdicts.append(f"{activation} {vanishes} without; trains better with: {judge(gains)}")
    return Row(
        "orders of magnitude of the first layer's gradient over the tenth's; loss, constant = 1",
        cells["batch"],
        cells[None],
        "; ".join(verdicts),
    )


# %%
# The picture: gradients of each layer's weights before training.


def draw(table: Table, runs: list[dict]) -> None:
    """Sigmoids on the left, tanh on the right."""
    _, both = axes(2, sharey=True)
    layers = np.arange(1, DEPTH + 2)
    for ax, activation in zip(both, ACTIVATIONS, strict=True):
        for norm, color, label, style in (
            ("batch", BLUE, "batch norm", "-o"),
            (None, VERMILLION, "no norm", "--s"),
        ):
            lines = [run[activation, norm]["gradients"] for run in runs]
            band(ax, layers, lines, color, label, style)
        ax.set(yscale="log", xlabel="layer", title=f"{table.name}, {activation}")
    both[0].set(ylabel="gradient, root mean square")
    both[1].legend(frameon=False)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# Sigmoids lose five orders of magnitude in ten layers, and learn nothing without the norm.
# Gradients through tanh do not vanish from these initial weights; the norm helps all the same.
# :doc:`More tables </claims>`.
