"""The names that scikit-learn does not promise to keep, in one place: nothing else imports such.

With each, why the promised names do not do. A release of scikit-learn that changes one of them is
dealt with here.
"""

from typing import Any

from sklearn.base import _fit_context  # checks parameters before a fit; its own estimators use it
from sklearn.metrics._scorer import (
    _BaseScorer,  # one that asks for predictions only, so that a Pipeline's network will do
    _MultimetricScorer,  # several scorers in one, by name
    _PassthroughScorer,  # the estimator's own `score`
    _Scorer,  # what `make_scorer` makes, for one that reads the fitted model
)
from sklearn.model_selection._search import BaseSearchCV  # all of a search but its fit
from sklearn.model_selection._validation import (
    _insert_error_scores,  # scores of failed fits, in the form of the others
    _score,  # a score, or what `error_score` says, with the checks and words of a search
    _warn_or_raise_about_fit_failures,  # the words about failed fits
)
from sklearn.utils import _safe_indexing  # rows of tables of any kind
from sklearn.utils._array_api import check_same_namespace  # refuses tables of another device
from sklearn.utils._metadata_requests import _routing_enabled  # whether users route metadata
from sklearn.utils._param_validation import (  # what parameters may be, declared
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._repr_html.fitted_attributes import AttrsDict  # a table of its diagram
from sklearn.utils.multiclass import _check_partial_fit_first_call  # errors about `classes`
from sklearn.utils.validation import (
    _check_feature_names,  # parts of `validate_data`, for tables that it takes to the host
    _check_method_params,  # parameters of fit with one entry a row
    _check_n_features,
    _check_sample_weight,  # row weights with the errors of scikit-learn's
    _get_feature_names,  # names of columns, of data frames of any library
    _make_indexable,  # what `_safe_indexing` takes
    _num_features,  # numbers of columns and rows of whatever a user passes
    _num_samples,
)


def has_callbacks(estimator: object) -> bool:
    """Whether a user has set callbacks, without which their tasks need not be made."""
    return bool(getattr(estimator, "_skl_callbacks", []))


def scorers_by_name(scorer: Any) -> dict[str, Any] | None:
    """The scorers of several in one; None of a single one."""
    return scorer._scorers if isinstance(scorer, _MultimetricScorer) else None


__all__ = [
    "AttrsDict",
    "BaseSearchCV",
    "HasMethods",
    "Interval",
    "Options",
    "StrOptions",
    "_BaseScorer",
    "_PassthroughScorer",
    "_Scorer",
    "_check_feature_names",
    "_check_method_params",
    "_check_n_features",
    "_check_partial_fit_first_call",
    "_check_sample_weight",
    "_fit_context",
    "_get_feature_names",
    "_insert_error_scores",
    "_make_indexable",
    "_num_features",
    "_num_samples",
    "_routing_enabled",
    "_safe_indexing",
    "_score",
    "_warn_or_raise_about_fit_failures",
    "check_same_namespace",
    "has_callbacks",
    "scorers_by_name",
    "validate_parameter_constraints",
]
