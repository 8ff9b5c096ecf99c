"""The regressor."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions

from sknorm.estimators.base import BaseMLP
from sknorm.estimators.documentation import documented
from sknorm.objective.losses import Loss, SquaredError


@documented
class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron regressor with batch norm, dropout and an elastic-net penalty.

    {algorithm}

    The loss of a row is half its squared error, summed over the outputs. With a norm, targets
    are standardized as well (see ``standardize_target``), and J is in their units.

    Parameters
    ----------
    loss : {'squared_error'}, default='squared_error'
        The loss.
    {parameters}
    standardize_target : bool or 'auto', default='auto'
        Whether to train on targets of weighted mean 0 and deviation 1, so that step sizes and
        alpha mean the same in any unit. 'auto' does so with a norm, not without.
    {tail}

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of shape (n_outputs,)
        What the standardized targets were shifted by and divided by.
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

    _parameter_constraints: dict = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error"})],
        "standardize_target": [StrOptions({"auto"}), "boolean"],
    }

    def __init__(
        self,
        loss="squared_error",
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=1e-4,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=1e-3,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping="auto",
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        normalization="batch",
        norm_momentum=0.1,
        norm_epsilon=1e-5,
        norm_affine=True,
        norm_statistics="running",
        ghost_batch_size=64,
        dropout=0.0,
        input_dropout=0.0,
        l1_ratio=0.0,
        standardize_target="auto",
        scoring="loss",
        max_grad_norm=None,
        n_members=1,
        dtype="auto",
    ):
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
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.normalization = normalization
        self.norm_momentum = norm_momentum
        self.norm_epsilon = norm_epsilon
        self.norm_affine = norm_affine
        self.norm_statistics = norm_statistics
        self.ghost_batch_size = ghost_batch_size
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.l1_ratio = l1_ratio
        self.standardize_target = standardize_target
        self.scoring = scoring
        self.max_grad_norm = max_grad_norm
        self.n_members = n_members
        self.dtype = dtype

    def predict(self, X):
        """Predict targets, averaged over the members.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In the units of the training targets, of X's float dtype.
        """
        raw, X = self._raw_outputs(X)
        value = self._averaged(self._loss().inverse_link(raw.astype(X.dtype, copy=False), np))
        value = value * self.target_scale_.astype(X.dtype) + self.target_mean_.astype(X.dtype)
        return value[:, 0] if self._single_output else value

    def _weigh(self, y: Any, weight: np.ndarray | None) -> np.ndarray | None:
        return weight

    def _encode_target(self, y: Any, weight: np.ndarray | None, dtype: Any) -> np.ndarray:
        y = _as_numbers(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._single_output = y.ndim == 1
        y = y.reshape(len(y), -1)
        self.n_outputs_ = self._n_raw_outputs = y.shape[1]
        standardize = self.standardize_target
        if standardize == "auto":
            standardize = self.normalization is not None
        self.target_mean_, self.target_scale_ = np.zeros(y.shape[1]), np.ones(y.shape[1])
        if standardize:
            self.target_mean_ = np.average(y, axis=0, weights=weight)
            with np.errstate(over="ignore", invalid="ignore"):
                variance = np.average((y - self.target_mean_) ** 2, axis=0, weights=weight)
            if not np.isfinite(variance).all():
                raise ValueError(
                    f"y reaches {np.abs(y).max():.3g}, whose square overflows float64. Rescale it."
                )
            constant = np.sqrt(variance) <= 1e-14 * np.abs(self.target_mean_)
            self.target_scale_ = np.where(constant, 1.0, np.sqrt(variance))
        return np.ascontiguousarray((y - self.target_mean_) / self.target_scale_, dtype=dtype)

    def _target_scaling(self) -> tuple[Any, Any]:
        return self.target_mean_, self.target_scale_

    def _loss(self) -> Loss:
        return SquaredError()


def _as_numbers(y: Any) -> np.ndarray:
    """Targets in float64."""
    try:
        return np.asarray(y, dtype=np.float64)
    except ValueError as error:
        raise ValueError(
            f"y of MLPRegressor must be numeric: {error}. For class labels, use MLPClassifier."
        ) from None
