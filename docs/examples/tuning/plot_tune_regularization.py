"""
Tune the regularization of an MLP
=================================

An :class:`~sknorm.MLPClassifier` with batch normalization is tuned over its penalty (``alpha``,
``l1_ratio``) and its dropout on the digits table with scikit-learn's ``GridSearchCV``.
scikit-learn's own MLP is tuned over its ``alpha`` by the same protocol: the same folds, scoring and
test rows. The picture shows the search, and the training curves of the best setting with early
stopping.

As a script, this takes the path of the picture as an optional argument.
"""

# %%
# The table has 1797 images of handwritten digits, 64 grey values each. A quarter is for the test.

import sys
from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier

picture = sys.argv[1] if len(sys.argv) > 1 else "tune_regularization.png"

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.astype(np.float32), y, test_size=0.25, stratify=y, random_state=0
)

# %%
# One protocol for both: the same hidden layer, three folds, and the log loss as the score, since it
# judges the probabilities too. Only the grids differ, because ``alpha`` is all that scikit-learn's
# MLP has to regularize with. The cosine schedule spends exactly ``max_iter`` epochs.

estimators = {
    "sknorm": MLPClassifier(
        (128,),
        preset="sklearn",
        learning_rate="cosine",
        learning_rate_init=3e-3,
        max_iter=60,
        random_state=0,
    ),
    "scikit-learn": neural_network.MLPClassifier((128,), max_iter=500, random_state=0),
}
grids: dict[str, dict[str, Any]] = {
    "sknorm": {
        "mlp__alpha": np.logspace(-4.5, -2.5, 5),
        "mlp__l1_ratio": [0.0, 1.0],
        "mlp__dropout": [0.0, 0.4],
    },
    "scikit-learn": {"mlp__alpha": np.logspace(-2, 1, 4)},
}

# %%
# Kernels are compiled when they are first used, and cached on disk. One epoch does this before
# anything is timed.

start = perf_counter()
first: Any = clone(estimators["sknorm"])
first.set_params(max_iter=1, dropout=0.4, l1_ratio=0.5).fit(X_train, y_train).predict(X_test)
print(f"kernels ready after {perf_counter() - start:.1f} s")

# %%
# The two searches.

searches = {}
for name, estimator in estimators.items():
    model = Pipeline([("scale", StandardScaler()), ("mlp", estimator)])
    search = GridSearchCV(model, grids[name], cv=3, scoring="neg_log_loss", n_jobs=2)
    start = perf_counter()
    searches[name] = search.fit(X_train, y_train)
    seconds = perf_counter() - start

    n_fits = 3 * len(search.cv_results_["params"]) + 1
    probabilities = search.predict_proba(X_test)
    best = ", ".join(f"{key[5:]}={value:g}" for key, value in search.best_params_.items())
    print(f"{name}: {n_fits} fits in {seconds:.1f} s; best {best}")
    print(f"    log loss, cross-validated {-search.best_score_:.4f}")
    print(f"    log loss, test rows       {log_loss(y_test, probabilities):.4f}")
    print(f"    accuracy, test rows       {accuracy_score(y_test, search.predict(X_test)):.4f}")

# %%
# The L1 penalty leaves weights that are exactly zero.

best = searches["sknorm"].best_estimator_
for alpha in grids["sknorm"]["mlp__alpha"]:
    sparse = clone(best).set_params(mlp__alpha=alpha, mlp__l1_ratio=1.0).fit(X_train, y_train)
    zeros = np.mean(np.concatenate([coef.ravel() for coef in sparse[-1].coefs_]) == 0)
    loss = log_loss(y_test, sparse.predict_proba(X_test))
    print(f"alpha={alpha:.5f}, L1: {zeros:4.0%} of the weights are zero, log loss {loss:.4f}")

# %%
# The best setting once more, at a constant learning rate and with early stopping on the log loss of
# held-out rows.

stopped = best.set_params(
    mlp__learning_rate="constant", mlp__max_iter=300, mlp__early_stopping=True
)
history = stopped.fit(X_train, y_train)[-1].history_
print(f"stopped after {len(history['loss'])} epochs, {sum(history['seconds']):.2f} s")

# %%
# The picture. On the left, each line is one dropout rate under one penalty; lower is better. On the
# right, the penalty is taken off the training loss to compare it with the loss of held-out rows.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")

results = searches["sknorm"].cv_results_
scores = {
    (p["mlp__dropout"], p["mlp__l1_ratio"], p["mlp__alpha"]): -score
    for p, score in zip(results["params"], results["mean_test_score"], strict=True)
}
alphas, ratios, dropouts = grids["sknorm"].values()
for style, l1_ratio in zip(("-o", "--s"), ratios, strict=True):
    for color, dropout in zip(("C0", "C1"), dropouts, strict=True):
        line = [scores[dropout, l1_ratio, alpha] for alpha in alphas]
        label = f"{'L1' if l1_ratio else 'L2'}, dropout {dropout}"
        left.plot(alphas, line, style, color=color, markersize=4, label=label)
reference = -searches["scikit-learn"].best_score_
left.axhline(reference, color="0.4", linestyle=":", label="scikit-learn's MLP,\nbest of its search")
left.set(xscale="log", xlabel="alpha", ylabel="log loss, mean of 3 folds", title="Grid search")
left.legend(fontsize="small", frameon=False)

epochs = np.arange(1, len(history["loss"]) + 1)
training = np.subtract(history["loss"], history["penalty"])
validation = np.negative(history["validation"])
right.plot(epochs, training, color="C0", label=f"training rows, dropout {best[-1].dropout}")
right.plot(epochs, validation, color="C3", label="held-out rows")
right.axvline(epochs[validation.argmin()], color="0.4", linestyle=":", label="weights kept")
right.set(yscale="log", xlabel="epoch", ylabel="log loss", title="Training with early stopping")
right.legend(fontsize="small", frameon=False)

for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
figure.savefig(picture, dpi=110)
print(f"picture saved to {picture}")
