"""What the classifier and the regressor share: a ``fit`` and a ``partial_fit`` read top-down."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.callback import CallbackSupportMixin

from sknorm._documentation_links import DocumentationLinks
from sknorm._inherited import NetworkMethods, _fit_context, with_callbacks
from sknorm._pickling import VersionedPickle
from sknorm._typing import Integer, Numbers
from sknorm.data import checks
from sknorm.data.rows import Rows
from sknorm.data.table import resolve_table
from sknorm.data.targets import Target
from sknorm.estimators import attributes, diagram, recipe
from sknorm.estimators.combinations import check_combination
from sknorm.estimators.fitted import Fitted, adopted, fitted_of
from sknorm.estimators.fitting import plan_training, seeded
from sknorm.estimators.overflow import check_finite, warn_if_infinite
from sknorm.estimators.plain_state import from_state, plain_state
from sknorm.estimators.predictive import Predictive, check_table, predict_few, predictive
from sknorm.estimators.preparing import prepare
from sknorm.estimators.reporting import Reporter
from sknorm.estimators.stages import Given, HeldOut
from sknorm.network.network import Network
from sknorm.training.budget import budget_of
from sknorm.training.checkpoint import checkpoint_of


class BaseMLP(NetworkMethods, CallbackSupportMixin, DocumentationLinks, VersionedPickle, ABC):
    """Parameters, training and raw predictions of the multi-layer perceptrons."""

    _fitted: Fitted
    _learned: ClassVar[tuple[str, ...]] = (
        *("_fitted", "n_features_in_", "input_mean_", "input_scale_", "history_", "n_iter_", "t_"),
        *("loss_", "loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_"),
    )

    history_: dict[str, list[Any]]
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    n_iter_: int
    timed_out_: bool
    t_: int
    input_mean_: np.ndarray
    input_scale_: np.ndarray
    n_features_in_: int
    feature_names_in_: np.ndarray

    @abstractmethod
    def _check_target(self, y: Any) -> Any:
        """Targets of a kind that the estimator learns, as an array."""

    @abstractmethod
    def _weigh(self, rows: Rows, given: Given) -> np.ndarray | None:
        """Row weights, class weights included."""

    @abstractmethod
    def _learn_target(self, rows: Rows, given: Given) -> Target:
        """What the targets say of the task."""

    @abstractmethod
    def _go_on_with(self, target: Any) -> Target:
        """The target of a fitted model under the loss that the parameters ask for now."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Numbers | None = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Numbers | None = None,
        groups: Any = None,
    ) -> Self:
        """Fit the networks to a table and its targets.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Numbers, text, booleans and categories, of which some may be missing, in a data frame
            of pandas, polars or PyArrow, or an array. Sparse tables (CSR, CSC) hold numbers, none
            of them missing, and are never made dense as a whole, only a batch at a time.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels of any sortable type, a label indicator matrix, or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss, in the statistics of the norms and in early
            stopping. A row of weight 2 counts as two equal rows, a row of weight zero is
            left out.
        X_val, y_val : like X and y, default=None
            Held-out rows that are scored after each epoch. Early stopping watches them in
            place of a part of X, unless ``early_stopping=False``: then the scores are recorded
            only.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of the held-out rows.
        groups : array-like of shape (n_samples,), default=None
            Groups that the split for early stopping keeps together.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or if X, y or the weights are malformed; the
            message names the parameter or column and says what to do.
        """
        budget = budget_of(self.max_time)
        how = self.checkpoint, self.checkpoint_every, self.stale_checkpoint
        checkpoint = checkpoint_of(*how)
        check_combination(recipe.resolved(self))
        checks.check_pair(X_val, y_val, sample_weight_val)
        given = Given(X, y, sample_weight, groups)
        previous = self._fitted if self.warm_start and self.__sklearn_is_fitted__() else None
        prepared = prepare(self, given, previous)
        held = HeldOut(X_val, y_val, sample_weight_val)
        training, task = plan_training(seeded(self, checkpoint), prepared, previous, held)
        task.budget, task.checkpoint = budget, checkpoint
        reporter = Reporter(self, training, given)
        outcome = task.run(reporter)
        model = training.model
        with adopted(self, attributes.of_outcome(model, training, outcome, task.rows)):
            attributes.warn_if_unfinished(model, outcome)
            attributes.warn_if_unscored(model, outcome)
            warn_if_infinite(self, prepared.rows.X)
            reporter.close(outcome)
        return self

    @property
    def member_seeds_(self) -> np.ndarray:
        """``random_state`` of each member alone; there with several members only."""
        if not (seeds := self._fitted.member_seeds if self.__sklearn_is_fitted__() else ()):
            raise AttributeError("member_seeds_ is there after fitting several members.")
        return np.array(seeds)

    @property
    def resolved_params_(self) -> dict[str, Any]:
        """Values of the parameters that may be ``"auto"``, as the model was trained."""
        return dict(fitted_of(self).resolved)

    @property
    def n_bins_(self) -> np.ndarray:
        """Bins of each column, (n_features,): 0 of categories, and of numbers as they are."""
        columns = fitted_of(self).columns
        counts = np.zeros(columns.kinds.n_features, dtype=np.int64)
        if columns.bins is not None:
            counts[columns.kinds.numeric] = columns.bins.counts
        return counts

    @property
    def member_weights_(self) -> np.ndarray:
        """Shares of the members in predictions, (n_members,)."""
        fitted = fitted_of(self)
        count = fitted.network.members
        return np.array(fitted.weights) if fitted.weights else np.full(count, 1.0 / count)

    @property
    def member_params_(self) -> list[dict[str, float]]:
        """What each member has drawn from ``member_space``, a list of dicts."""
        fitted = fitted_of(self)
        members = range(fitted.network.members)
        return [{name: values[k] for name, values in fitted.drawn.items()} for k in members]

    @property
    def network_(self) -> Network:
        """The fitted stack: weights as trained, and the statistics of its norms."""
        return fitted_of(self).network

    @property
    def n_layers_(self) -> int:
        """Number of layers, input and output included."""
        return len(self.network_.architecture.sizes)

    @property
    def n_outputs_(self) -> int:
        """Number of outputs."""
        return fitted_of(self).target.n_outputs

    @property
    def out_activation_(self) -> str:
        """Output activation."""
        return fitted_of(self).target.loss.output_activation

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights of the equivalent plain network, a list of (fan_in, fan_out) arrays.

        Norms and the scaling of inputs and targets are folded in, so that the usual forward
        pass over ``coefs_``, ``intercepts_``, ``resolved_params_["activation"]`` and
        ``out_activation_`` gives the predictions; with ``residual``, hidden layers of the width of
        the one before add its output to theirs. Under layer norm, which does not fold, the
        weights as trained; with categories, with embedded numbers, and under ``scaling='robust'``,
        those of the first layer are for inputs as the network sees them. With several members,
        arrays of shape (n_members, fan_in, fan_out).
        """
        return attributes.plain_network(fitted_of(self))[0]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of the equivalent plain network, a list of (fan_out,) arrays; see ``coefs_``."""
        return attributes.plain_network(fitted_of(self))[1]

    @property
    def sparsity_(self) -> np.ndarray:
        """Share of exact zeros among the weights of each layer, (n_layers - 1,)."""
        return attributes.sparsity(self.network_)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Norm of each feature's outgoing weights, (n_features,), scaled to a sum of one.

        Of the first layer with its norm folded in, for inputs as the network sees them
        (standardized under a norm), averaged over the members. Of a category, the norm of the
        standard deviation, over the training rows, of what it adds to the units of the first
        layer. Exactly zero for a feature whose weights are all zero, as the group lasso makes them,
        and for one that was constant in training and is scaled.
        """
        return attributes.importances(fitted_of(self))

    def _predict(
        self, X: Any, method: str, with_std: bool = False, n_samples: Integer | None = None
    ) -> Predictive:
        """Predictions and their spread before they are decoded, where they were computed."""
        if n_samples is None and not with_std:
            mean = predict_few(self, X)
            if mean is not None:
                return Predictive(mean, None)
        checked = check_table(self, X, method)
        backend = resolve_table(checked, self.backend, self.matmul_precision)
        found = predictive(self._fitted, backend, checked, n_samples, with_std)
        check_finite(self._fitted, checked, found.mean)
        return found

    def _takes_partial_fits(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers; solver='lbfgs' is not."
            )
        return True

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted")

    def __getstate__(self) -> dict[str, Any]:
        """Plain values on the host: a model fitted on a device loads where there is none."""
        return plain_state(self, super().__getstate__())

    def _restored(self, state: dict[str, Any], version: str) -> dict[str, Any]:
        return super()._restored(from_state(self, state), version)

    _get_fitted_attr_html = diagram.fitted_attributes  # of scikit-learn's diagram
    __copy__ = attributes.copied
    __sklearn_array_api_convert__ = attributes.moved

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.array_api_support = True
        return tags
