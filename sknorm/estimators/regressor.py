"""The regressor."""

from numbers import Real
from typing import Any, Literal, Self, overload

import numpy as np
from array_api_compat import array_namespace
from sklearn.utils import column_or_1d

from sknorm import validation
from sknorm._inherited import RegressorMethods, _fit_context, available_if
from sknorm._sklearn import Interval, StrOptions
from sknorm._typing import (
    Activation,
    BackendName,
    BatchSize,
    ComputeDtype,
    Flag,
    FlagOrAuto,
    Integer,
    LayerSizes,
    LearningRate,
    Normalization,
    NormStatistics,
    Number,
    Numbers,
    Precision,
    Scoring,
    Seed,
    Solver,
    ValidationFraction,
)
from sknorm.backends import in_kind
from sknorm.estimators.attributes import shallow_copy
from sknorm.estimators.base import BaseMLP
from sknorm.estimators.documentation import documented
from sknorm.estimators.drafts import Draft
from sknorm.estimators.incremental import Progress, TakenBackError
from sknorm.estimators.increments import train_on
from sknorm.estimators.predictive import predictive
from sknorm.estimators.quantiles import ScoredRegressor
from sknorm.estimators.rows import Rows
from sknorm.estimators.target_units import (
    SPOILT_FROM,
    TargetUnits,
    express,
    renewed,
    wild_value,
)
from sknorm.objective.losses import REGRESSION, Loss, LossName, Quantile
from sknorm.objective.penalties import PenaltyName

_LARGEST = 1.5e308  # of y: predictions may be somewhat beyond all targets


@documented
class MLPRegressor(RegressorMethods, ScoredRegressor, BaseMLP):
    """Multi-layer perceptron regressor with batch norm, dropout and an elastic-net penalty.

    {algorithm}

    The loss of a row is summed over the outputs. With a norm, targets are standardized as well
    (see ``standardize_target``), and J is in their units.

    Parameters
    ----------
    {losses}
    {parameters}
    standardize_target : bool or 'auto', default='auto'
        Whether to train on targets in units of their own, so that step sizes and alpha mean the
        same in any unit: of weighted mean 0 and deviation 1, or of median 0 and normalized
        interquartile range 1 under the losses that are robust against outliers, or of mean 1
        under those with a log link. 'auto' does so with a norm, not without.
    quantile : float or list of float, default=0.5
        Level or increasing levels in (0, 1) that ``loss='quantile'`` estimates; several at once
        share the network, and add an axis to the predictions.
    huber_delta : float, default=1.35
        Where ``loss='huber'`` turns from squared to absolute, in the units of training.
    {tail}

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of shape (n_outputs,)
        What the targets were shifted by and divided by.
    {attributes}

    See Also
    --------
    MLPClassifier : The same networks for class labels.
    sklearn.neural_network.MLPRegressor : scikit-learn's, without norms and dropout.

    References
    ----------
    See :class:`MLPClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.model_selection import train_test_split
    >>> from sknorm import MLPRegressor
    >>> X, y = make_friedman1(n_samples=1000, noise=0.5, random_state=0)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = MLPRegressor(hidden_layer_sizes=(64, 64), learning_rate="cosine", max_iter=100,
    ...                      random_state=0)
    >>> model.fit(X_train, y_train).score(X_test, y_test) > 0.9
    True
    """

    target_mean_: np.ndarray
    target_scale_: np.ndarray
    _parameter_constraints: dict = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(set(REGRESSION))],
        "standardize_target": [StrOptions({"auto"}), "boolean"],
        "quantile": [Real, "array-like"],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        loss: LossName = "squared_error",
        hidden_layer_sizes: LayerSizes = (100,),
        activation: Activation = "relu",
        *,
        solver: Solver = "adam",
        alpha: Number = 1e-4,
        batch_size: BatchSize = "auto",
        learning_rate: LearningRate = "constant",
        learning_rate_init: Number = 1e-3,
        power_t: Number = 0.5,
        max_iter: Integer = 200,
        shuffle: Flag = True,
        random_state: Seed = None,
        tol: Number = 1e-4,
        verbose: Flag | Integer = False,
        warm_start: Flag = False,
        momentum: Number = 0.9,
        nesterovs_momentum: Flag = True,
        early_stopping: FlagOrAuto = "auto",
        validation_fraction: ValidationFraction = 0.1,
        beta_1: Number = 0.9,
        beta_2: Number = 0.999,
        epsilon: Number = 1e-8,
        n_iter_no_change: Number = 10,
        max_fun: Integer = 15000,
        normalization: Normalization = "batch",
        norm_momentum: Number = 0.1,
        norm_epsilon: Number = 1e-5,
        norm_affine: Flag = True,
        norm_statistics: NormStatistics = "running",
        ghost_batch_size: Integer = 64,
        dropout: Number = 0.0,
        input_dropout: Number = 0.0,
        input_noise: Number = 0.0,
        mixup_alpha: Number = 0.0,
        residual: Flag = False,
        swa_fraction: Number = 0.0,
        penalty: PenaltyName = "elasticnet",
        l1_ratio: Number = 0.0,
        standardize_target: FlagOrAuto = "auto",
        quantile: Number | Numbers = 0.5,
        huber_delta: Number = 1.35,
        scoring: Scoring = "loss",
        max_grad_norm: Number | None = None,
        n_members: Integer = 1,
        backend: BackendName = "auto",
        matmul_precision: Precision = "highest",
        dtype: ComputeDtype = "auto",
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.normalization = normalization
        self.norm_momentum = norm_momentum
        self.norm_epsilon = norm_epsilon
        self.norm_affine = norm_affine
        self.norm_statistics = norm_statistics
        self.ghost_batch_size = ghost_batch_size
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.input_noise = input_noise
        self.mixup_alpha = mixup_alpha
        self.residual = residual
        self.swa_fraction = swa_fraction
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.standardize_target = standardize_target
        self.quantile = quantile
        self.huber_delta = huber_delta
        self.scoring = scoring
        self.max_grad_norm = max_grad_norm
        self.n_members = n_members
        self.backend = backend
        self.matmul_precision = matmul_precision
        self.dtype = dtype

    @available_if(BaseMLP._takes_partial_fits)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Numbers | None = None) -> Self:
        """Train for one epoch over the given rows, from where the last call ended.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter needs to know all rows or steps of training in advance.

        Notes
        -----
        Columns are standardized by the statistics of all rows seen so far. Targets keep the units
        of the first call until these no longer fit those of all calls (another deviation by a
        factor of two, say); the outputs are then put into units that do, with the same
        predictions, and the optimizer starts anew. A call either counts or, where it fails, is
        interrupted or comes to weights that are not finite, leaves the model as it was.

        The state of the optimizer, the order of the rows and the dropout masks go on from call to
        call: with ``shuffle=False``, k calls with the same rows are a ``fit`` of k epochs. After
        ``fit``, the optimizer starts anew. Batch and ghost norm have no statistics of one row: a
        call with a single row keeps it for the next.
        """
        train_on(Draft(self), X, y, sample_weight)
        return self

    @overload
    def predict(
        self, X: Any, return_std: Literal[False] = False, n_samples: Integer | None = None
    ) -> np.ndarray: ...

    @overload
    def predict(
        self, X: Any, return_std: Literal[True], n_samples: Integer | None = None
    ) -> tuple[np.ndarray, np.ndarray]: ...

    @overload
    def predict(
        self, X: Any, return_std: bool, n_samples: Integer | None = None
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]: ...

    def predict(
        self, X: Any, return_std: bool = False, n_samples: Integer | None = None
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predict targets, averaged over the members.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the spread over the members, or over the dropout masks, as well.
        n_samples : int or None, default=None
            Number of Monte-Carlo samples with dropout as in training (Gal and Ghahramani,
            2016); None predicts without.

        Returns
        -------
        y : ndarray of shape (n_samples,), (n_samples, n_outputs), (n_samples, n_quantiles) or \
                (n_samples, n_outputs, n_quantiles)
            In the units of the training targets, of X's float dtype, or float64 where float32
            does not hold the targets (too large, too small, or far from zero beside their
            deviation). Several quantiles are
            sorted, so that they never cross (Chernozhukov et al., 2010, Quantile and
            probability curves without crossing).
        std : ndarray of the same shape
            Standard deviation over the members and masks; only with ``return_std``. It
            measures what the networks disagree on, not the noise of the targets.
        """
        model = shallow_copy(self)  # that no fit of another thread changes
        checked = model._checked(X, "predict")
        value, std = predictive(model, checked, n_samples, return_std, model._target_scaling())
        value, std = model._shaped(value, std)
        value = in_kind(value, X)
        return (value, in_kind(std, X)) if return_std else value

    def _shaped(self, value: Any, std: Any) -> tuple[Any, Any]:
        """Outputs (n, o) and their spread in the shape of the targets; quantiles in order."""
        xp, arrays = array_namespace(value), [value] if std is None else [value, std]
        if self._loss().adds_axis:
            shape = (value.shape[0], self.n_outputs_, -1)
            arrays = [xp.reshape(a, shape) for a in arrays]
            order = xp.argsort(arrays[0], axis=2, stable=True)
            arrays = [xp.take_along_axis(a, order, axis=2) for a in arrays]
        if self._single_output:
            arrays = [a[:, 0, ...] for a in arrays]
        return arrays[0], None if std is None else arrays[1]

    def _check_target(self, y: Any) -> np.ndarray:
        hint = "MLPRegressor learns numbers; for class labels, use MLPClassifier."
        y = validation.as_numbers(y, "y", hint)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return y

    def _weigh(self, rows: Rows, partial: bool) -> np.ndarray | None:
        return rows.weight

    def _learn_target(self, rows: Rows, partial: bool) -> None:
        self._single_output = rows.y.ndim == 1
        y = rows.y.reshape(len(rows), -1)
        self.n_outputs_ = y.shape[1]
        self._check_range(y, "y")
        standardize = self.standardize_target
        if standardize == "auto":
            standardize = self.normalization is not None
        location, scale = np.zeros(y.shape[1]), np.ones(y.shape[1])
        self._units_seen: TargetUnits | None = None
        if standardize:
            weight = rows.weights()
            location, scale = self._chosen_loss().target_units(y, weight)
            self._units_seen = TargetUnits.in_use(y, weight, location, scale)
            if partial:
                self._units_seen = TargetUnits.of(y, weight, self._chosen_loss())
                location, scale = self._units_seen.tamed(location, scale)
        self._pooled_units = self._units_seen
        self._set_target_units((location, scale), rows.like)

    def _set_target_units(self, units: tuple[np.ndarray, np.ndarray], like: Any) -> None:
        self._target_units = units
        self.target_mean_, self.target_scale_ = (in_kind(a, like) for a in units)

    def _without_outliers(self, target: np.ndarray) -> np.ndarray:
        if self._units_seen is None:
            return target
        return np.clip(target, -SPOILT_FROM, SPOILT_FROM)

    def _renew_units(self, rows: Rows, progress: Progress) -> None:
        """Pool the targets of all calls, and move to their units where the old ones do not fit.

        Predictions stay what they were, unless nothing of them would show in the new units.
        """
        if self._units_seen is None or self._pooled_units is None:
            return
        y, weight, loss = rows.y.reshape(len(rows), -1), rows.weights(), self._loss()
        if y.shape[1] != self.n_outputs_:
            return  # refused when it is encoded
        pooled = self._pooled_units.merged(TargetUnits.of(y, weight, loss), loss)
        if self._units_seen.are_outgrown_by(pooled):
            old, new = self._target_units, renewed(self._target_units, self._units_seen, pooled)
            start = loss.initial_bias((y - new[0]) / new[1], weight)
            express(progress.network, loss, old, new, start)
            progress.start_anew()
            self._units_seen = pooled
            self._set_target_units(new, rows.like)
        self._pooled_units = pooled
        location, scale = self._target_units
        if (value := wild_value(y, location, scale)) is not None:
            raise TakenBackError(
                f"met y={value:.3g}, far from all targets so far",
                "the weights before the call are kept",
                "Drop the row if the value stands for a missing one.",
            )

    def _check_same_outputs(self, chosen: Loss) -> None:
        fitted = self._loss()
        if chosen.output_activation != fitted.output_activation:
            raise ValueError(
                f"loss={self.loss!r} cannot go on from a model that was fitted with loss="
                f"{fitted.name!r}: its outputs mean something else. Set loss back, or fit "
                "a new estimator (warm_start=False)."
            )
        if chosen.outputs(1) != fitted.outputs(1) or chosen.adds_axis != fitted.adds_axis:
            raise ValueError(
                f"quantile={self.quantile!r} cannot go on from a model of another number of "
                "levels. Set quantile back, or fit a new estimator (warm_start=False)."
            )

    def _check_same_task(self, rows: Rows) -> None:
        """A change of the number of outputs is a change of the layers."""
        outputs = 1 if rows.y.ndim == 1 else rows.y.shape[1]
        if outputs != self.n_outputs_:
            raise ValueError(
                f"y has {outputs} outputs, but the model to go on with has {self.n_outputs_}. "
                "Pass targets of the same kind, or fit a new estimator."
            )

    def _encode(self, y: np.ndarray, dtype: Any, name: str = "y") -> np.ndarray:
        y = y.reshape(len(y), -1)
        if y.shape[1] != self.n_outputs_:
            raise ValueError(f"{name} has {y.shape[1]} outputs, expected {self.n_outputs_}.")
        self._check_range(y, name)
        location, scale = self._target_units
        with np.errstate(over="ignore"):  # looked into below
            encoded = np.ascontiguousarray((y - location) / scale, dtype=dtype)
        if not np.isfinite(encoded).all():
            row, target = (int(i[0]) for i in np.nonzero(~np.isfinite(encoded)))
            raise ValueError(
                f"{name} holds {y[row, target]:.3g} at row {row}, too far from the other targets "
                f"for {np.dtype(dtype).name}: they are trained on as (y - {location[target]:.3g}) "
                f"/ {scale[target]:.3g}. Rescale or drop it, or set dtype='float64' or "
                "standardize_target=True."
            )
        return encoded

    def _check_range(self, y: np.ndarray, name: str) -> None:
        """Refuse targets on which the loss is not defined."""
        largest = np.abs(y).max(initial=0.0)
        if largest > _LARGEST:
            raise ValueError(
                f"{name} reaches {largest:.3g}: predictions of its size, and their errors, "
                "overflow float64. Rescale it, for example to y / 1e300."
            )
        if refusal := self._chosen_loss().refusal(y, name):
            raise ValueError(refusal)

    def _target_scaling(self) -> tuple[Any, Any]:
        repeats = self._loss().outputs(self.n_outputs_) // self.n_outputs_
        location, scale = self._target_units
        return np.repeat(location, repeats), np.repeat(scale, repeats)

    def _fitted_levels(self) -> tuple[float, ...] | None:
        loss = self._loss()
        return loss.levels if isinstance(loss, Quantile) else None

    def _chosen_loss(self) -> Loss:
        parameters = {"quantile": self.quantile, "huber_delta": self.huber_delta}
        made = {name: kind.of(parameters) for name, kind in REGRESSION.items()}  # all are checked
        return made[self.loss]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
