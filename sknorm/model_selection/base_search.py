"""What the stacked searches share: ``fit`` read top-down, and its results."""

import time
import warnings
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.model_selection import (
    check_cv,
)
from sklearn.utils import indexable

from sknorm._inherited import _fit_context
from sknorm._pickling import VersionedPickle
from sknorm._sklearn import (
    BaseSearchCV,
    Interval,
    _check_method_params,
    _insert_error_scores,
    _MultimetricScorer,
    _num_samples,
    _warn_or_raise_about_fit_failures,
)
from sknorm._typing import Flag, Integer
from sknorm._warnings import warn
from sknorm.backends import collect
from sknorm.estimators.repeated_warnings import told_once
from sknorm.model_selection.evaluation import Context
from sknorm.model_selection.execution import Execution
from sknorm.model_selection.inputs import check_stackable
from sknorm.model_selection.planning import candidates_of
from sknorm.model_selection.progress import Progress
from sknorm.model_selection.racing import left_epochs, rank_survivors_first
from sknorm.model_selection.results import completed, shown, told
from sknorm.model_selection.selection import (
    check_averageable,
    check_scorer,
    refitted,
    select,
)

CONSTRAINTS: dict[str, list] = {
    "racing": ["boolean"],
    "max_stack_bytes": [Interval(Integral, 1, None, closed="left"), None],
}
# What a search that has ended early has not.
_FOUND = (
    "best_estimator_", "best_index_", "best_params_", "best_score_", "refit_time_",
    "ensemble_weights_", "ensemble_score_", "feature_names_in_", "multimetric_", "scorer_",
)  # fmt: skip


class BaseStackedSearch(VersionedPickle, BaseSearchCV):
    """``fit`` of the stacked searches; all else is scikit-learn's."""

    racing: Flag
    max_stack_bytes: Integer | None

    def _candidates(self) -> list[dict[str, Any]]:
        """Parameters of all candidates."""
        raise NotImplementedError

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
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
            If the user interrupts the search. ``cv_results_`` then holds what was finished, as it
            does where anything else ends the search: the loss of a worker process, or an error
            under ``error_score="raise"``, with a note of how many fits that is.
        """
        check_stackable(self.estimator)
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(collect(X), collect(y))
        params = {name: collect(value) for name, value in params.items()}
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
        parameters = self._candidates()
        candidates = candidates_of(context.estimator, parameters)
        if not candidates or not splits:
            raise ValueError("There is nothing to fit: no candidates, or no folds.")
        if context.keeps_predictions:
            check_averageable(candidates)
        execution = Execution(X, y, context, candidates, self.n_jobs, self.pre_dispatch, Progress())
        with told_once(UndefinedMetricWarning):  # which scorers give in each epoch of each fit
            results = self._search(execution, parameters, root)
        self._settle(results, parameters, scorers, refit_metric)
        if self.refit:
            self._refit(execution, results, root, given)
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
        self, execution: Execution, parameters: list[dict[str, Any]], root: Any
    ) -> list[dict[str, Any]]:
        """Results of all jobs that are done, by candidate and then by fold."""
        folds, count = self.n_splits_, len(parameters)
        if self.verbose > 0:
            total = folds * count
            print(f"Fitting {folds} folds for each of {count} candidates, totalling {total} fits")
        progress = execution.progress
        epochs = sum(candidate.epochs for candidate in execution.candidates)
        progress.begin(self, root, folds * epochs)
        results: dict[tuple[int, int], dict[str, Any]] = {}
        unchecked = execution.context.keeps_predictions
        try:
            for done in execution.race(self._ranking()) if self.racing else execution.search():
                results.update((result["job"].key, result) for result in done)
                self._announce(done)
                self._check_refit(done)
                if unchecked:
                    unchecked = not check_scorer(done, execution.context, execution.y)
        except BaseException as fault:
            progress.stopped = True  # what other threads train is of no use any more
            self._keep_finished(results, parameters, fault)
            raise
        progress.end()
        return [results[key] for key in sorted(results)]

    def _check_refit(self, results: list[dict[str, Any]]) -> None:
        """Refuse a ``refit`` that cannot choose by what a callable scores, as soon as it has."""
        for result in results if callable(self.scoring) else []:
            if isinstance(result["test_scores"], dict):
                self._check_refit_for_multimetric(result["test_scores"])

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
            warn(
                f"In {unfinished} of {len(results)} fits, max_iter was reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
            )
        if unscored := [text for result in results if (text := result.get("unscored"))]:
            warn(f"In {len(unscored)} of {len(results)} fits, {unscored[0]}")
        if callable(self.scoring):
            _insert_error_scores(results, self.error_score)
        self.multimetric_ = isinstance(results[0]["test_scores"], dict)
        if callable(self.scoring) and self.multimetric_:
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
            return self._format_results(candidates, folds, [shown(each) for each in results])
        found = {result["job"].key: result for result in results}
        everything = completed(found, len(candidates), folds)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "One or more of the (test|train) scores")
            table = self._format_results(candidates, folds, everything)
        rank_survivors_first(table, left_epochs(results, len(candidates), folds), folds)
        return table

    def _keep_finished(
        self,
        results: dict[tuple[int, int], dict[str, Any]],
        candidates: list[dict[str, Any]],
        fault: BaseException,
    ) -> None:
        """Set ``cv_results_`` of a search that has ended early; the rest counts as failed."""
        if not results:
            return
        for name in _FOUND:  # by an earlier search
            self.__dict__.pop(name, None)
        if callable(self.scoring):
            _insert_error_scores(list(results.values()), self.error_score)
        everything = completed(results, len(candidates), self.n_splits_)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "One or more of the (test|train) scores")
            self.cv_results_ = self._format_results(candidates, self.n_splits_, everything)
        interrupted = isinstance(fault, KeyboardInterrupt)
        text = (
            f"The search {'was interrupted' if interrupted else 'ended'} after {len(results)} of "
            f"{len(everything)} fits: cv_results_ holds their scores, with NaN for the rest. "
            "Nothing was refitted."
        )
        if interrupted:
            warn(text)
        else:
            fault.add_note(text)

    def _announce(self, results: list[dict[str, Any]]) -> None:
        """Print a line about each job, as scikit-learn does."""
        if self.verbose < 2:
            return
        for result in results:
            job = result["job"]
            fold = f" {job.split + 1}/{self.n_splits_}" if self.verbose > 2 else ""
            chosen = job.candidate.parameters
            words = [", ".join(f"{name}={chosen[name]}" for name in sorted(chosen))]
            if self.verbose > 2:
                words += told(result["test_scores"], result.get("train_scores"))
            seconds = result["fit_time"] + result["score_time"]
            print(f"[CV{fold}] END {'; '.join(words)}; total time={seconds:5.1f}s")

    def _refit(
        self, execution: Execution, results: list[dict[str, Any]], root: Any, given: dict[str, Any]
    ) -> None:
        """Fit the best candidate, or the best ensemble of them, to all rows."""
        task = root.subcontext(task_name="refit-with-best-params")
        started = time.time()
        if self.refit == "ensemble":
            task.call_on_fit_task_begin(estimator=self, **given)
            best = self._ensemble(execution, results)
        else:
            context = execution.context
            best = clone(context.estimator).set_params(**clone(self.best_params_, safe=False))
            with task.propagate_callback_context(best):
                task.call_on_fit_task_begin(estimator=self, **given)
                best.fit(execution.X, execution.y, **context.fit_params)
        self.best_estimator_ = best
        self.refit_time_ = time.time() - started
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_
        task.call_on_fit_task_end(estimator=self, **given)

    def _ensemble(self, execution: Execution, results: list[dict[str, Any]]) -> Any:
        """The ensemble of candidates that scores best out of fold."""
        context, candidates = execution.context, execution.candidates
        weights, score = select(results, candidates, context, execution.y)
        self.ensemble_weights_, self.ensemble_score_ = weights, score
        return refitted(execution, weights)
