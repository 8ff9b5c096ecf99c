"""Searches that train all candidates in all folds as stacks of networks."""

import os
from numbers import Integral, Real
from textwrap import fill
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
)

from sknorm._inherited import SearchMethods
from sknorm._sklearn import (
    Interval,
    StrOptions,
)
from sknorm._typing import (
    CrossValidation,
    ErrorScore,
    Estimator,
    Flag,
    Grid,
    Integer,
    Metrics,
    Number,
    Path,
    Refit,
    Seed,
    StaleCheckpoint,
)
from sknorm.estimators.documentation import filled
from sknorm.model_selection.base import BaseStackedSearch
from sknorm.model_selection.plan import STACKED
from sknorm.training.checkpoint import STALE

_CONSTRAINTS: dict[str, list] = {
    "refit_params": [dict, None],
    "racing": ["boolean"],
    "max_stack_bytes": [Interval(Integral, 1, None, closed="left"), None],
    "max_time": [Interval(Real, 0, None, closed="neither"), None],
    "checkpoint": [str, os.PathLike, None],
    "checkpoint_every": [Interval(Real, 0, None, closed="left")],
    "stale_checkpoint": [StrOptions(set(STALE))],
}
_SHARED = f"""
scoring : str, callable, list, tuple, dict or None, default=None
    As in scikit-learn's search.
n_jobs : int, default=None
    Stacks that are trained at once: on threads of this process with one BLAS thread each, or
    where joblib's backend says (``joblib.parallel_config("dask")``). None is one, unless in
    a ``parallel_config``.
refit : bool, str or callable, default=True
    As in scikit-learn's search. ``"ensemble"`` refits an ensemble of candidates, which
    greedy forward selection over their out-of-fold predictions chooses
    (:class:`EnsembleClassifier`, :class:`EnsembleRegressor`).
cv : int, CV splitter, iterable or None, default=None
    As in scikit-learn's search.
verbose : int, default=0
    As in scikit-learn's search.
pre_dispatch : int or str, default='2*n_jobs'
    As in scikit-learn's search.
error_score : 'raise' or float, default=nan
    As in scikit-learn's search. A candidate whose training becomes non-finite in a fold has it
    there.
return_train_score : bool, default=False
    As in scikit-learn's search.
refit_params : dict, default=None
    Values of parameters that the refit alone has, such as ``{{"n_members": 6}}``: candidates are
    then compared by one network each, and what is refitted has six. ``best_params_`` says nothing
    of them. Parameters that are searched are refused.
racing : bool, default=False
    Whether the worst candidates leave before the end (successive halving): after the first
    fold the best third of them by test score stays, after the middle one the best sixth by
    the mean so far, so that five folds take 40% of the fits. With one or two folds,
    candidates leave after a fifth and a half of the epochs instead. The scores of
    a candidate that left are NaN in the folds it was not in, its mean is that of the others,
    and it ranks behind those that stayed longer. ``cv_results_["left_epoch"]`` tells after
    how many epochs, over all folds, a candidate left; masked for those that stayed.
max_stack_bytes : int, default=None
    Memory that the stacks in training may take together, beside the table. None is a share of
    what is free on the device or the host.
max_time : float, default=None
    Seconds that the search may take, the refit included. Each fit gets its share of what is left
    (by ``max_iter`` times ``n_members``), as ``max_time`` of the estimators: it ends with what it
    has learned by then, and schedules that are planned over epochs are planned over what there is
    time for. What comes after it has at least one step. Scores then depend on the machine. Not for
    racing with one or two folds.
checkpoint : str or path-like, default=None
    A file that keeps the results of all fits that are done. A search that was killed goes on from
    it when ``fit`` is called again with the same data and parameters: no finished fit is repeated,
    and ``cv_results_`` is what it would have been. Racing with one or two folds has no result
    before all fits are done, and starts again until then. Files beside it, whose names begin like
    its own, keep where the stacks in training and the refit stand. It stays when the search is
    over; delete it then, and the one of the refit (``.refit``).
checkpoint_every : float, default=60.0
    Seconds between two writings of what is in training, at least. Results are written as they come.
stale_checkpoint : {{"raise", "set_aside"}}, default="raise"
    What to do with a file at ``checkpoint`` that is of another search, of another version, or
    damaged: raise an error, or rename it and begin anew.

Attributes
----------
ensemble_weights_ : ndarray of shape (n_candidates,)
    Weights of the candidates in the ensemble; with ``refit="ensemble"``.
ensemble_score_ : float
    Score of the ensemble's out-of-fold predictions, all rows at once; an optimistic one, since
    the weights were chosen by it. ``best_score_`` and ``best_params_`` are those of the best
    candidate alone.
cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, \
refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
    As in scikit-learn's search. Times in ``cv_results_`` are a job's share of the time of its
    stack.

Notes
-----
Networks of one stack may differ in
{fill(", ".join(f"``{name}``" for name in STACKED), 92)}.
Candidates that differ in other parameters are trained in stacks of their own;
``solver="lbfgs"`` one by one.
Where there are no steps before the network, all folds are row indices into one copy of X;
otherwise the steps are fitted once a fold and setting of theirs. A subclass with
methods of its own, such as ``fit`` or ``predict``, is fitted and scored by them, one
candidate and fold after the other.

Callbacks of the search hear of its progress in epochs of members. An estimator that has
callbacks itself is fitted by its own ``fit`` too, in which they run; the ``verbose`` of others
says nothing before the refit.
"""


@filled(shared=_SHARED)
class StackedGridSearchCV(SearchMethods, BaseStackedSearch, GridSearchCV):
    """Exhaustive search that trains the networks of all candidates and folds in stacks.

    scikit-learn's :class:`~sklearn.model_selection.GridSearchCV` in parameters, attributes and
    results, for :class:`MLPClassifier` and :class:`MLPRegressor`, alone or in Pipelines and
    TransformedTargetRegressors. With an integer ``random_state`` the scores are its own.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, or Pipeline or TransformedTargetRegressor of one
    param_grid : dict or list of dict
        Values to try by name of the parameter, as ``alpha`` or ``mlp__alpha``.
    {shared}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.model_selection import StackedGridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), learning_rate="cosine", max_iter=20, random_state=0)
    >>> grid = {"alpha": [1e-4, 1e-2, 1.0], "dropout": [0.0, 0.2]}
    >>> search = StackedGridSearchCV(model, grid, cv=3).fit(X, y)
    >>> search.best_params_["alpha"] < 1.0
    True
    """

    _parameter_constraints: dict = {**GridSearchCV._parameter_constraints, **_CONSTRAINTS}

    def __init__(
        self,
        estimator: Estimator,
        param_grid: Grid,
        *,
        scoring: Metrics = None,
        n_jobs: Integer | None = None,
        refit: Refit = True,
        cv: CrossValidation = None,
        verbose: Integer = 0,
        pre_dispatch: str | Integer = "2*n_jobs",
        error_score: ErrorScore = np.nan,
        return_train_score: Flag = False,
        refit_params: dict[str, Any] | None = None,
        racing: Flag = False,
        max_stack_bytes: Integer | None = None,
        max_time: Number | None = None,
        checkpoint: Path | None = None,
        checkpoint_every: Number = 60.0,
        stale_checkpoint: StaleCheckpoint = "raise",
    ) -> None:
        self.estimator, self.param_grid, self.scoring = estimator, param_grid, scoring
        self.n_jobs, self.refit, self.cv, self.verbose = n_jobs, refit, cv, verbose
        self.pre_dispatch, self.error_score = pre_dispatch, error_score
        self.return_train_score, self.refit_params = return_train_score, refit_params
        self.racing, self.max_stack_bytes, self.max_time = racing, max_stack_bytes, max_time
        self.checkpoint, self.checkpoint_every = checkpoint, checkpoint_every
        self.stale_checkpoint = stale_checkpoint

    def _parameters(self) -> list[dict[str, Any]]:
        return list(ParameterGrid(self.param_grid))


@filled(shared=_SHARED)
class StackedRandomizedSearchCV(SearchMethods, BaseStackedSearch, RandomizedSearchCV):
    """Randomized search that trains the networks of all candidates and folds in stacks.

    scikit-learn's :class:`~sklearn.model_selection.RandomizedSearchCV` in parameters, attributes
    and results; see :class:`StackedGridSearchCV`.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, or Pipeline or TransformedTargetRegressor of one
    param_distributions : dict or list of dict
        Lists or distributions to draw from, by name of the parameter.
    n_iter : int, default=10
        Number of candidates.
    random_state : int, RandomState instance or None, default=None
        Of the candidates that are drawn.
    {shared}

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.model_selection import StackedRandomizedSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), learning_rate="cosine", max_iter=20, random_state=0)
    >>> search = StackedRandomizedSearchCV(
    ...     model, {"alpha": loguniform(1e-5, 1.0)}, n_iter=8, cv=3, random_state=0
    ... ).fit(X, y)
    >>> len(search.cv_results_["params"])
    8
    """

    _parameter_constraints: dict = {**RandomizedSearchCV._parameter_constraints, **_CONSTRAINTS}

    def __init__(
        self,
        estimator: Estimator,
        param_distributions: Grid,
        *,
        n_iter: Integer = 10,
        scoring: Metrics = None,
        n_jobs: Integer | None = None,
        refit: Refit = True,
        cv: CrossValidation = None,
        verbose: Integer = 0,
        pre_dispatch: str | Integer = "2*n_jobs",
        random_state: Seed = None,
        error_score: ErrorScore = np.nan,
        return_train_score: Flag = False,
        refit_params: dict[str, Any] | None = None,
        racing: Flag = False,
        max_stack_bytes: Integer | None = None,
        max_time: Number | None = None,
        checkpoint: Path | None = None,
        checkpoint_every: Number = 60.0,
        stale_checkpoint: StaleCheckpoint = "raise",
    ) -> None:
        self.estimator, self.param_distributions, self.scoring = (
            estimator,
            param_distributions,
            scoring,
        )
        self.n_jobs, self.refit, self.cv, self.verbose = n_jobs, refit, cv, verbose
        self.pre_dispatch, self.error_score = pre_dispatch, error_score
        self.return_train_score, self.refit_params = return_train_score, refit_params
        self.racing, self.max_stack_bytes, self.max_time = racing, max_stack_bytes, max_time
        self.checkpoint, self.checkpoint_every = checkpoint, checkpoint_every
        self.stale_checkpoint = stale_checkpoint
        self.n_iter, self.random_state = n_iter, random_state

    def _parameters(self) -> list[dict[str, Any]]:
        own = self.param_distributions, self.n_iter
        return list(ParameterSampler(*own, random_state=self.random_state))
