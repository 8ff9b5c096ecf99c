"""The regressor."""

from typing import Any, ClassVar, Literal, Self, overload

import numpy as np

from sknorm._inherited import RegressorMethods, _fit_context, available_if
from sknorm._typing import (
    Activation,
    BackendName,
    BatchSize,
    CategoricalFeatures,
    ComputeDtype,
    Flag,
    FlagOrAuto,
    Integer,
    IntegerOrAuto,
    LayerSizes,
    LearningRate,
    MemberSpace,
    Normalization,
    NormStatistics,
    Number,
    NumberOfBins,
    NumberOrAuto,
    Numbers,
    Path,
    Precision,
    Preset,
    Scaling,
    Scoring,
    Seed,
    Solver,
    StaleCheckpoint,
    ValidationFraction,
)
from sknorm.backends import in_kind, resolve
from sknorm.data.numeric import NumericTarget, check_numbers
from sknorm.data.rows import Rows
from sknorm.data.targets import Target
from sknorm.estimators import recipe
from sknorm.estimators.base import BaseMLP
from sknorm.estimators.documentation import documented
from sknorm.estimators.fitted import shallow_copy
from sknorm.estimators.increments import train_on
from sknorm.estimators.parameters import constraints_of
from sknorm.estimators.quantiles import ScoredRegressor, levels_of
from sknorm.estimators.stages import Given
from sknorm.objective.losses import LOSSES, Loss, LossName
from sknorm.objective.penalties import PenaltyName


@documented
class MLPRegressor(RegressorMethods, ScoredRegressor, BaseMLP):
    """Multi-layer perceptron regressor with batch norm, dropout and an elastic-net penalty.

    {algorithm}

    The loss of a row is summed over the outputs. With a norm, targets are standardized as well
    (see ``standardize_target``), and J is in their units.

    Parameters
    ----------
    {parameters}

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

    _learned: ClassVar[tuple[str, ...]] = (*BaseMLP._learned, "target_mean_", "target_scale_")

    target_mean_: np.ndarray
    target_scale_: np.ndarray

    def __init__(
        self,
        loss: LossName = "squared_error",
        hidden_layer_sizes: LayerSizes = "auto",
        activation: Activation = "auto",
        *,
        preset: Preset = "accurate",
        solver: Solver = "adam",
        alpha: Number = 1e-4,
        batch_size: BatchSize = "auto",
        learning_rate: LearningRate = "auto",
        learning_rate_init: NumberOrAuto = "auto",
        power_t: Number = 0.5,
        max_iter: IntegerOrAuto = "auto",
        max_time: Number | None = None,
        checkpoint: Path | None = None,
        checkpoint_every: Number = 60.0,
        stale_checkpoint: StaleCheckpoint = "raise",
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
        beta_2: NumberOrAuto = "auto",
        epsilon: Number = 1e-8,
        n_iter_no_change: NumberOrAuto = "auto",
        max_fun: Integer = 15000,
        scaling: Scaling = "auto",
        n_bins: NumberOfBins = "auto",
        categorical_features: CategoricalFeatures = "from_dtype",
        min_frequency: Number = 1,
        normalization: Normalization = "batch",
        norm_momentum: Number = 0.1,
        norm_epsilon: Number = 1e-5,
        norm_affine: Flag = True,
        norm_statistics: NormStatistics = "running",
        ghost_batch_size: Integer = 64,
        dropout: NumberOrAuto = "auto",
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
        n_members: IntegerOrAuto = "auto",
        member_space: MemberSpace = None,
        backend: BackendName = "auto",
        matmul_precision: Precision = "highest",
        dtype: ComputeDtype = "auto",
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.preset = preset
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.max_time = max_time
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.stale_checkpoint = stale_checkpoint
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
        self.scaling = scaling
        self.n_bins = n_bins
        self.categorical_features = categorical_features
        self.min_frequency = min_frequency
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
        self.member_space = member_space
        self.backend = backend
        self.matmul_precision = matmul_precision
        self.dtype = dtype

    _parameter_constraints: dict = constraints_of(__init__)

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
        train_on(self, Given(X, y, sample_weight, partial=True))
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
        mean, std = model._predict(X, "predict", return_std, n_samples)
        target: Any = model._fitted.target
        backend = resolve(mean)
        mean = target.in_units(backend, mean)
        std = None if std is None else target.in_units(backend, std, located=False)
        value, std = target.decode(mean, std)
        value = in_kind(value, X)
        return (value, in_kind(std, X)) if return_std else value

    def _check_target(self, y: Any) -> np.ndarray:
        return check_numbers(y)

    def _weigh(self, rows: Rows, given: Given) -> np.ndarray | None:
        return rows.weight

    def _learn_target(self, rows: Rows, given: Given) -> Target:
        how = {"standardize": recipe.standardizes_target(self), "partial": given.partial}
        return NumericTarget.learn(rows.y, rows.weights(), self._chosen_loss(), **how)

    def _go_on_with(self, target: Any) -> Target:
        chosen, fitted = self._chosen_loss(), target.loss
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
        return target.under(chosen)

    def _fitted_levels(self) -> tuple[float, ...] | None:
        return levels_of(self._fitted.target.loss)

    def _chosen_loss(self) -> Loss:
        parameters = {"quantile": self.quantile, "huber_delta": self.huber_delta}
        made = {name: kind.of(parameters) for name, kind in LOSSES.items()}  # all are checked
        return made[self.loss]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
