"""
L1 selects, L2 shrinks
======================

*The L1 norm sets weights to exactly zero, the L2 norm makes all of them smaller* (Tibshirani, 1996;
Hoerl and Kennard, 1970). In sknorm ``l1_ratio``, ``penalty="l0"`` and ``penalty="group_lasso"``
leave exact zeros, and ``penalty="nuclear"`` leaves matrices of low rank. Do they, and do they find
the features that say something? Each table gets as many columns again that say nothing: its own,
each in another order of the rows.
"""

# %%
# The measure, with batch norm and without. Of each penalty the strongest ``alpha`` is taken under
# which the test loss is at most a tenth above the best one.

import warnings
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from protocol import (
    BLUE,
    GREEN,
    PINK,
    SEEDS,
    VERMILLION,
    Row,
    Table,
    axes,
    band,
    error,
    estimator,
    fit,
    load,
    over_seeds,
    show,
)
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning

from sknorm import regularization_path
from sknorm.inspection import RegularizationPathDisplay, WeightDistributionDisplay

ARMS = ("batch", None)
ALPHAS = np.logspace(-5, 0, 11)
PENALTIES = {
    "L2": {"l1_ratio": 0.0},
    "L1": {"l1_ratio": 1.0},
    "L0": {"penalty": "l0"},
    "group lasso": {"penalty": "group_lasso"},
    "nuclear": {"penalty": "nuclear", "solver": "sgd", "learning_rate_init": 0.05},
}


def with_noise(table: Table, seed: int) -> Table:
    """The table and its columns in other orders, which say nothing."""
    rng = np.random.default_rng(seed)
    parts = (table.X_train, table.X_test)
    noise = (rng.permuted(part, axis=0) for part in parts)
    X_train, X_test = (np.hstack(pair) for pair in zip(parts, noise, strict=True))
    return table._replace(X_train=X_train, X_test=X_test)


def network(table: Table, seed: int, penalty: str, **settings):
    """A network of one hidden layer under a penalty."""
    settings = {"learning_rate_init": 0.01, "max_iter": 30} | PENALTIES[penalty] | settings
    return estimator(table, seed, hidden_layer_sizes=(32,), **settings)


def measure(table: Table, seed: int) -> dict:
    """Over the alphas: test loss, zeros of the first layer, its rank, columns switched off."""
    table = with_noise(table, seed)
    useless = np.arange(table.X_train.shape[1]) >= table.X_train.shape[1] // 2
    found = {}
    for norm, penalty in product(ARMS, PENALTIES):
        settings = {"normalization": norm}
        models = [
            fit(network(table, seed, penalty, alpha=alpha, **settings), table) for alpha in ALPHAS
        ]
        losses = np.array([error(each, table) for each in models])
        importances = np.array([each.feature_importances_ for each in models])
        ranks = [np.linalg.matrix_rank(each.coefs_[0], rtol=1e-3) for each in models]
        found[norm, penalty] = {
            "loss": losses,
            "zeros": np.array([each.sparsity_[0] for each in models]),
            "rank": np.array(ranks),
            "useless off": np.mean(importances[:, useless] == 0, axis=1),
            "useful off": np.mean(importances[:, ~useless] == 0, axis=1),
            "choice": np.flatnonzero(losses <= 1.1 * losses.min()).max(),
        }
    return found


def summarize(runs: list[dict]) -> Row:
    """Zeros, ranks and features at the chosen alphas."""

    def at_choice(norm: str | None, penalty: str, what: str) -> np.ndarray:
        own = [run[norm, penalty] for run in runs]
        return np.array([each[what][each["choice"]] for each in own])

    cells, verdicts = [], []
    for norm in ARMS:
        zeros = {name: at_choice(norm, name, "zeros") for name in ("L1", "L0", "L2")}
        parts = [f"{name} {over_seeds(each, '.0%')}" for name, each in zeros.items()]
        ranks = (at_choice(norm, name, "rank") for name in ("nuclear", "L2"))
        parts.append("rank {} (nuclear), {} (L2)".format(*map(over_seeds, ranks)))
        cells.append("; ".join(parts))
        selects = zeros["L1"].min() > 0 and zeros["L2"].max() == 0
        off, lost = (
            np.mean(at_choice(norm, "group lasso", f"{kind} off")) for kind in ("useless", "useful")
        )
        verdicts.append(
            f"{'with' if norm else 'without'}: {'holds' if selects else 'fails'}, group lasso "
            f"switches off {off:.0%} of the useless columns and {lost:.0%} of the others"
        )
    return Row("zeros of the first layer; its rank", *cells, "; ".join(verdicts))


# %%
# The pictures: zeros and ranks over the strength of the penalty; the weights under L1 and L2; and
# the path of the features under the group lasso, from the strongest penalty on.


def draw(table: Table, runs: list[dict]) -> None:
    """Zeros on the left, ranks on the right."""
    _, (left, right) = axes(2)
    styles = {"L2": (BLUE, "-o"), "L1": (VERMILLION, "--s"), "L0": (GREEN, ":^")}
    for name, (color, style) in styles.items():
        band(left, ALPHAS, [run["batch", name]["zeros"] for run in runs], color, name, style)
    for name, (color, style) in {"L2": (BLUE, "-o"), "nuclear": (PINK, "--D")}.items():
        band(right, ALPHAS, [run["batch", name]["rank"] for run in runs], color, name, style)
    left.set(xscale="log", xlabel="alpha", ylabel="zeros of the first layer", title=table.name)
    right.set(xscale="log", xlabel="alpha", ylabel="rank of the first layer", title=table.name)
    left.legend(frameon=False)
    right.legend(frameon=False)
    right.yaxis.get_major_locator().set_params(integer=True)


def draw_weights(table: Table) -> None:
    """Histograms of the weights under L2 and under L1."""
    table = with_noise(table, 0)
    _, both = plt.subplots(2, figsize=(6.4, 4.6), layout="constrained", facecolor="white")
    for ax, penalty in zip(both, ("L2", "L1"), strict=True):
        model = fit(network(table, 0, penalty, alpha=0.003), table)
        WeightDistributionDisplay.from_estimator(model).plot(ax)
        ax.set_title(f"{penalty}, alpha = 0.003")


def draw_path(table: Table) -> None:
    """Importances over alpha without a norm; names with a quote are of useless columns."""
    names = load_diabetes().feature_names
    names += [f"{name}'" for name in names]
    table = with_noise(table, 0)
    settings = {"normalization": None, "max_iter": 200, "batch_size": len(table.X_train)}
    model = network(table, 0, "group lasso", **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        alphas = np.logspace(-1, -2.3, 14)
        path = regularization_path(model, table.X_train, table.y_train, alphas=alphas)
    RegularizationPathDisplay.from_path(path, feature_names=names).plot(axes(height=4)[1])


if __name__ == "__main__":
    table = load("diabetes")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)
    draw_weights(table)
    draw_path(table)

# %%
# L1 and L0 leave zeros, L2 none, and the nuclear norm lowers the rank. Zeros are not yet a
# selection: what costs a tenth of the loss switches off useful columns too. :doc:`More tables
# </claims>`.
