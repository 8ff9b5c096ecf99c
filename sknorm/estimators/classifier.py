"""The classifier."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets

from sknorm import validation
from sknorm.estimators.base import BaseMLP
from sknorm.estimators.documentation import documented
from sknorm.objective.losses import BinaryLogLoss, Loss, MulticlassLogLoss


@documented
class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multi-layer perceptron classifier with batch norm, dropout and an elastic-net penalty.

    {algorithm}

    The loss is the log loss: binary, or of the softmax over the classes.

    Parameters
    ----------
    {parameters}
    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes, times ``sample_weight``. 'balanced' makes the classes' total
        weights equal.
    {tail}

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

    _parameter_constraints: dict = {
        **BaseMLP._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
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
        class_weight=None,
        scoring="loss",
        max_grad_norm=None,
        n_members=1,
        dtype="auto",
    ):
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
        self.class_weight = class_weight
        self.scoring = scoring
        self.max_grad_norm = max_grad_norm
        self.n_members = n_members
        self.dtype = dtype

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels out of ``classes_``.
        """
        probability = self.predict_proba(X)
        return self.classes_[np.argmax(probability, axis=1)]

    def predict_proba(self, X):
        """Predict class probabilities, averaged over the members.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; rows sum to one. Of X's float dtype.
        """
        raw, X = self._raw_outputs(X)
        probability = self._averaged(self._loss().inverse_link(raw.astype(X.dtype, copy=False), np))
        if probability.shape[1] == 1:
            probability = np.hstack([1.0 - probability, probability])
        return probability

    def predict_log_proba(self, X):
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _weigh(self, y: Any, weight: np.ndarray | None) -> np.ndarray | None:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        return validation.class_weights(self.class_weight, classes, codes, weight)

    def _encode_target(self, y: Any, weight: np.ndarray | None, dtype: Any) -> np.ndarray:
        self.classes_, codes = np.unique(np.ravel(y), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"MLPClassifier needs at least 2 classes, but y holds only the class "
                f"{self.classes_[0]!r} (rows of weight zero do not count)."
            )
        binary = len(self.classes_) == 2
        self.n_outputs_ = self._n_raw_outputs = 1 if binary else len(self.classes_)
        return codes[:, None].astype(dtype if binary else np.int64)

    def _loss(self) -> Loss:
        return BinaryLogLoss() if len(self.classes_) == 2 else MulticlassLogLoss()

    def _stratify(self, y: Any, held: int) -> Any:
        """Stratify where every class has a row for each side."""
        counts = np.unique(np.ravel(y), return_counts=True)[1]
        possible = counts.min() >= 2 and min(held, len(y) - held) >= len(counts)
        return np.ravel(y) if possible else None
