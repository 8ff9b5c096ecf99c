"""Searches that train all candidates in all folds as stacks of networks."""

from typing import Any

import numpy as np
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
)

from sknorm._inherited import SearchMethods
from sknorm._typing import (
    CrossValidation,
    ErrorScore,
    Estimator,
    Flag,
    Grid,
    Integer,
    Metrics,
    Refit,
    Seed,
)
from sknorm.model_selection.base_search import CONSTRAINTS, BaseStackedSearch


class StackedGridSearchCV(SearchMethods, BaseStackedSearch, GridSearchCV):
    """Exhaustive search that trains the networks of all candidates and folds in stacks.

    scikit-learn's :class:`~sklearn.model_selection.GridSearchCV` in parameters, attributes and
    results, for :class:`MLPClassifier` and :class:`MLPRegressor`, alone or at the end of a
    Pipeline. With an integer ``random_state`` the scores are those of scikit-learn's search.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, or Pipeline that ends in one
    param_grid : dict or list of dict
        Values to try by name of the parameter, as ``alpha`` or ``mlp__alpha``.
    scoring, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in scikit-learn's search. ``refit="ensemble"`` refits an ensemble of candidates, which
        greedy forward selection over their out-of-fold predictions chooses
        (:class:`EnsembleClassifier`, :class:`EnsembleRegressor`). A candidate whose training
        becomes non-finite in a fold has ``error_score`` there.
    n_jobs : int, default=None
        Stacks that are trained at once: on threads of this process with one BLAS thread each, or
        where joblib's backend says (``joblib.parallel_config("dask")``). None is one, unless in
        a ``parallel_config``.
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

    Attributes
    ----------
    ensemble_weights_ : ndarray of shape (n_candidates,)
        Weights of the candidates in the ensemble; with ``refit="ensemble"``.
    ensemble_score_ : float
        Score of the ensemble's out-of-fold predictions, all rows at once; an optimistic one, since
        the weights were chosen by it. ``best_score_`` and ``best_params_`` are those of the best
        candidate alone.
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_
        As in scikit-learn's search. Times in ``cv_results_`` are a job's share of the time of its
        stack.
    n_splits_, refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in scikit-learn's search.

    Notes
    -----
    Parameters that networks of one stack may differ in are ``alpha``, ``l1_ratio``, ``dropout``,
    ``input_dropout``, ``input_noise``, ``mixup_alpha``, ``label_smoothing``,
    ``learning_rate_init``, ``norm_momentum``, ``random_state`` and ``class_weight``. Candidates
    that differ in others are trained in stacks of their own; ``solver="lbfgs"`` one by one.
    Where a Pipeline has nothing to fit before the network, all folds are row indices into one
    copy of X; otherwise its steps are fitted once a fold and setting of theirs. A subclass with
    methods of its own, such as ``fit`` or ``predict``, is fitted and scored by them, one
    candidate and fold after the other.

    Callbacks of the search hear of its progress in epochs of members; callbacks of the estimator
    run in the refit only, and its ``verbose`` says nothing before it.

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

    param_grid: Grid
    ensemble_weights_: np.ndarray
    ensemble_score_: float
    _parameter_constraints: dict = {**GridSearchCV._parameter_constraints, **CONSTRAINTS}

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
        racing: Flag = False,
        max_stack_bytes: Integer | None = None,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.racing = racing
        self.max_stack_bytes = max_stack_bytes

    def _candidates(self) -> list[dict[str, Any]]:
        return list(ParameterGrid(self.param_grid))


class StackedRandomizedSearchCV(SearchMethods, BaseStackedSearch, RandomizedSearchCV):
    """Randomized search that trains the networks of all candidates and folds in stacks.

    scikit-learn's :class:`~sklearn.model_selection.RandomizedSearchCV` in parameters, attributes
    and results; see :class:`StackedGridSearchCV`.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, or Pipeline that ends in one
    param_distributions : dict or list of dict
        Lists or distributions to draw from, by name of the parameter.
    n_iter : int, default=10
        Number of candidates.
    random_state : int, RandomState instance or None, default=None
        Of the candidates that are drawn.
    scoring, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in scikit-learn's search. ``refit="ensemble"`` refits an ensemble of candidates, which
        greedy forward selection over their out-of-fold predictions chooses
        (:class:`EnsembleClassifier`, :class:`EnsembleRegressor`). A candidate whose training
        becomes non-finite in a fold has ``error_score`` there.
    n_jobs : int, default=None
        Stacks that are trained at once: on threads of this process with one BLAS thread each, or
        where joblib's backend says (``joblib.parallel_config("dask")``). None is one, unless in
        a ``parallel_config``.
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

    Attributes
    ----------
    ensemble_weights_ : ndarray of shape (n_candidates,)
        Weights of the candidates in the ensemble; with ``refit="ensemble"``.
    ensemble_score_ : float
        Score of the ensemble's out-of-fold predictions, all rows at once; an optimistic one, since
        the weights were chosen by it. ``best_score_`` and ``best_params_`` are those of the best
        candidate alone.
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_
        As in scikit-learn's search. Times in ``cv_results_`` are a job's share of the time of its
        stack.
    n_splits_, refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in scikit-learn's search.

    Notes
    -----
    Parameters that networks of one stack may differ in are ``alpha``, ``l1_ratio``, ``dropout``,
    ``input_dropout``, ``input_noise``, ``mixup_alpha``, ``label_smoothing``,
    ``learning_rate_init``, ``norm_momentum``, ``random_state`` and ``class_weight``. Candidates
    that differ in others are trained in stacks of their own; ``solver="lbfgs"`` one by one.
    Where a Pipeline has nothing to fit before the network, all folds are row indices into one
    copy of X; otherwise its steps are fitted once a fold and setting of theirs. A subclass with
    methods of its own, such as ``fit`` or ``predict``, is fitted and scored by them, one
    candidate and fold after the other.

    Callbacks of the search hear of its progress in epochs of members; callbacks of the estimator
    run in the refit only, and its ``verbose`` says nothing before it.

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

    param_distributions: Grid
    n_iter: Integer
    random_state: Seed
    ensemble_weights_: np.ndarray
    ensemble_score_: float
    _parameter_constraints: dict = {**RandomizedSearchCV._parameter_constraints, **CONSTRAINTS}

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
        racing: Flag = False,
        max_stack_bytes: Integer | None = None,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.racing = racing
        self.max_stack_bytes = max_stack_bytes

    def _candidates(self) -> list[dict[str, Any]]:
        sampler = ParameterSampler(
            self.param_distributions, self.n_iter, random_state=self.random_state
        )
        return list(sampler)
