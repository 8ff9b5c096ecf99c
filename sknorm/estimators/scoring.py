"""Validation scores by scikit-learn's scorers, and by whatever else is called as they are."""

import copy
import inspect
from numbers import Number
from typing import Any, NoReturn
from warnings import WarningMessage

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import check_scoring

from sknorm._sklearn import _BaseScorer, _PassthroughScorer
from sknorm.backends import fetched
from sknorm.data.coded import CodedTable
from sknorm.data.dataset import TrainingData
from sknorm.data.rows import Rows
from sknorm.data.table import View, materialize, take
from sknorm.estimators.overflow import predicts_numbers
from sknorm.estimators.repeated_warnings import RepeatedWarnings
from sknorm.network.network import Network
from sknorm.objective.units import hold_weights

_HEAVIEST = 256  # exponent of weights whose products with squares of targets stay in float64
# Of numbers; a scorer raises them because predictions are infinite, or because it is wrong.
_NUMERICAL = (ValueError, ArithmeticError)
# Of which another one with a longer message is the same.
_PLAIN = (
    *(ValueError, TypeError, AttributeError, LookupError, IndexError, AssertionError),
    *(RuntimeError, NotImplementedError, ZeroDivisionError, FloatingPointError, OverflowError),
)


class HeldOutScore:
    """Scores of a stack by the estimator's ``scoring``, member by member on its own rows.

    Where predictions are not finite, and the scorer raises or returns what is not, there is no
    score: NaN. Scorers that take no weights score without.

    Parameters
    ----------
    estimator : fitted estimator
        Its network is any, and is not asked.
    rows : Rows
    data : TrainingData
        The same rows as the engine reads them.
    held : int64 array of shape (K, n)
        Held-out rows of each member of the whole stack.
    continued : bool
        Whether training goes on from an earlier fit, whose weights are scored first.
    """

    def __init__(
        self, estimator: Any, rows: Rows, data: TrainingData, held: np.ndarray, continued: bool
    ) -> None:
        self.estimator, self.y, self.data, self.rows = estimator, rows.y, data, held
        self.X = rows.X if isinstance(rows.X, View | CodedTable) else fetched(rows.X)
        self.scorer = check_scoring(estimator, scoring=estimator.scoring)
        self.weight = None
        if rows.weight is not None and takes_weights(self.scorer):
            self.weight = hold_weights(rows.weight, most=_HEAVIEST)
        self.warnings = RepeatedWarnings()
        self.epochs = np.full(len(held), -1 if continued else 0)
        self.remarks: dict[int, str] = {}

    def __call__(self, stack: Network, active: list[int]) -> np.ndarray:
        """Scores (K,) of the active members, which ``stack`` holds."""
        values = [self._score(stack.take([k]), member) for k, member in enumerate(active)]
        return np.array(values, dtype=np.float64)

    def reason(self, member: int) -> str:
        """Why none of a member's scores was finite, and what to do."""
        remark = self.remarks.get(member, "no epoch was scored")
        if remark == _OVERFLOW:
            return _OVERFLOW
        y = self.y[self.rows[member]]
        kinds, count = np.unique(y).tolist(), len(y)
        if count == 1:
            cause = "there is one held-out row only"
        elif y.ndim == 1 and len(kinds) == 1:
            what = "class" if is_classifier(self.estimator) else "value of y"
            cause = f"the {count} held-out rows hold one {what} only, {kinds[0]!r}"
        else:
            cause = remark
        return (
            f"{cause}. Hold out other rows (validation_fraction, groups, X_val), or use another "
            "scoring, such as 'loss'."
        )

    def _score(self, network: Network, member: int) -> float:
        held = self.rows[member]  # copied again each time, not held as often as there are members
        view = copy.copy(self.estimator)
        view._fitted = view._fitted.having(network)
        X = materialize(take(self.X, held))
        if not isinstance(X, CodedTable):
            X = fetched(X)  # scorers know one library at a time
        self.epochs[member] += 1
        try:
            with np.errstate(over="ignore", invalid="ignore"), self.warnings.held_back() as caught:
                value = _as_number(self._call(view, X, held))
        except Exception as error:
            if isinstance(error, _NUMERICAL) and not predicts_numbers(view, X):
                self.remarks[member] = _OVERFLOW
                return np.nan
            self._raise(error, member)
        if np.isfinite(value):
            self.warnings.tell(caught)
        else:
            self._remark(member, caught, view, X)
        return value

    def _call(self, view: Any, X: Any, held: np.ndarray) -> Any:
        if self.weight is None:
            return self.scorer(view, X, self.y[held])
        try:
            return self.scorer(view, X, self.y[held], sample_weight=self.weight[held])
        except (TypeError, ValueError) as error:
            if not any(words in str(error) for words in ("sample_weight", "keyword argument")):
                raise
            value = self.scorer(view, X, self.y[held])
            self.weight = None  # its signature did not tell that it takes none
            return value

    def _remark(self, member: int, caught: list[WarningMessage], view: Any, X: Any) -> None:
        """Note why a score is none when it first is, and pass on other warnings of the scorer."""
        about = [
            w for w in caught if issubclass(w.category, UndefinedMetricWarning | RuntimeWarning)
        ]
        self.warnings.tell(w for w in caught if w not in about)
        if member in self.remarks:
            return
        said = f', saying "{about[0].message}"' if about else ""
        own = f"the scorer returned NaN or infinity{said}"
        self.remarks[member] = own if predicts_numbers(view, X) else _OVERFLOW

    def _raise(self, error: Exception, member: int) -> NoReturn:
        """Raise a scorer's own error with the call that it is of."""
        epoch = min(int(self.epochs[member]), self.estimator.max_iter)
        name = scoring_name(self.estimator.scoring)
        text = f"{name} failed on the held-out rows in epoch {epoch}: {error}"
        if type(error) in _PLAIN:
            raise type(error)(text) from error
        error.add_note(text)
        raise error


_OVERFLOW = (
    "the predictions of the held-out rows were not finite. Use a norm, scale the data, look for "
    "outliers among those rows, or lower learning_rate_init."
)


def takes_weights(scorer: Any) -> bool:
    """Whether a scorer accepts ``sample_weight``, as far as can be told without a call."""
    function = scorer
    if isinstance(scorer, _BaseScorer):
        refused = scorer.get_metadata_routing().score.requests.get("sample_weight") is False
        if refused or "sample_weight" in scorer._kwargs:
            return False
        function = scorer._score_func
    elif isinstance(scorer, _PassthroughScorer):
        function = scorer._estimator.score
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of compiled functions
        return True
    named = any(p.name == "sample_weight" and p.kind is not p.POSITIONAL_ONLY for p in parameters)
    return named or any(p.kind is p.VAR_KEYWORD for p in parameters)


def scoring_name(scoring: Any) -> str:
    """The parameter and its value as a message shows it."""
    if scoring is None or isinstance(scoring, str):
        return f"scoring={scoring!r}"
    text = getattr(scoring, "__name__", None) or repr(scoring)
    return f"scoring={text if len(text) <= 80 else type(scoring).__name__}"


def _as_number(value: Any) -> float:
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()
    if not isinstance(value, Number):
        raise TypeError(f"a scorer must return a number, got {value!r}.")
    return float(value)  # type: ignore[arg-type]
