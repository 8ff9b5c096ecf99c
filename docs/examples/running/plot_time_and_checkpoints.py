"""
Limit the time, and go on after an interruption
===============================================

Can a fit be told to be over within a second, and what is lost if a search is interrupted?
``max_time`` ends training on time with what it has learned, and plans the learning rate for it.
``checkpoint`` keeps what a search has done in a file. Called again, the search goes on, repeats no
fit, and ends with the same scores.
"""

# %%
# The default network, six members of three layers, takes some seconds on the digits. We give it
# less and less. A schedule such as the cosine is planned over the steps that there is time for, so
# that the learning rate is small when the time is up. The kernels are compiled before, since that
# counts as well.

import tempfile
import warnings
from pathlib import Path
from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sknorm import MLPClassifier
from sknorm.exceptions import CheckpointError
from sknorm.model_selection import StackedGridSearchCV

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.astype(np.float32), y, test_size=0.25, stratify=y, random_state=0
)
network = MLPClassifier(random_state=0)
clone(network).set_params(max_iter=1).fit(X_train, y_train).predict(X_test)

points = []
for limit in (0.1, 0.2, 0.5, 1.0, None):
    model = clone(network).set_params(max_time=limit)
    start = perf_counter()
    model.fit(X_train, y_train)
    seconds = perf_counter() - start
    points.append((seconds, model.score(X_test, y_test)))
    ended = "ended by max_time" if model.timed_out_ else "ended by itself"
    print(
        f"max_time={limit}: {seconds:.2f} s, {model.n_iter_} epochs, {ended}, "
        f"accuracy {points[-1][1]:.3f}"
    )

# %%
# A fitted model says so in its diagram, too. The price: how many steps there is time for depends on
# the machine and on what else it does, and so does the model. For results that others are to
# repeat, limit ``max_iter`` instead.
#
# Now a search with a checkpoint. We interrupt it as Ctrl-C would, by a scorer that raises
# ``KeyboardInterrupt`` once. After a kill or a power failure it is the same: results are on disk as
# soon as they are there.

small = MLPClassifier((64,), preset="sklearn", learning_rate="cosine", max_iter=20, random_state=0)
grid: dict[str, Any] = {"hidden_layer_sizes": [(32,), (64,), (128,)], "dropout": [0.0, 0.2]}
calls = {"made": 0, "last": 7}


def accuracy(model: Any, X: Any, y: Any) -> float:
    """Accuracy, and an interruption at one call."""
    calls["made"] += 1
    if calls["made"] == calls["last"]:
        raise KeyboardInterrupt
    return float(np.mean(model.predict(X) == y))


folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "search.ckpt"
search = StackedGridSearchCV(small, grid, scoring=accuracy, cv=3, checkpoint=path)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        search.fit(X_train, y_train)
    except KeyboardInterrupt:
        done = np.isfinite([search.cv_results_[f"split{k}_test_score"] for k in range(3)]).sum()
        print(
            f"interrupted: {done} of 18 fits are done, {path.stat().st_size / 1e3:.0f} kB on disk"
        )

# %%
# The same line again. Only what is missing is fitted, and the result is that of a search that
# nobody interrupted.

before = calls["made"]
search.fit(X_train, y_train)
print(f"{calls['made'] - before} more fits; best {search.best_params_}")
whole = StackedGridSearchCV(small, grid, scoring=accuracy, cv=3).fit(X_train, y_train)
same = np.array_equal(
    whole.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
) and np.array_equal(whole.predict_proba(X_test), search.predict_proba(X_test))
print("the same scores and predictions as without an interruption:", same)

# %%
# A file of another search is not taken for this one's. ``stale_checkpoint="set_aside"`` would
# rename it and begin anew. When a search is over, its files stay; delete them then.

try:
    clone(search).set_params(cv=4).fit(X_train, y_train)
except CheckpointError as fault:
    print(str(fault).replace(folder.name, "folder"))
folder.cleanup()

# %%
# The picture: what more time is worth. Half a second is enough for most of it here.

times, scores = np.transpose(points)
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.plot(times[:-1], scores[:-1], "o-", label="ended by max_time")
axes.plot(times[-1], scores[-1], "s", color="C3", label="ended by itself")
axes.set(xscale="log", xlabel="seconds of the fit", ylabel="accuracy, test rows")
axes.legend(frameon=False, loc="lower right")
axes.spines[["top", "right"]].set_visible(False)
