"""
Search in one run, and race
===========================

Does a stacked search find what ``GridSearchCV`` finds, and what does it save? On the digits it has
the same scores, to the last digit, in about two thirds of the time: the networks are the same, and
trained side by side. With racing, the worst candidates leave after the first folds. That takes 24
fits of 60 and about half of the time, for the same winner here.
"""

# %%
# A small network, so that all of this is over in seconds: 12 candidates, 5 folds, 60 fits and a
# refit.

from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split

from sknorm import MLPClassifier
from sknorm.inspection import SearchResultsDisplay
from sknorm.model_selection import StackedGridSearchCV

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.astype(np.float32), y, test_size=0.25, stratify=y, random_state=0
)
network = MLPClassifier(
    (64,),
    preset="sklearn",
    learning_rate="cosine",
    max_iter=30,
    early_stopping=False,
    random_state=0,
)
grid: dict[str, Any] = {"learning_rate_init": [1e-3, 3e-3, 1e-2, 3e-2], "dropout": [0.0, 0.2, 0.4]}
options: dict[str, Any] = {
    "cv": StratifiedKFold(5, shuffle=True, random_state=0),
    "scoring": "neg_log_loss",
    "n_jobs": 2,
}

# %%
# One small search of each kind compiles the kernels, and starts the processes of ``GridSearchCV``.

brief = MLPClassifier((64,), preset="sklearn", learning_rate="cosine", max_iter=1, random_state=0)
for kind in (GridSearchCV, StackedGridSearchCV):
    kind(brief, {"dropout": [0.0, 0.2]}, cv=2, n_jobs=2).fit(X_train, y_train)

# %%
# The searches.

searches: dict[str, Any] = {
    "GridSearchCV": GridSearchCV(network, grid, **options),
    "StackedGridSearchCV": StackedGridSearchCV(network, grid, **options),
    "with racing": StackedGridSearchCV(network, grid, racing=True, **options),
}
for name, search in searches.items():
    start = perf_counter()
    search.fit(X_train, y_train)
    seconds = perf_counter() - start
    folds = [search.cv_results_[f"split{k}_test_score"] for k in range(5)]
    best = ", ".join(f"{key}={value:g}" for key, value in search.best_params_.items())
    print(f"{name}: {np.isfinite(folds).sum()} fits in {seconds:.1f} s; best {best}")
    print(f"    log loss {-search.best_score_:.4f} in the folds", end=", ")
    print(f"{-search.score(X_test, y_test):.4f} on the test rows")
scores = [search.cv_results_["mean_test_score"] for search in list(searches.values())[:2]]
print(f"largest difference of a score: {np.abs(np.subtract(*scores)).max():.1e}")

# %%
# What did racing leave out? The candidates that left have NaN in the folds that they were not in.

left = searches["with racing"].cv_results_["left_epoch"]
for k in np.argsort(searches["with racing"].cv_results_["rank_test_score"])[:5]:
    parameters = searches["with racing"].cv_results_["params"][k]
    print(parameters, "stayed" if np.ma.is_masked(left[k]) else f"left after {left[k]} epochs")

# %%
# Does it pay? In stacks, what Python does between the steps is done once for many networks, and the
# table is not sent to other processes. Where networks are large, this is little beside their
# products, and ``GridSearchCV`` is as fast. Racing leaves fits out in any case. Its price is that
# nobody knows what the others would have come to in the other folds.
#
# In the picture, the frames are the best candidate, and the simplest one within one standard error
# of it. On the right, scores of candidates that left are means of the folds that they were in.

full, raced = searches["StackedGridSearchCV"], searches["with racing"]
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for axis, search, title in zip(axes, (full, raced), ("All folds", "Racing"), strict=True):
    SearchResultsDisplay.from_search(search, x="learning_rate_init", y="dropout").plot(axis)
    axis.set_title(title, loc="right")
