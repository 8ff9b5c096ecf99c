"""What our classes inherit from scikit-learn, with types: its own sources have none.

Where a program runs, the decorators are scikit-learn's and the classes empty.
"""

from typing import TYPE_CHECKING, Any, Self

from sknorm._typing import Strict

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from sknorm._typing import (
        CrossValidation,
        ErrorScore,
        F,
        Flag,
        Integer,
        Metrics,
        Numbers,
        Refit,
        Request,
    )

    def _fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[F], F]: ...

    def with_callbacks(method: F) -> F: ...

    def available_if(check: Callable[[Any], bool]) -> Callable[[F], F]: ...

    class EstimatorMethods:
        """Methods of all estimators."""

        def get_params(self, deep: bool = True) -> dict[str, Any]: ...

        def set_params(self, **params: Any) -> Self: ...

        def get_metadata_routing(self) -> Any: ...

        def _validate_params(self) -> None: ...

    class Callbacks:
        """Methods of estimators that run callbacks."""

        def set_callbacks(self, *callbacks: Any) -> Self: ...

        def _init_callback_context(
            self,
            task_name: str = ...,
            task_id: Any = ...,
            max_subtasks: int | None = ...,
            sequential_subtasks: bool = ...,
        ) -> Any: ...

    class Scored(Strict):
        """Methods of estimators that score themselves, with row weights."""

        def score(self, X: Any, y: Any, sample_weight: Numbers | None = None) -> float: ...

        def set_score_request(self, *, sample_weight: Request = ...) -> Self: ...

    class NetworkMethods(EstimatorMethods, Callbacks):
        """Methods of the networks."""

        def set_fit_request(
            self,
            *,
            sample_weight: Request = ...,
            X_val: Request = ...,
            y_val: Request = ...,
            sample_weight_val: Request = ...,
            groups: Request = ...,
        ) -> Self: ...

    class ClassifierMethods(Scored):
        """Methods of the classifier."""

        def set_partial_fit_request(
            self, *, classes: Request = ..., sample_weight: Request = ...
        ) -> Self: ...

        def set_predict_proba_request(
            self, *, return_std: Request = ..., n_samples: Request = ...
        ) -> Self: ...

    class RegressorMethods(Scored):
        """Methods of the regressor."""

        def set_partial_fit_request(self, *, sample_weight: Request = ...) -> Self: ...

        def set_predict_request(
            self, *, return_std: Request = ..., n_samples: Request = ...
        ) -> Self: ...

    class EnsembleMethods(EstimatorMethods):
        """Methods of the ensembles."""

        def set_fit_request(self, *, sample_weight: Request = ...) -> Self: ...

    class SearchMethods(EstimatorMethods, Callbacks, Strict):
        """Parameters, methods and fitted attributes of the searches."""

        estimator: Any
        scoring: Metrics
        n_jobs: Integer | None
        refit: Refit
        cv: CrossValidation
        verbose: Integer
        pre_dispatch: str | Integer
        error_score: ErrorScore
        return_train_score: Flag

        best_estimator_: Any
        best_index_: int
        best_params_: dict[str, Any]
        best_score_: float
        cv_results_: dict[str, Any]
        feature_names_in_: np.ndarray
        multimetric_: bool
        n_splits_: int
        refit_time_: float
        scorer_: Any

        @property
        def classes_(self) -> np.ndarray: ...

        @property
        def n_features_in_(self) -> int: ...

        def score(self, X: Any, y: Any = None, **params: Any) -> float: ...

        def predict(self, X: Any) -> np.ndarray: ...

        def predict_proba(self, X: Any) -> np.ndarray: ...

        def predict_log_proba(self, X: Any) -> np.ndarray: ...

else:
    from sklearn.callback import with_callbacks
    from sklearn.utils.metaestimators import available_if

    from sknorm._sklearn import _fit_context

    class NetworkMethods: ...

    class ClassifierMethods: ...

    class RegressorMethods: ...

    class Scored: ...

    class EnsembleMethods: ...

    class SearchMethods: ...


__all__ = [
    "ClassifierMethods",
    "EnsembleMethods",
    "NetworkMethods",
    "RegressorMethods",
    "Scored",
    "SearchMethods",
    "_fit_context",
    "available_if",
    "with_callbacks",
]
