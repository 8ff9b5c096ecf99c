"""
Select columns on the way to a network
======================================

Which columns can go, and does the network find out by itself? Ten columns of patients stand beside
ten copies of them whose rows are shuffled, which say nothing about anybody. The group lasso
switches whole columns off, and the regularization path shows in which order they come back as the
penalty falls: the first four are real. The best model of the path explains almost twice as much as
a network of all columns without a penalty. Where its score is all that chooses the penalty, it
keeps some of the shuffled columns with small weights, so do not take what is left for proof.
"""

# %%
# A shuffled copy has the distribution of its column, so nothing but the targets tells them apart.

from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from sknorm import MLPRegressor, regularization_path
from sknorm.inspection import RegularizationPathDisplay

table = load_diabetes()
X = np.hstack([table.data, np.random.default_rng(0).permuted(table.data, axis=0)])
y = table.target
names = [*table.feature_names, *(f"{name}, shuffled" for name in table.feature_names)]
real = np.arange(X.shape[1]) < 10

# %%
# The path starts at the penalty that leaves no column. Each fit goes on from the weights of the one
# before, so that sixteen of them take a second or two. Held-out rows choose the penalty. The
# network has no norm: a norm holds the length of the weights, so that columns leave late and all at
# once, and the path has detours.

settings: dict[str, Any] = {"hidden_layer_sizes": (32,), "preset": "sklearn", "random_state": 0}
settings |= {"learning_rate": "cosine", "learning_rate_init": 0.01, "max_iter": 60}
settings |= {"normalization": None, "scaling": "standard", "standardize_target": True}
network = MLPRegressor(penalty="group_lasso", **settings)


def select(X_train: Any, y_train: Any, X_held: Any, y_held: Any) -> tuple[Any, list[float], int]:
    """The path, its scores on the held-out rows, and where the best one is."""
    path = regularization_path(network, X_train, y_train, n_alphas=16, alpha_min_ratio=1e-2)
    scores = [model.score(X_held, y_held) for model in path.estimators]
    return path, scores, int(np.argmax(scores))


X_train, X_held, y_train, y_held = train_test_split(X, y, test_size=0.3, random_state=0)
start = perf_counter()
path, scores, best = select(X_train, y_train, X_held, y_held)
print(f"{len(path.alphas)} fits in {perf_counter() - start:.1f} s")
for k in sorted({0, 1, 2, 4, 6, 8, 10, 15, best}):
    active = path.active[k]
    counts = f"{np.sum(active & real)} real and {np.sum(active & ~real)} shuffled columns"
    print(f"alpha={path.alphas[k]:.3f}: {counts}, R2 {scores[k]:.2f}{' (best)' * (k == best)}")
print("order of entry:", "; ".join(names[k] for k in path.entry_order))

# %%
# What is it worth on rows that had no say in it? One split of so few rows says little, so these are
# means over five.

results: dict[str, list[float]] = {}
kept = []
for seed in range(5):
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.3, random_state=seed)
    parts = train_test_split(X_rest, y_rest, test_size=0.3, random_state=seed)
    other, _, place = select(parts[0], parts[2], parts[1], parts[3])
    chosen = other.active[place]
    kept.append((np.sum(chosen & real), np.sum(chosen & ~real)))
    for name, columns in (("all", real | True), ("the real", real), ("the chosen", chosen)):
        model = MLPRegressor(**settings).fit(X_rest[:, columns], y_rest)
        r2 = model.score(X_test[:, columns], y_test)
        results.setdefault(f"a network of {name} columns", []).append(r2)
    r2 = other.estimators[place].score(X_test, y_test)
    results.setdefault("the best model of the path", []).append(r2)
print("chosen: {:.1f} real and {:.1f} shuffled columns".format(*np.mean(kept, axis=0)))
for name, values in results.items():
    print(f"{name:33} test R2 {np.mean(values):.2f} +- {np.std(values) / 5**0.5:.2f}")

# %%
# Each line is a column; the display names the most important ones.

display = RegularizationPathDisplay.from_path(path, scores=scores, feature_names=names)
figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
display.plot(axes)
