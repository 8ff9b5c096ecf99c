"""
Average several networks
========================

Is an average of networks worth its time, and how should the members differ? On handwritten digits
with few rows, an average has a lower log loss than any of its networks, and four are enough. What
goes beyond seeds, members with other settings, members of other shapes, and ensembles of a search's
candidates, is no better here. Choosing members takes rows, and where there are 600, training needs
them more.
"""

from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, uniform
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sknorm import MLPClassifier
from sknorm.inspection import EnsembleMembersDisplay
from sknorm.model_selection import EnsembleClassifier, StackedRandomizedSearchCV

# %%
# The table is the digits, of which a third is for training, so that errors are left to be made.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.astype(np.float32), y, test_size=0.66, stratify=y, random_state=0
)
print(f"{len(X_train)} rows to train on, {len(X_test)} to test")

# %%
# The ways to an ensemble. ``preset="fast"`` is one network, so ``n_members`` says it all. With a
# ``member_space``, members draw settings, and those that do best on held-out rows get weights.
# ``EnsembleClassifier`` averages any networks, such as those of other shapes. With
# ``refit="ensemble"``, a search refits the candidates whose out-of-fold predictions do best
# together.

fast: dict[str, Any] = {"preset": "fast", "random_state": 0}
space = {"dropout": uniform(0.0, 0.4), "learning_rate_init": loguniform(1e-3, 8e-3)}
shapes = [
    MLPClassifier((256,), n_members=2, **fast),
    MLPClassifier((128, 128), n_members=2, **fast),
    MLPClassifier((64, 64, 64), n_members=2, **fast),
]
search = StackedRandomizedSearchCV(
    MLPClassifier(**fast),
    space,
    n_iter=10,
    cv=4,
    scoring="neg_log_loss",
    refit="ensemble",
    n_jobs=2,
    random_state=0,
)
models: dict[str, Any] = {
    "one network": MLPClassifier(**fast),
    "eight networks": MLPClassifier(n_members=8, **fast),
    "16 settings, chosen": MLPClassifier(
        n_members=16, member_space=space, early_stopping=True, **fast
    ),
    "three shapes": EnsembleClassifier(shapes),
    "search, ensemble": search,
}

# %%
# The test rows are the same for all, so that the difference from the single network has a smaller
# standard error than the log loss itself.


def losses(model: Any) -> Any:
    """Log loss of each test row."""
    return -np.log(model.predict_proba(X_test)[np.arange(len(y_test)), y_test])


MLPClassifier(**{**fast, "max_iter": 1}).fit(X_train, y_train).predict(X_test)  # compiles kernels
single = None
for name, model in models.items():
    start = perf_counter()
    model.fit(X_train, y_train)
    seconds = perf_counter() - start
    each = losses(model)
    single = each if single is None else single
    change, error = np.mean(each - single), np.std(each - single) / np.sqrt(len(each))
    print(f"{name:20} log loss {each.mean():.3f} ({change:+.3f} +- {error:.3f}), {seconds:.1f} s")
weights = models["16 settings, chosen"].member_weights_
print(f"of 16 members, {len(weights)} have a weight")
print(f"of 10 candidates, {np.sum(search.ensemble_weights_ > 0)} have a weight")

# %%
# How many are enough? Twelve networks of one seed each, averaged one after the other. In the stack
# above they are trained together, which is faster than this loop.

networks = [
    MLPClassifier(preset="fast", random_state=seed).fit(X_train, y_train) for seed in range(12)
]
curve = []
for k in range(1, 13):
    average = EnsembleClassifier.from_fitted(networks[:k])
    curve.append(log_loss(y_test, average.predict_proba(X_test)))
alone = [log_loss(y_test, network.predict_proba(X_test)) for network in networks]
print(f"alone {np.mean(alone):.3f} in the mean, four {curve[3]:.3f}, twelve {curve[-1]:.3f}")

# %%
# The picture: on the left, averages of more and more networks; on the right, the members of the
# ensemble that were chosen by held-out rows.

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left, right = axes
left.plot(range(1, 13), curve, "o-", label="average of the first k")
left.plot(range(1, 13), alone, "x", color="0.5", label="the k-th network alone")
left.set(xlabel="k", ylabel="log loss, test rows", xticks=range(1, 13))
left.legend(frameon=False)
left.spines[["top", "right"]].set_visible(False)
EnsembleMembersDisplay.from_estimator(models["16 settings, chosen"]).plot(right)
