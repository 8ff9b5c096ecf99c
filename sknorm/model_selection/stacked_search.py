"""Searches that train all candidates in all folds as stacks of networks."""

import time
import warnings
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
    check_cv,
)
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils import indexable
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_method_params, _num_features, _num_samples

from sknorm.model_selection.evaluation import Context
from sknorm.model_selection.execution import Execution
from sknorm.model_selection.inputs import check_stackable
from sknorm.model_selection.planning import candidates_of
from sknorm.model_selection.progress import Progress
from sknorm.model_selection.racing import left_epochs, rank_survivors_first

_CONSTRAINTS: dict[str, list] = {
    "racing": ["boolean"],
    "max_stack_bytes": [Interval(Integral, 1, None, closed="left"), None],
}


class _StackedSearch(BaseSearchCV):
    """``fit`` of the stacked searches; all else is scikit-learn's."""

    racing: bool
    max_stack_bytes: int | None

    def _candidates(self) -> list[dict[str, Any]]:
        """Parameters of all candidates."""
        raise NotImplementedError

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Train and score all candidates in all folds, and refit the best one.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            On the host or on a device.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        **params : dict of str -> object
            Parameters of the estimator's ``fit``, of the scorers and of the splitter, as in
            :meth:`sklearn.model_selection.GridSearchCV.fit`. Those with one entry a row are split
            with the rows; ``groups`` goes to the splitter.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError
            If the estimator, or a candidate's, is not a network of sknorm or a Pipeline that
            ends in one.
        ValueError
            If a candidate names a parameter that does not exist, if all fits failed, or if
            ``max_stack_bytes`` is too small for one network.
        KeyboardInterrupt
            If the user interrupts the search. ``cv_results_`` then holds what was finished.
        """
        check_stackable(self.estimator)
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        weight = params.get("sample_weight")
        given = {"X": X, "y": y, "metadata": None if weight is None else {"sample_weight": weight}}
        root = self._init_callback_context(max_subtasks=1 + (self.refit is not False))
        root.call_on_fit_task_begin(estimator=self, **given)
        splits = self._splits(X, y, routed.splitter.split)
        context = Context(
            estimator=clone(self.estimator), splits=splits,
            fit_params=routed.estimator.fit, score_params=routed.scorer.score, scorer=scorers,
            return_train_score=self.return_train_score, error_score=self.error_score,
            keeps_predictions=self.refit == "ensemble", max_stack_bytes=self.max_stack_bytes,
        )  # fmt: skip
        candidates = self._candidates()
        results = self._search(X, y, context, candidates, root)
        self._settle(results, candidates, scorers, refit_metric)
        if self.refit:
            self._refit(X, y, context, results, root, given)
        root.call_on_fit_task_end(estimator=self, **given)
        return self

    def _splits(self, X: Any, y: Any, split_params: dict[str, Any]) -> list[tuple]:
        """Training and test rows of each fold."""
        cv = self._checked_cv_orig = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self.n_splits_ = cv.get_n_splits(X, y, **split_params)
        order = np.arange(_num_samples(X))  # makes row numbers of masks and of negative ones
        splits = [
            (order[np.asarray(train)], order[np.asarray(test)])
            for train, test in cv.split(X, y, **split_params)
        ]
        if len(splits) != self.n_splits_:
            raise ValueError(
                f"cv.split gives {len(splits)} splits, but cv.get_n_splits {self.n_splits_}; they "
                "must agree."
            )
        return splits

    def _search(
        self, X: Any, y: Any, context: Context, candidates: list[dict[str, Any]], root: Any
    ) -> list[dict[str, Any]]:
        """Results of all jobs, by candidate and then by fold."""
        if not candidates or not context.splits:
            raise ValueError("There is nothing to fit: no candidates, or no folds.")
        folds, count = self.n_splits_, len(candidates)
        if self.verbose > 0:
            total = folds * count
            print(f"Fitting {folds} folds for each of {count} candidates, totalling {total} fits")
        made = candidates_of(context.estimator, candidates)
        progress = Progress()
        progress.begin(self, root, folds * sum(each.network.max_iter for each in made))
        execution = Execution(
            X, y, context, made, _width(X), self.n_jobs, self.pre_dispatch, progress
        )
        results: dict[tuple[int, int], dict[str, Any]] = {}
        try:
            for done in execution.race(self._ranking()) if self.racing else execution.search():
                self._announce(done)
                results.update((result["job"].key, result) for result in done)
        except KeyboardInterrupt:
            progress.stopped = True
            self._keep_finished(results, candidates)
            raise
        progress.end()
        return [results[key] for key in sorted(results)]

    def _ranking(self) -> str | None:
        """The score that candidates are ranked by in a race, of several."""
        scorers, metric = self._get_scorers()
        if not isinstance(scorers, _MultimetricScorer):
            return None
        if metric not in scorers._scorers:
            raise ValueError(
                "racing=True ranks the candidates by one score: set refit to the name of it, got "
                f"refit={self.refit!r}."
            )
        return metric

    def _settle(
        self,
        results: list[dict[str, Any]],
        candidates: list[dict[str, Any]],
        scorers: Any,
        refit_metric: str,
    ) -> None:
        """Set what the search has found."""
        _warn_or_raise_about_fit_failures(results, self.error_score)
        if unfinished := sum(result["unfinished"] for result in results):
            warnings.warn(
                f"In {unfinished} of {len(results)} fits, max_iter was reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )
        if callable(self.scoring):
            _insert_error_scores(results, self.error_score)
        self.multimetric_ = isinstance(results[0]["test_scores"], dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(results[0]["test_scores"])
            refit_metric = self.refit
        table = self._table(results, candidates)
        self.scorer_ = scorers._scorers if isinstance(scorers, _MultimetricScorer) else scorers
        self.cv_results_ = table
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, table)
            if not callable(self.refit):
                self.best_score_ = table[f"mean_test_{refit_metric}"][self.best_index_]
            self.best_params_ = table["params"][self.best_index_]

    def _table(self, results: list[dict[str, Any]], candidates: list[dict[str, Any]]) -> Any:
        """``cv_results_``."""
        folds = self.n_splits_
        if not self.racing:
            return self._format_results(candidates, folds, results)
        found = {result["job"].key: result for result in results}
        keys = list(np.ndindex(len(candidates), folds))
        everything = [found.get(key) or _unfinished(results[0]) for key in keys]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "One or more of the (test|train) scores")
            table = self._format_results(candidates, folds, everything)
        rank_survivors_first(table, left_epochs(results, len(candidates), folds), folds)
        return table

    def _keep_finished(
        self,
        results: dict[tuple[int, int], dict[str, Any]],
        candidates: list[dict[str, Any]],
    ) -> None:
        """Set ``cv_results_`` of a search that was interrupted; the rest counts as failed."""
        if not results:
            return
        some = next(iter(results.values()))
        keys = list(np.ndindex(len(candidates), self.n_splits_))
        everything = [results.get(key) or _unfinished(some) for key in keys]
        self.cv_results_ = self._format_results(candidates, self.n_splits_, everything)
        warnings.warn(
            f"The search was interrupted after {len(results)} of {len(keys)} fits: cv_results_ "
            "holds their scores, with NaN for the rest. Nothing was refitted.",
            stacklevel=4,
        )

    def _announce(self, results: list[dict[str, Any]]) -> None:
        """Print a line about each job, as scikit-learn does."""
        if self.verbose < 2:
            return
        for result in results:
            job, scores = result["job"], result["test_scores"]
            fold = f" {job.split + 1}/{self.n_splits_}" if self.verbose > 2 else ""
            chosen = job.candidate.parameters
            told = [", ".join(f"{name}={chosen[name]}" for name in sorted(chosen))]
            if self.verbose > 2:
                named = scores if isinstance(scores, dict) else {"score": scores}
                told += [f"{name}={value:.3f}" for name, value in named.items()]
            seconds = result["fit_time"] + result["score_time"]
            print(f"[CV{fold}] END {'; '.join(told)}; total time={seconds:5.1f}s")

    def _refit(
        self,
        X: Any,
        y: Any,
        context: Context,
        results: list[dict[str, Any]],
        root: Any,
        given: dict[str, Any],
    ) -> None:
        """Fit the best candidate, or the best ensemble of them, to all rows."""
        task = root.subcontext(task_name="refit-with-best-params")
        started = time.time()
        best = clone(context.estimator).set_params(**clone(self.best_params_, safe=False))
        with task.propagate_callback_context(best):
            task.call_on_fit_task_begin(estimator=self, **given)
            best.fit(X, y, **context.fit_params)
        self.best_estimator_ = best
        self.refit_time_ = time.time() - started
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_
        task.call_on_fit_task_end(estimator=self, **given)


def _width(X: Any) -> int:
    """Columns of a table; 1 of what a Pipeline is yet to make columns of, such as text."""
    try:
        return int(_num_features(X))
    except TypeError:
        return 1


def _unfinished(like: dict[str, Any]) -> dict[str, Any]:
    """The result of a job that never ended, with NaN for all that another has."""

    def nothing(value: Any) -> Any:
        return dict.fromkeys(value, np.nan) if isinstance(value, dict) else np.nan

    return {key: nothing(value) for key, value in like.items()}


class StackedGridSearchCV(_StackedSearch, GridSearchCV):
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
        Whether the worst candidates leave before the end (successive halving): after fold i of n,
        the best ``(1 - i / n) / 2`` of them by mean test score stay, so that five folds take 40%
        of the fits. With one or two folds, candidates leave between epochs instead. The scores of
        a candidate that left are NaN in the folds it was not in, its mean is that of the others,
        and it ranks behind those that stayed longer. ``cv_results_["left_epoch"]`` tells after
        how many epochs, over all folds, a candidate left; masked for those that stayed.
    max_stack_bytes : int, default=None
        Memory that the stacks in training may take together, beside the table. None is a share of
        what is free on the device or the host.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, \
            refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in scikit-learn's search. Times in ``cv_results_`` are a job's share of the time of its
        stack.

    Notes
    -----
    Parameters that networks of one stack may differ in are ``alpha``, ``l1_ratio``, ``dropout``,
    ``input_dropout``, ``input_noise``, ``mixup_alpha``, ``label_smoothing``,
    ``learning_rate_init``, ``norm_momentum``, ``random_state`` and ``class_weight``. Candidates
    that differ in others are trained in stacks of their own; ``solver="lbfgs"`` one by one.
    Where a Pipeline has nothing to fit before the network, all folds are row indices into one
    copy of X; otherwise its steps are fitted once a fold and setting of theirs.

    Callbacks of the search hear of its progress in epochs of members; callbacks of the estimator
    run in the refit only, and its ``verbose`` says nothing before it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.model_selection import StackedGridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), max_iter=50, tol=1e-3, random_state=0)
    >>> grid = {"alpha": [1e-4, 1e-2, 1.0], "dropout": [0.0, 0.2]}
    >>> search = StackedGridSearchCV(model, grid, cv=3).fit(X, y)
    >>> search.best_params_["alpha"] < 1.0
    True
    """

    _parameter_constraints: dict = {**GridSearchCV._parameter_constraints, **_CONSTRAINTS}

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
        racing=False,
        max_stack_bytes=None,
    ):
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


class StackedRandomizedSearchCV(_StackedSearch, RandomizedSearchCV):
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
        Whether the worst candidates leave before the end (successive halving): after fold i of n,
        the best ``(1 - i / n) / 2`` of them by mean test score stay, so that five folds take 40%
        of the fits. With one or two folds, candidates leave between epochs instead. The scores of
        a candidate that left are NaN in the folds it was not in, its mean is that of the others,
        and it ranks behind those that stayed longer. ``cv_results_["left_epoch"]`` tells after
        how many epochs, over all folds, a candidate left; masked for those that stayed.
    max_stack_bytes : int, default=None
        Memory that the stacks in training may take together, beside the table. None is a share of
        what is free on the device or the host.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, \
            refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in scikit-learn's search. Times in ``cv_results_`` are a job's share of the time of its
        stack.

    Notes
    -----
    Parameters that networks of one stack may differ in are ``alpha``, ``l1_ratio``, ``dropout``,
    ``input_dropout``, ``input_noise``, ``mixup_alpha``, ``label_smoothing``,
    ``learning_rate_init``, ``norm_momentum``, ``random_state`` and ``class_weight``. Candidates
    that differ in others are trained in stacks of their own; ``solver="lbfgs"`` one by one.
    Where a Pipeline has nothing to fit before the network, all folds are row indices into one
    copy of X; otherwise its steps are fitted once a fold and setting of theirs.

    Callbacks of the search hear of its progress in epochs of members; callbacks of the estimator
    run in the refit only, and its ``verbose`` says nothing before it.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.model_selection import StackedRandomizedSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), max_iter=50, tol=1e-3, random_state=0)
    >>> search = StackedRandomizedSearchCV(
    ...     model, {"alpha": loguniform(1e-5, 1.0)}, n_iter=8, cv=3, random_state=0
    ... ).fit(X, y)
    >>> len(search.cv_results_["params"])
    8
    """

    _parameter_constraints: dict = {**RandomizedSearchCV._parameter_constraints, **_CONSTRAINTS}

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=10,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
        racing=False,
        max_stack_bytes=None,
    ):
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
