"""
A regularizer, too
==================

*Batch normalization regularizes the model, and dropout can be reduced or left out* (Ioffe and
Szegedy, 2015): the statistics of random batches are noise. A grid of ``alpha`` (L2) and dropout is
searched with the norm and without. If the norm regularizes, the best dropout is smaller with it,
and networks without any other regularization are better with it.
"""

# %%
# The measure: three folds of at most 500 rows, since regularization matters where rows are few.

import matplotlib.pyplot as plt
import numpy as np
from protocol import SEEDS, Row, Table, estimator, judge, load, over_seeds, show

from sknorm.inspection import SearchResultsDisplay
from sknorm.model_selection import StackedGridSearchCV

GRID = {"alpha": [0.0001, 0.001, 0.01, 0.1], "dropout": [0.0, 0.2, 0.4, 0.6]}
ARMS = ("batch", None)
MOST = 500  # rows


def measure(table: Table, seed: int) -> dict:
    """The searches, the best settings, and losses of the best and of no regularization."""
    rows = np.random.default_rng(seed).permutation(len(table.X_train))[:MOST]
    searches, best, losses, bare = {}, {}, {}, {}
    for norm in ARMS:
        model = estimator(table, seed, normalization=norm, max_iter=40, learning_rate="cosine")
        model.set_params(learning_rate_init=3e-3)
        scoring = "neg_log_loss" if table.n_classes else "neg_mean_squared_error"
        search = StackedGridSearchCV(model, GRID, cv=3, scoring=scoring, refit=False)
        search.fit(table.X_train[rows], table.y_train[rows])
        scores = -search.cv_results_["mean_test_score"]
        searches[norm], best[norm], losses[norm] = search, search.best_params_, scores.min()
        bare[norm] = scores[search.cv_results_["params"].index({"alpha": 1e-4, "dropout": 0.0})]
    return {"searches": searches, "best": best, "losses": losses, "bare": bare}


def summarize(runs: list[dict]) -> Row:
    """Best dropout, and how far regularization lowers the loss."""
    cells = []
    for norm in ARMS:
        dropouts = [run["best"][norm]["dropout"] for run in runs]
        alphas = [run["best"][norm]["alpha"] for run in runs]
        gains = [1 - run["losses"][norm] / run["bare"][norm] for run in runs]
        cells.append(
            f"dropout {over_seeds(dropouts, '.2f')}, alpha {np.exp(np.mean(np.log(alphas))):.2g}, "
            f"gain {np.mean(gains):.0%}"
        )
    bare = [run["bare"][None] / run["bare"]["batch"] for run in runs]
    best = [run["losses"][None] / run["losses"]["batch"] for run in runs]
    return Row(
        "best of a grid, and the loss that it saves",
        *cells,
        f"unregularized, {judge(bare)}; each at its best, {judge(best)}",
    )


# %%
# The picture: the searches of the first seed, as heat maps on one scale each. Higher scores are
# better.


def draw(table: Table, runs: list[dict]) -> None:
    """Both searches, one above the other."""
    figure, both = plt.subplots(2, figsize=(6.4, 6), layout="constrained", facecolor="white")
    for ax, norm in zip(both, ARMS, strict=True):
        search = runs[0]["searches"][norm]
        SearchResultsDisplay.from_search(search, x="alpha", y="dropout").plot(ax)
        ax.set_ylabel(f"{'batch norm' if norm else 'no norm'}\ndropout")
    figure.suptitle(f"{table.name}, {MOST} rows")


if __name__ == "__main__":
    table = load("digits")
    runs = [measure(table, seed) for seed in SEEDS]
    show(summarize(runs))
    draw(table, runs)

# %%
# With the norm the best dropout is smaller, and regularization saves less. Each at its best, the
# network without the norm is as good here. :doc:`More tables </claims>`.
