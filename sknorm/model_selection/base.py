"""What searches share that train all candidates in all folds as stacks of networks."""

import re
import time
import warnings
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import (
    check_cv,
)
from sklearn.utils import get_tags, indexable

from sknorm._documentation_links import DocumentationLinks
from sknorm._inherited import _fit_context
from sknorm._pickling import VersionedPickle
from sknorm._sklearn import (
    BaseSearchCV,
    _check_method_params,
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
    scorers_by_name,
)
from sknorm._warnings import warn
from sknorm.backends import collect
from sknorm.estimators.repeated_warnings import told_once
from sknorm.model_selection.context import SETTINGS, Context, splits_of
from sknorm.model_selection.folds import check_stackable
from sknorm.model_selection.journal import Journal
from sknorm.model_selection.plan import Candidates, candidates_of
from sknorm.model_selection.race import race, run, share_out
from sknorm.model_selection.results import (
    Key,
    Results,
    announce,
    completed,
    left_epochs,
    rank_survivors_first,
    warn_of_fits,
)
from sknorm.model_selection.selection import (
    add_likes,
    check_averageable,
    check_scorer,
    refitted,
    select,
)
from sknorm.model_selection.time_shares import work_of
from sknorm.training.budget import within
from sknorm.training.checkpoint import checkpointing


class BaseStackedSearch(DocumentationLinks, VersionedPickle, BaseSearchCV):
    """``fit`` of the stacked searches, which list their ``_parameters``; all else is theirs."""

    _page_module = "sknorm.model_selection"
    ensemble_weights_: np.ndarray
    ensemble_score_: float

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Train and score all candidates in all folds, and refit the best one.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
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
            If the estimator, or a candidate's, has no network of sknorm in it.
        ValueError
            If a candidate names a parameter that does not exist, if all fits failed, or if
            ``max_stack_bytes`` is too small for one network.
        KeyboardInterrupt
            If the user interrupts the search. ``cv_results_`` then holds what was finished, as it
            does where anything else ends the search: the loss of a worker process, or an error
            under ``error_score="raise"``, with a note of how many fits that is.
        """
        started = time.perf_counter()
        check_stackable(self.estimator)
        X, y = indexable(collect(X), collect(y))
        params = _check_method_params(X, params={k: collect(each) for k, each in params.items()})
        weight = params.get("sample_weight")
        given = {"X": X, "y": y, "metadata": None if weight is None else {"sample_weight": weight}}
        root = self._init_callback_context(max_subtasks=1 + (self.refit is not False))
        root.call_on_fit_task_begin(estimator=self, **given)
        drawn = self._parameters()  # before the folds, which may come from the same generator
        context = self._context(X, y, params)
        candidates = candidates_of(clone(self.estimator), drawn)
        if not candidates or not context.splits:
            raise ValueError("There is nothing to fit: no candidates, or no folds.")
        final = self._for_refit(candidates)
        if context.keeps_predictions:
            check_averageable(candidates)
            check_averageable(final)
        if self.max_time is not None:
            context = replace(context, time=share_out(self, context, candidates, final, started))
        journal = None if self.checkpoint is None else Journal.of(self, context, candidates)
        if journal is not None:
            add_likes(list(journal.known.values()), candidates, context)
            context = replace(context, parts=journal.parts, known=journal.known)
        with told_once(UndefinedMetricWarning):  # which scorers give in each epoch of each fit
            results = self._search(context, candidates, root, journal)
        self._settle(results, candidates, context.scorer)
        if self.refit:
            task = root.subcontext(task_name="refit-with-best-params")
            self._refit(context, final, results, task, given, journal)
        if journal is not None:
            journal.parts.sweep()
        root.call_on_fit_task_end(estimator=self, **given)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = get_tags(self.estimator).input_tags.allow_nan
        return tags

    def _context(self, X: Any, y: Any, params: dict[str, Any]) -> Context:
        """What all fits have in common."""
        scorer, _ = self._get_scorers()
        routed = self._get_routed_params_for_fit(params)
        cv = self._checked_cv_orig = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = splits_of(cv, X, y, routed.splitter.split)
        self.n_splits_ = len(splits)
        given = X, y, splits, routed.estimator.fit, routed.scorer.score, scorer
        settings = {name: getattr(self, name) for name in SETTINGS}
        return Context(*given, keeps_predictions=self.refit == "ensemble", **settings)

    def _search(
        self, context: Context, candidates: Candidates, root: Any, journal: Journal | None
    ) -> Results:
        """Results of all jobs that are done, by candidate and then by fold."""
        folds, count, progress = self.n_splits_, len(candidates), context.progress
        if self.verbose > 0:
            total = folds * count
            print(f"Fitting {folds} folds for each of {count} candidates, totalling {total} fits")
        progress.begin(self, root, folds * sum(candidate.epochs for candidate in candidates))
        results: dict[Key, dict[str, Any]] = {}
        unchecked = context.keeps_predictions
        try:
            racing = race(context, candidates, self.refit) if self.racing else None
            for done in racing or run(context, candidates, range(folds)):
                results.update((result["key"], result) for result in done)
                if journal is not None:
                    journal.add(done)
                if context.time is not None:
                    context.time.finish(work_of(candidates[each["key"][0]] for each in done))
                announce(done, candidates, folds, self.verbose)
                several = [each["test_scores"] for each in done if callable(self.scoring)]
                for each in (each for each in several if isinstance(each, dict)):
                    self._check_refit_for_multimetric(each)
                unchecked = unchecked and not check_scorer(done, context)
        except BaseException as fault:
            progress.stopped = True  # what other threads train is of no use any more
            if results:
                self._keep_finished(list(results.values()), candidates, fault)
            raise
        progress.end()
        return [results[key] for key in sorted(results)]

    def _settle(self, results: Results, candidates: Candidates, scorer: Any) -> None:
        """Set what the search has found."""
        _warn_or_raise_about_fit_failures(results, self.error_score)
        warn_of_fits(results)
        table = self._table(results, candidates, partial=bool(self.racing))
        self._forget()
        self.multimetric_ = isinstance(results[0]["test_scores"], dict)
        metric = self.refit if self.multimetric_ else "score"
        if self.racing:
            left = left_epochs(results, candidates, self.n_splits_)
            rank_survivors_first(table, left, results, self.n_splits_)
        self.scorer_ = scorers_by_name(scorer) or scorer
        self.cv_results_ = table
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, metric, table)
            if not callable(self.refit):
                self.best_score_ = table[f"mean_test_{metric}"][self.best_index_]
            self.best_params_ = table["params"][self.best_index_]

    def _table(self, results: Results, candidates: Candidates, partial: bool) -> Any:
        """``cv_results_``, with NaN of the jobs that have no result."""
        if callable(self.scoring):
            _insert_error_scores(results, self.error_score)
        parameters = [candidate.parameters for candidate in candidates]
        everything = completed(results, len(candidates), self.n_splits_)
        with warnings.catch_warnings():
            if partial:
                warnings.filterwarnings("ignore", "One or more of the (test|train) scores")
            return self._format_results(parameters, self.n_splits_, everything)

    def _forget(self) -> None:
        """Remove what an earlier search has found; the number of splits is of this one."""
        for name in [each for each in vars(self) if re.fullmatch("(?!n_splits)[a-z].*_", each)]:
            delattr(self, name)

    def _keep_finished(
        self, results: Results, candidates: Candidates, fault: BaseException
    ) -> None:
        """Set ``cv_results_`` of a search that has ended early; the rest counts as failed."""
        self._forget()
        self.cv_results_ = self._table(results, candidates, partial=True)
        interrupted = isinstance(fault, KeyboardInterrupt)
        text = (
            f"The search {'was interrupted' if interrupted else 'ended'} after {len(results)} of "
            f"{len(candidates) * self.n_splits_} fits: cv_results_ holds their scores, with NaN "
            "for the rest. Nothing was refitted."
        )
        if interrupted:
            warn(text)
        else:
            fault.add_note(text)

    def _for_refit(self, candidates: Candidates) -> Candidates:
        """The candidates, by their numbers, with the parameters that the refit alone has."""
        own = self.refit_params or {}
        if not own:
            return candidates
        if not self.refit:
            raise ValueError("refit_params is given, but refit=False: nothing would have them.")
        for each in candidates:
            if both := sorted(own.keys() & each.parameters.keys()):
                raise ValueError(
                    f"refit_params sets {both[0]!r}, which is searched: the model that is refitted "
                    "would not be the one that was found. Leave it out of one of them."
                )
        final = candidates_of(clone(self.estimator), [{**c.parameters, **own} for c in candidates])
        for before, after in zip(candidates, final, strict=True):
            if after.fault is not None and before.fault is None:
                raise after.fault
        return final

    def _refit(
        self,
        context: Context,
        candidates: Candidates,
        results: Results,
        task: Any,
        given: dict,
        journal: Journal | None,
    ) -> None:
        """Fit the best candidate, or the best ensemble of them, to all rows."""
        started, several = time.time(), self.refit == "ensemble"
        best: Any = None if several else clone(candidates[self.best_index_].model)
        with nullcontext() if several else task.propagate_callback_context(best):
            task.call_on_fit_task_begin(estimator=self, **given)
            if several:
                self.ensemble_weights_, self.ensemble_score_ = select(results, candidates, context)
                best = refitted(context, candidates, self.ensemble_weights_)
            else:
                kept = None if journal is None else journal.of_refit()
                own = [candidates[self.best_index_]]
                with within(context.refitting(own).granted(own)), checkpointing(kept):
                    best.fit(context.X, context.y, **context.fit_params)
        self.best_estimator_, self.refit_time_ = best, time.time() - started
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_
        task.call_on_fit_task_end(estimator=self, **given)
