"""
Watch training with scikit-learn's callbacks
============================================

How does a score develop while a network trains, and can a rule of my own end training?
scikit-learn's callbacks do both. ``ScoringMonitor`` records a score after each epoch,
``ProgressBar`` shows how far a fit is, and a short class of one's own ends training once a score is
good enough. Here it does so after a tenth of the epochs.
"""

# %%
# Each epoch is a task to callbacks. ``ScoringMonitor`` scores the training rows that ``fit`` was
# given, with the weights of that epoch.

from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split

from sknorm import MLPRegressor

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
settings: dict[str, Any] = {"preset": "sklearn", "learning_rate": "cosine", "max_iter": 100}
network = MLPRegressor(random_state=0, **settings)

# %%
# What does watching cost? A prediction for the training rows after each epoch, which for a table as
# small as this takes as long as the epoch itself or longer.

clone(network).set_params(max_iter=1).fit(X_train, y_train).predict(X_train)  # compiles kernels
start = perf_counter()
unwatched = clone(network).fit(X_train, y_train)
print(f"without callbacks: {perf_counter() - start:.2f} s")

monitor = ScoringMonitor(scoring=["r2", "neg_mean_absolute_error"])
start = perf_counter()
watched = clone(network).set_callbacks(monitor).fit(X_train, y_train)
print(f"with a monitor:    {perf_counter() - start:.2f} s")
print("the same model:", bool((watched.predict(X_test) == unwatched.predict(X_test)).all()))
log = monitor.get_logs().data_as_pandas
log = log[log["task_name"] == "epoch"]
print(log[["task_id", "r2", "neg_mean_absolute_error"]].iloc[[0, 9, 49, 99]].round(3).to_string())


# %%
# A callback of one's own needs no base class, but four methods. If ``on_fit_task_end`` returns True
# for an epoch, training ends there.


class StopAt:
    """Ends training when the mean absolute error of given rows is low enough."""

    def __init__(self, X: Any, y: Any, error: float) -> None:
        self.X, self.y, self.error = X, y, error
        self.errors: list[float] = []

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing to prepare."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing to clean up."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing to do before an epoch."""

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:
        """Look at the model after an epoch."""
        if context.task_name != "epoch":
            return False
        self.errors.append(mean_absolute_error(self.y, fitted_estimator.predict(self.X)))
        return self.errors[-1] < self.error


parts = train_test_split(X_train, y_train, test_size=0.25, random_state=0)
X_fit, X_held, y_fit, y_held = parts
stop = StopAt(X_held, y_held, error=46.0)
ended = clone(network).set_callbacks(stop).fit(X_fit, y_fit)
print(f"ended after {ended.n_iter_} of {ended.max_iter} epochs: error {stop.errors[-1]:.1f}")
full = StopAt(X_held, y_held, error=0.0)
clone(network).set_callbacks(full).fit(X_fit, y_fit)

# %%
# For the usual rule, stop when the held-out score no longer improves, no callback is needed:
# ``early_stopping=True`` keeps the best epoch's weights as well.
#
# ``ProgressBar`` needs `rich <https://rich.readthedocs.io>`_. Set it on the outermost estimator,
# and it also shows what happens within:
#
# .. code-block:: python
#
#     from sklearn.callback import ProgressBar
#
#     search = GridSearchCV(network, {"alpha": [1e-4, 1e-2]})
#     search.set_callbacks(ProgressBar(max_propagation_depth=2)).fit(X, y)
#
# The picture: the score of the training rows as ``ScoringMonitor`` recorded it, and the error that
# the other callback watched. What is good enough is yours to say: the error would have gone on to
# fall by a tenth.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
left.plot(range(1, len(log) + 1), log["r2"])
left.set(xlabel="epoch", ylabel="R2, training rows", title="ScoringMonitor", ylim=(0, 1))
right.plot(range(1, len(full.errors) + 1), full.errors, color="0.6", label="to the last epoch")
right.plot(range(1, len(stop.errors) + 1), stop.errors, label="until the callback ends it")
right.axhline(stop.error, color="0.4", linestyle=":", label="good enough")
right.set(xlabel="epoch", ylabel="absolute error, held-out rows", title="A callback of one's own")
right.legend(frameon=False)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
