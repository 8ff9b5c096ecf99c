"""
Activations
===========

*Activations that are not centred at zero make gradient descent zig-zag*, because all weights of a
unit must then move the same way (LeCun et al., 1998, Efficient backprop); *ReLU units die*, and
answer zero for all rows. Batch norm subtracts the mean of what enters a unit, and with it this
common part of the gradient. Does the choice of the activation matter less with it?
"""

# %%
# The measure: test loss after ten epochs of Adam; idle hidden units, which answer the same for all
# test rows; and, in networks in NumPy (``networks.py``), how far the gradients of a unit's weights
# agree in sign: 1 where all go the same way, and about 0.14 where signs are random (32 weights).

import numpy as np
from networks import Network, targets
from protocol import (
    BLUE,
    SEEDS,
    VERMILLION,
    Row,
    Table,
    axes,
    error,
    estimator,
    fit,
    judge,
    load,
    over_seeds,
    show,
)

from sknorm.inspection import ActivationDistributionDisplay

ACTIVATIONS = ("logistic", "tanh", "relu", "leaky_relu", "elu", "mish")
PLAIN = ("logistic", "tanh", "relu", "leaky_relu")
ARMS = ("batch", None)


def measure(table: Table, seed: int) -> dict:
    """Losses, shares of idle units, and agreement of signs, by norm and activation."""
    found = {}
    for norm in ARMS:
        for name in ACTIVATIONS:
            settings = {"normalization": norm, "activation": name, "learning_rate_init": 0.01}
            model = fit(estimator(table, seed, max_iter=10, **settings), table)
            display = ActivationDistributionDisplay.from_estimator(model, table.X_test)
            found[norm, name] = {"loss": error(model, table), "idle": display.idle.mean()}
            if name in PLAIN:
                found[norm, name]["agreement"] = _agreement(table, seed, norm, name)
    return found


def _agreement(table: Table, seed: int, norm: str | None, activation: str) -> float:
    """Mean over 50 steps of how far the signs of a second-layer unit's gradients agree."""
    Y, rng = targets(table.y_train, table.n_classes), np.random.default_rng(seed)
    sizes = [table.X_train.shape[1], 32, 32, Y.shape[1]]
    network, agreements = Network(sizes, norm, activation, seed), []
    for _ in range(50):
        rows = rng.choice(len(Y), 32, replace=False)
        slopes = network.gradients(table.X_train[rows], Y[rows])[1]
        agreements.append(np.abs(np.sign(slopes[3]).mean(axis=0)).mean())
        network.step(slopes, 0.05)
    return float(np.mean(agreements))


def summarize(runs: list[dict]) -> Row:
    """Spread of the losses over the activations, agreement of sigmoids, idle units of ReLU."""

    def over(norm: str | None, name: str, what: str) -> list[float]:
        return [run[norm, name][what] for run in runs]

    spreads = {
        norm: [_spread([run[norm, name]["loss"] for name in ACTIVATIONS]) for run in runs]
        for norm in ARMS
    }
    cells = [
        f"{over_seeds(over(norm, 'logistic', 'agreement'), '.2f')}; "
        f"{over_seeds(over(norm, 'relu', 'idle'), '.0%')}; {over_seeds(spreads[norm], '.2f')}"
        for norm in ARMS
    ]
    zigzag = np.divide(*(over(norm, "logistic", "agreement") for norm in (None, "batch")))
    idle = [np.mean(over(norm, "relu", "idle")) for norm in ARMS]
    died = (
        "no ReLU dies either way" if max(idle) == 0 else f"idle ReLU {idle[0]:.1%}, {idle[1]:.1%}"
    )
    matters = judge(np.divide(spreads[None], spreads["batch"]))
    return Row(
        "agreement of signs (logistic); idle units (ReLU); worst loss over best",
        *cells,
        f"less zig-zag: {judge(zigzag)}; {died}; choice matters less: {matters}",
    )


def _spread(losses: list[float]) -> float:
    return max(losses) / min(losses)


# %%
# The picture: test losses on the left, agreement of signs on the right.


def draw(table: Table, runs: list[dict]) -> None:
    """A point for each seed, and a bar through their mean."""
    _, (left, right) = axes(2, height=3.8)
    parts = ((left, "loss", ACTIVATIONS), (right, "agreement", PLAIN))
    for ax, what, names in parts:
        for norm, color, marker, shift in (
            ("batch", BLUE, "o", -0.15),
            (None, VERMILLION, "s", 0.15),
        ):
            for row, name in enumerate(names):
                values = [run[norm, name][what] for run in runs]
                ax.plot(values, [row + shift] * len(values), marker, color=color, alpha=0.5)
                ax.plot(
                    [np.mean(values)] * 2, [row + shift - 0.13, row + shift + 0.13], color=color
                )
            ax.plot([], [], marker, color=color, label="batch norm" if norm else "no norm")
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
    left.set(xlabel="test loss", title=table.name, xscale="log")
    right.set(xlabel="agreement of signs", title=table.name, xlim=(0, 1))
    right.legend(frameon=False)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# Batch norm takes the common sign away, and no unit is idle with it. The choice of the activation
# still matters about as much. :doc:`More tables </claims>`.
