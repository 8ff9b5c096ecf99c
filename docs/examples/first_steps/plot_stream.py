"""
Learn from a stream
===================

Rows arrive in parts, and not all classes are there from the start: is ``partial_fit`` as good as a
``fit`` with everything at hand? After one pass over the digits, in parts of 50 rows, it has about
95% of the test rows right, and after five passes about 97%, which is what ``fit`` comes to. A digit
that shows up late takes some 400 rows, of which 40 are its own, until half of it is found.
"""

# %%
# A quarter of the rows is for the test. The others arrive in the order of the table. The columns
# are scaled by the statistics of all rows so far, so no scaler has to be fitted first.

from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from sknorm import MLPClassifier

X, y = load_digits(return_X_y=True)
X = X.astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, shuffle=True, stratify=y, random_state=0
)
SIZE = 50
parts = [slice(start, start + SIZE) for start in range(0, len(X_train), SIZE)]
classes = np.unique(y)

# %%
# The first call has to know all ``classes``. Each call is one epoch over its rows. We ask for
# batches of 10 rows, since a part of 50 rows would be a single step otherwise, and for larger steps
# than the usual 0.001, which would take three times the rows to learn as much.

settings: dict[str, Any] = {"preset": "sklearn", "batch_size": 10, "learning_rate_init": 3e-3}
settings |= {"random_state": 0}
model = MLPClassifier((128,), **settings)
linear = SGDClassifier(loss="log_loss", random_state=0)
curves: dict[str, list[float]] = {"sknorm": [], "a linear model": []}
seconds = 0.0
for _ in range(5):
    for part in parts:
        start = perf_counter()
        model.partial_fit(X_train[part], y_train[part], classes=classes)
        seconds += perf_counter() - start
        linear.partial_fit(X_train[part], y_train[part], classes=classes)
        curves["sknorm"].append(model.score(X_test, y_test))
        curves["a linear model"].append(linear.score(X_test, y_test))
whole = MLPClassifier((128,), **settings).fit(X_train, y_train)
fitted = whole.score(X_test, y_test)
for name, curve in curves.items():
    print(f"{name:15} after one pass {curve[len(parts) - 1]:.3f}, after five {curve[-1]:.3f}")
print(f"fit, {whole.n_iter_} epochs: {fitted:.3f}")
print(f"{1e3 * seconds / len(curves['sknorm']):.1f} ms a part of {SIZE} rows")

# %%
# Now the nines stay away for the first half of the stream. The network has a place for them, since
# it was told of all classes, and learns them when they come.

half = len(X_train) // 2
early = np.flatnonzero(y_train[:half] != 9)
order = np.concatenate([early, np.arange(half, len(X_train))])
late = MLPClassifier((128,), **settings)
seen: list[int] = []
nines: list[float] = []
for rows in np.array_split(order, len(order) // SIZE):
    late.partial_fit(X_train[rows], y_train[rows], classes=classes)
    seen.append((seen[-1] if seen else 0) + len(rows))
    nines.append(float(np.mean(late.predict(X_test[y_test == 9]) == 9)))
after = np.subtract(seen, len(early))
found = after[np.argmax(np.greater(nines, 0.5))]
print(f"half of the nines are found {found} rows after the first could come")

# %%
# A call that fails changes nothing: the model goes on from where it was.

before = model.predict_proba(X_test)
broken = X_train[:SIZE].copy()
broken[3, 20] = np.inf
try:
    model.partial_fit(broken, y_train[:SIZE])
except ValueError as fault:
    print(fault)
print("same predictions:", np.array_equal(before, model.predict_proba(X_test)))

# %%
# The picture: on the left, accuracy over the stream; on the right, the share of nines that are
# found.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
seen_by_all = np.arange(1, len(curves["sknorm"]) + 1) * len(X_train) / len(parts)
for name, curve in curves.items():
    left.plot(seen_by_all, curve, label=name)
left.axhline(fitted, color="0.4", linestyle=":", label="fit, all rows at hand")
left.set(xlabel="rows seen", ylabel="accuracy, test rows", ylim=(0.7, 1.0), title="Five passes")
left.legend(frameon=False)
right.plot(seen, nines, color="C3")
right.axvline(len(early), color="0.4", linestyle=":", label="the first nine may come")
right.set(xlabel="rows seen", ylabel="nines found", title="A class that comes late")
right.legend(frameon=False)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
