"""What a search evaluates: candidates in folds, gathered to units of work."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from sknorm._sklearn import _BaseScorer, _MultimetricScorer, _num_samples, _PassthroughScorer
from sknorm._typing import Integer
from sknorm.backends import resolve
from sknorm.data.table import engine_table
from sknorm.estimators.fitted import shallow_copy
from sknorm.estimators.fitting import check_table_to_fit
from sknorm.model_selection.inputs import Fold, Once, taken

Results = list[dict[str, Any]]  # of jobs, in the form of scikit-learn's ``_fit_and_score``


@dataclass(frozen=True)
class Candidate:
    """A candidate, not fitted, and what its jobs need to know of it.

    Attributes
    ----------
    number : int
    parameters : dict
    model, network : estimator
        A Pipeline and its last step, or twice the same.
    names : frozenset of str
        The network's parameters.
    prefix : hashable or None
        What identifies the steps before the network, if there is anything to fit.
    stack : hashable
        What identifies the parameters that networks of one stack have in common; None of those
        that cannot be fitted.
    preparation : hashable
        What identifies those that the preparation of a table depends on.
    fault : Exception or None
        Why it cannot be fitted.
    alone : bool
        Whether its jobs are fitted one by one, because it has methods of its own.
    """

    number: int
    parameters: dict[str, Any]
    model: Any
    network: Any
    names: frozenset[str]
    prefix: Hashable
    stack: Hashable
    preparation: Hashable
    fault: Exception | None
    alone: bool

    @property
    def epochs(self) -> int:
        """Largest number of epochs of its training in a fold."""
        if self.fault is not None:
            return 0
        most = getattr(self.network, "max_iter", 1)  # of one with own methods it may be anything
        return max(1, int(most)) if isinstance(most, Integral) else 1


@dataclass(frozen=True)
class Job:
    """One candidate in one fold."""

    candidate: Candidate
    split: int

    @property
    def key(self) -> tuple[int, int]:
        """The numbers of the candidate and the fold."""
        return self.candidate.number, self.split


@dataclass(frozen=True)
class Unit:
    """Jobs that are done together: those of one stack, unless they turn out to differ.

    Attributes
    ----------
    jobs : list of Job
    epochs : int
        Largest number of epochs of each.
    prefix : Once or None
        Gives the :class:`Inputs` of the fold that the jobs share; None takes rows of the whole
        table.
    """

    jobs: list[Job]
    epochs: int
    prefix: Once | None = None

    @property
    def alone(self) -> bool:
        """Whether its jobs are fitted one by one."""
        return self.jobs[0].candidate.alone


@dataclass(frozen=True)
class Context:
    """What all jobs of a search have in common.

    Attributes
    ----------
    estimator : estimator
        Not fitted.
    splits : list of (ndarray, ndarray)
        Training and test rows of each fold.
    fit_params, score_params : dict
        Of all rows.
    scorer : callable
    return_train_score : bool
    error_score : "raise" or float
    keeps_predictions : bool
        Whether results hold the predictions for the test rows.
    max_stack_bytes : int or None
        What one stack may take; None is a share of the memory that is free.
    threads : int
        Units that are trained side by side.
    alive : int
        Stacks that are in memory at once.
    """

    estimator: Any
    splits: list[tuple[np.ndarray, np.ndarray]]
    fit_params: dict[str, Any]
    score_params: dict[str, Any]
    scorer: Any
    return_train_score: bool
    error_score: Any
    keeps_predictions: bool
    max_stack_bytes: Integer | None
    threads: int = 1
    alive: int = 1

    def __sizeof__(self) -> int:
        """With the rows of the folds: by this dask knows that it is to be sent once."""
        rows = sum(train.nbytes + test.nbytes for train, test in self.splits)
        return super().__sizeof__() + rows

    def fold(self, split: int) -> Fold:
        """Rows of a fold, and what ``fit`` is given."""
        return Fold(*self.splits[split], self.fit_params)

    @property
    def scores_networks(self) -> bool:
        """Whether scorers only ask for predictions, so that a Pipeline's network will do."""
        scorer = self.scorer
        all_of_them = (
            scorer._scorers.values() if isinstance(scorer, _MultimetricScorer) else [scorer]
        )
        return all(isinstance(each, _BaseScorer | _PassthroughScorer) for each in all_of_them)

    def failure(self, job: Job, text: str, seconds: float = 0.0) -> dict[str, Any]:
        """The result of a job that failed, for a reason that the text tells."""
        result = {"job": job, "fit_error": text, "unfinished": False}
        result |= {"fit_time": seconds, "score_time": 0.0, "test_scores": self._failed_score()}
        if self.return_train_score:
            result["train_scores"] = self._failed_score()
        return result

    def _failed_score(self) -> Any:
        """What stands for the scores of a job that failed."""
        if isinstance(self.scorer, _MultimetricScorer):
            return dict.fromkeys(self.scorer._scorers, self.error_score)
        return self.error_score


class Checked(NamedTuple):
    """A table that was checked.

    Attributes
    ----------
    checked : array of shape (N, n_features), or sparse in CSR format
    engine : object
        The same as kernels take it.
    header : dict
        The attributes about columns that scikit-learn sets.
    given : table
        As it was.
    """

    checked: Any
    engine: Any
    header: dict[str, Any]
    given: Any

    def headed(self, network: Any) -> Any:
        """A copy of a network that knows the columns."""
        new = shallow_copy(network)
        for name, value in self.header.items():
            setattr(new, name, value)
        return new


class Table:
    """The whole table as the networks of a backend take it, made once.

    Parameters
    ----------
    X : table
    """

    def __init__(self, X: Any) -> None:
        self.X = X
        self._made: dict[str, Any] = {}

    def __call__(
        self, network: Any, splits: Sequence[tuple[np.ndarray, np.ndarray]] = ()
    ) -> Checked:
        """The table for a network; rows that no fold trains on may be any.

        Raises
        ------
        ValueError
            If a row that a fold trains on is malformed.
        """
        name = network.backend
        if name not in self._made:
            try:
                self._made[name] = self._make(network, splits)
            except ValueError as error:
                self._made[name] = error
        if isinstance(made := self._made[name], ValueError):
            raise made.with_traceback(None)
        return made

    def _make(self, network: Any, splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> Checked:
        try:
            return self._checked(network, self.X)
        except ValueError:
            return self._checked(network, taken(self.X, self._usable(splits)))

    @staticmethod
    def _checked(network: Any, X: Any) -> Checked:
        checked, header = check_table_to_fit(network, X)
        if isinstance(checked, np.ndarray):
            checked = np.ascontiguousarray(checked)
        backend = resolve(checked, network.backend, network.matmul_precision)
        return Checked(checked, engine_table(backend, checked), header, X)

    def _usable(self, splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """All rows, with one that is trained on in the places of those that are not."""
        trained = np.unique(np.concatenate([np.zeros(0, int), *(train for train, _ in splits)]))
        order = np.full(_num_samples(self.X), trained[0] if len(trained) else 0)
        order[trained] = trained
        return order

    def __getstate__(self) -> dict[str, Any]:
        return {"X": None, "_made": {}}  # X is sent by itself, and once
