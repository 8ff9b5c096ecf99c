"""
Calibrate probabilities
=======================

Of the patients that get a probability of 0.9, do nine in ten have what is predicted? Not if the
network was trained until it knew its few training rows by heart. Label smoothing, early stopping,
dropout or ``calibration`` about halve the error of the probabilities in the same training, and
``CalibratedClassifierCV`` does so after it. An average of networks does not help here. Among the
networks, the one with dropout has the lowest log loss; on this small table, logistic regression
comes to the same.
"""

# %%
# The table: will the diabetes of 442 patients progress more than that of the median patient? Nobody
# can be sure of that, and the best models are right about three times in four. All probabilities
# are for rows that a fold has left out.

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.datasets import load_diabetes
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split

from sknorm import MLPClassifier

X, progression = load_diabetes(return_X_y=True)
y = (progression > np.median(progression)).astype(int)
folds = StratifiedKFold(5, shuffle=True, random_state=0)

# %%
# The network of ``preset="sklearn"`` has no regularizer but a small ``alpha``. Temperature scaling
# divides its raw output by one number (Guo et al., 2017, On calibration of modern neural networks).
# ``calibration="temperature"`` finds it by the rows that training holds out, and lets the same rows
# choose the epoch; in ``CalibratedClassifierCV``, five inner folds choose it. The other presets
# calibrate by themselves.

settings: dict[str, Any] = {"preset": "sklearn", "max_iter": 400, "random_state": 0}
network = MLPClassifier(**settings)
models: dict[str, Any] = {
    "network": network,
    "label smoothing 0.1": MLPClassifier(label_smoothing=0.1, **settings),
    "early stopping": MLPClassifier(early_stopping=True, **settings),
    "dropout 0.5": MLPClassifier(dropout=0.5, **settings),
    "ten networks": MLPClassifier(n_members=10, **settings),
    "calibration": MLPClassifier(calibration="temperature", **settings),
    "temperature": CalibratedClassifierCV(network, method="temperature", cv=5, ensemble=False),
    "isotonic": CalibratedClassifierCV(network, method="isotonic", cv=5, ensemble=False),
    "logistic regression": LogisticRegression(C=100),
}


def calibration_error(y: Any, p: Any) -> float:
    """Mean distance of probability and frequency, over ten bins of equal width."""
    bins = np.minimum((10 * p).astype(int), 9)
    sums = [abs(np.sum(y[bins == k] - p[bins == k])) for k in range(10)]
    return float(np.sum(sums) / len(y))


found: dict[str, np.ndarray] = {}
print("                      log loss  Brier  calibration error  accuracy")
for name, model in models.items():
    p = found[name] = cross_val_predict(model, X, y, cv=folds, method="predict_proba")[:, 1]
    print(
        f"{name:20}     {log_loss(y, p):.3f}  {brier_score_loss(y, p):.3f}"
        f"              {calibration_error(y, p):.3f}     {accuracy_score(y, p > 0.5):.3f}"
    )

# %%
# To calibrate a model that is fitted already, freeze it and give rows that it was not trained on.

parts = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
X_train, X_rest, y_train, y_rest = parts
X_held, X_test, y_held, y_test = train_test_split(X_rest, y_rest, test_size=0.5, random_state=0)
network.fit(X_train, y_train)
frozen = CalibratedClassifierCV(FrozenEstimator(network), method="temperature")
frozen.fit(X_held, y_held)
for name, model in {"network": network, "frozen, then calibrated": frozen}.items():
    print(f"{name:24} log loss {log_loss(y_test, model.predict_proba(X_test)):.3f}")

# %%
# The reliability diagram: above the diagonal, events are more frequent than predicted. The plain
# network is flatter than the diagonal: it is too sure on both sides. With 442 rows, a dot has a
# standard error of about 0.07.

figure, (left, right) = plt.subplots(
    2, 1, figsize=(6, 6), layout="constrained", sharex=True, height_ratios=(3, 1)
)
left.plot([0, 1], [0, 1], ":", color="0.4")
for color, name in zip(("C3", "C0", "C2"), ("network", "temperature", "dropout 0.5"), strict=True):
    share, mean = calibration_curve(y, found[name], n_bins=8, strategy="quantile")
    left.plot(mean, share, "o-", color=color, label=name)
    right.hist(found[name], bins=np.linspace(0, 1, 21), histtype="step", color=color)
left.set(ylabel="share that progresses more", title="Reliability")
right.set(xlabel="predicted probability", ylabel="patients")
left.legend(frameon=False)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
