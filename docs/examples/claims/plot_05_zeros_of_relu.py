"""
Zeros of ReLU
=============

*Without a shift, half of the outputs of a normalized ReLU are zero by construction; with it, the
network decides.* A unit of mean zero is negative for about half of the rows. How many zeros are
there in each layer after training, and is a network that decides better?
"""

# %%
# The measure: three hidden layers of ReLU, and the share of exact zeros on the test rows.

import numpy as np
from protocol import (
    BLUE,
    GREY,
    SEEDS,
    VERMILLION,
    Row,
    Table,
    axes,
    error,
    estimator,
    fit,
    hidden_outputs,
    judge,
    load,
    over_seeds,
    show,
)

ARMS = {
    "scale and shift": ({"norm_affine": True}, BLUE, "o"),
    "neither": ({"norm_affine": False}, VERMILLION, "s"),
    "no norm": ({"normalization": None}, GREY, "D"),
}


def measure(table: Table, seed: int) -> dict:
    """Zeros of each layer and test losses."""
    found = {}
    for name, (settings, *_) in ARMS.items():
        settings = {"learning_rate_init": 0.01, "max_iter": 30} | settings
        model = fit(estimator(table, seed, hidden_layer_sizes=(32, 32, 32), **settings), table)
        zeros = [np.mean(each == 0) for each in hidden_outputs(model, table.X_test)]
        found[name] = {"zeros": zeros, "loss": error(model, table)}
    return found


def summarize(runs: list[dict]) -> Row:
    """Mean zeros of the layers."""
    zeros = {name: [np.mean(run[name]["zeros"]) for run in runs] for name in ARMS}
    half = max(abs(each - 0.5) for run in runs for each in run["neither"]["zeros"]) < 0.1
    gains = [run["neither"]["loss"] / run["scale and shift"]["loss"] for run in runs]
    names = ("scale and shift", "neither")
    return Row(
        "share of zeros",
        "; ".join(f"{name} {over_seeds(zeros[name], '.0%')}" for name in names),
        over_seeds(zeros["no norm"], ".0%"),
        f"each layer half zeros, to 10 points, without a shift: {'holds' if half else 'fails'}; "
        f"lower test loss with scale and shift: {judge(gains)}",
    )


# %%
# The picture: a point for each seed and layer, and lines through their means.


def draw(table: Table, runs: list[dict]) -> None:
    """Share of zeros by layer."""
    _, ax = axes()
    for shift, (name, (_, color, marker)) in zip((-0.1, 0, 0.1), ARMS.items(), strict=True):
        zeros = np.array([run[name]["zeros"] for run in runs])
        places = np.arange(1, 4) + shift
        ax.plot(places, zeros.T, marker, color=color, alpha=0.5)
        ax.plot(places, zeros.mean(axis=0), color=color, marker=marker, label=name)
    ax.axhline(0.5, color=GREY, linestyle=":")
    ax.set_xticks([1, 2, 3], ["layer 1", "layer 2", "layer 3"])
    ax.set(ylabel="share of zeros", ylim=(0, 1), title=table.name)
    ax.legend(frameon=False, loc="lower left", ncols=3)


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# About half are zeros, but in the third layer there are more: a unit's mean is zero, not its
# median. Scale and shift do not make the network better here. :doc:`More tables </claims>`.
