"""The classifier."""

from types import SimpleNamespace
from typing import Any, Literal, Self, overload

import numpy as np
from array_api_compat import array_namespace
from sklearn.base import ClassifierMixin

from sknorm._inherited import ClassifierMethods, _fit_context, available_if
from sknorm._sklearn import _check_partial_fit_first_call
from sknorm._typing import (
    Activation,
    BackendName,
    BatchSize,
    Calibration,
    CategoricalFeatures,
    ClassWeight,
    ComputeDtype,
    Flag,
    FlagOrAuto,
    Integer,
    IntegerOrAuto,
    Labels,
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
from sknorm.backends import fetched, in_kind
from sknorm.data.classes import ClassTarget, IndicatorTarget, check_classes, weigh_classes
from sknorm.data.rows import Rows
from sknorm.data.targets import Target
from sknorm.estimators.base import BaseMLP
from sknorm.estimators.documentation import documented
from sknorm.estimators.fitted import fitted_of, shallow_copy
from sknorm.estimators.increments import train_on
from sknorm.estimators.parameters import constraints_of
from sknorm.estimators.stages import Given
from sknorm.objective.penalties import PenaltyName


@documented
class MLPClassifier(ClassifierMethods, ClassifierMixin, BaseMLP):
    """Multi-layer perceptron classifier with batch norm, dropout and an elastic-net penalty.

    {algorithm}

    The loss is the log loss: binary, or of the softmax over the classes.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    {attributes}

    See Also
    --------
    MLPRegressor : The same networks for numeric targets.
    sklearn.neural_network.MLPClassifier : scikit-learn's, without norms and dropout.

    References
    ----------
    Ioffe and Szegedy (2015), Batch normalization: accelerating deep network training by
    reducing internal covariate shift. Srivastava et al. (2014), Dropout: a simple way to
    prevent neural networks from overfitting. Kingma and Ba (2015), Adam: a method for
    stochastic optimization. Zou and Hastie (2005), Regularization and variable selection via
    the elastic net.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sknorm import MLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = MLPClassifier(dropout=0.2, learning_rate="cosine", max_iter=20, random_state=0)
    >>> model.fit(X_train, y_train).score(X_test, y_test) > 0.95
    True
    """

    def __init__(
        self,
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
        class_weight: ClassWeight = None,
        label_smoothing: Number = 0.0,
        calibration: Calibration = "auto",
        scoring: Scoring = "loss",
        max_grad_norm: Number | None = None,
        n_members: IntegerOrAuto = "auto",
        member_space: MemberSpace = None,
        backend: BackendName = "auto",
        matmul_precision: Precision = "highest",
        dtype: ComputeDtype = "auto",
    ) -> None:
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
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.calibration = calibration
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
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Numbers | None = None,
        classes: Labels | None = None,
    ) -> Self:
        """Train for one epoch over the given rows, from where the last call ended.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels out of ``classes``, or a label indicator matrix.
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All classes of all calls; needed in the first.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If y holds a class that ``classes`` does not, or a parameter needs to know all rows
            or steps of training in advance.

        Notes
        -----
        Columns are standardized by the statistics of all rows seen so far. A call either counts
        or, where it fails, is interrupted or comes to weights that are not finite, leaves the
        model as it was.

        The state of the optimizer, the order of the rows and the dropout masks go on from call to
        call: with ``shuffle=False``, k calls with the same rows are a ``fit`` of k epochs. After
        ``fit``, the optimizer starts anew. Batch and ghost norm have no statistics of one row: a
        call with a single row keeps it for the next.
        """
        known = self._named_classes(fetched(classes))
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs to know all rows; partial_fit sees a part. Pass the "
                "weights as a dict, for example from sklearn.utils.class_weight."
            )
        train_on(self, Given(X, y, sample_weight, partial=True, classes=known))
        return self

    def _named_classes(self, classes: Any) -> np.ndarray:
        """The classes of all calls, which the first one names."""
        known = self.classes_ if self.__sklearn_is_fitted__() else None
        if known is not None and np.array_equal(classes, known):
            return known
        named = SimpleNamespace() if known is None else SimpleNamespace(classes_=known)
        if not _check_partial_fit_first_call(named, classes):
            assert known is not None
            return known
        found = np.asarray(named.classes_)
        if len(found) < 2:
            raise ValueError(f"classes must name at least 2 classes, got {found.tolist()}.")
        return found

    @property
    def classes_(self) -> np.ndarray:
        """Class labels, (n_classes,)."""
        target: Any = fitted_of(self).target
        return target.classes

    def predict(self, X: Any) -> np.ndarray:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels out of ``classes_``; an indicator matrix for multilabel targets.
        """
        model = shallow_copy(self)  # that no fit of another thread changes
        probability, _ = model._probabilities(X, "predict")
        target: Any = model._fitted.target
        return target.decode(probability, X)

    @overload
    def predict_proba(
        self, X: Any, return_std: Literal[False] = False, n_samples: Integer | None = None
    ) -> np.ndarray: ...

    @overload
    def predict_proba(
        self, X: Any, return_std: Literal[True], n_samples: Integer | None = None
    ) -> tuple[np.ndarray, np.ndarray]: ...

    @overload
    def predict_proba(
        self, X: Any, return_std: bool, n_samples: Integer | None = None
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]: ...

    def predict_proba(
        self, X: Any, return_std: bool = False, n_samples: Integer | None = None
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predict class probabilities, averaged over the members.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the spread over the members, or over the dropout masks, as well.
        n_samples : int or None, default=None
            Number of Monte-Carlo samples with dropout as in training; None predicts without.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; rows sum to one, except for multilabel
            targets, whose columns are independent. Of X's float dtype.
        std : ndarray of shape (n_samples, n_classes)
            Standard deviation of the probabilities; only with ``return_std``.
        """
        model = shallow_copy(self)  # that no fit of another thread changes
        probability, std = model._probabilities(X, "predict_proba", return_std, n_samples)
        probability = in_kind(probability, X)
        return (probability, in_kind(std, X)) if return_std else probability

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``.
        """
        probability, _ = shallow_copy(self)._probabilities(X, "predict_log_proba")
        with np.errstate(divide="ignore"):
            return in_kind(array_namespace(probability).log(probability), X)

    def _probabilities(
        self, X: Any, method: str, return_std: bool = False, n_samples: Integer | None = None
    ) -> tuple[Any, Any]:
        """Probabilities and their spread, or None, where they were computed."""
        probability, std = self._predict(X, method, return_std, n_samples)
        target: Any = self._fitted.target
        return target.probabilities(probability), None if std is None else target.spread(std)

    def _check_target(self, y: Any) -> Any:
        return check_classes(y)

    def _weigh(self, rows: Rows, given: Given) -> np.ndarray | None:
        complete = given.partial or rows.positions is None
        how = self.class_weight
        return weigh_classes(how, rows.y, rows.weight, given.classes, complete=complete)

    def _learn_target(self, rows: Rows, given: Given) -> Target:
        if rows.y.ndim == 2:
            return IndicatorTarget.learn(rows.y, given.classes, sparse=rows.sparse_y)
        return ClassTarget.learn(rows.y, given.classes, soft=bool(self.mixup_alpha > 0))

    def _go_on_with(self, target: Any) -> Target:
        return target.softened(self.mixup_alpha > 0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
