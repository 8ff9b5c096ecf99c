"""What the classifier and the regressor share: parameters, and a ``fit`` that reads top-down."""

import warnings
from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _get_feature_names, check_is_fitted

from sknorm import validation
from sknorm.backends import resolve
from sknorm.estimators import held_out
from sknorm.kernels.codes import ACTIVATIONS
from sknorm.network.folding import fold, folded
from sknorm.network.members import Members
from sknorm.network.network import Network, initialize
from sknorm.network.parameters import NORMALIZATIONS, Architecture
from sknorm.objective.losses import Loss
from sknorm.optim import SGD, Adam, schedules
from sknorm.training.batches import Batches
from sknorm.training.data import TrainingData
from sknorm.training.loop import Outcome, Plan, Score, train
from sknorm.training.validation_loss import mean_loss

_SMALL = 100_000  # values of X under which float64 costs nothing
_EARLY_STOPPING_FROM = 2_000  # rows; below, a held-out part is too noisy to stop by
_PLANNED = ("cosine", "one_cycle")  # schedules that are meant to use up max_iter


class BaseMLP(BaseEstimator, ABC):
    """Parameters, training and raw predictions of the multi-layer perceptrons."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "solver": [StrOptions({"sgd", "adam", "adamw"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [
            StrOptions({"constant", "invscaling", "adaptive", "cosine", "one_cycle"})
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": [StrOptions({"auto"}), "boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [StrOptions({"loss"} | set(get_scorer_names())), callable, None],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_grad_norm": [None, Interval(Real, 0, None, closed="neither")],
        "normalization": [StrOptions(set(NORMALIZATIONS)), None],
        "norm_momentum": [Interval(Real, 0, 1, closed="right")],
        "norm_epsilon": [Interval(Real, 0, None, closed="neither")],
        "norm_affine": ["boolean"],
        "norm_statistics": [StrOptions({"running", "cumulative", "population"})],
        "ghost_batch_size": [Interval(Integral, 2, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
    }

    @abstractmethod
    def _encode_target(self, y: Any, weight: np.ndarray | None, dtype: Any) -> np.ndarray:
        """Targets as the loss's kernel takes them, (N, o); sets what predictions need."""

    @abstractmethod
    def _loss(self) -> Loss:
        """The loss of the fitted task."""

    @abstractmethod
    def _weigh(self, y: Any, weight: np.ndarray | None) -> np.ndarray | None:
        """Row weights, class weights included."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the networks to a table and its targets.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Numeric features, without missing values.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels of any sortable type, or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss, in the statistics of the norms and in early
            stopping. A row of weight 2 counts as two equal rows, a row of weight zero is
            left out.

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
        names = _get_feature_names(X)
        X, y = validation.check_features(self, X, reset=True, y=y)
        weight = validation.check_weights(sample_weight, X)
        X, y, weight = validation.drop_weightless(X, y, weight)
        sizes = self._hidden_sizes()
        weight = self._weigh(y, weight)
        X, y, weight = validation.drop_weightless(X, y, weight)
        dtype = self._compute_dtype(X)
        target = self._encode_target(y, weight, dtype)
        self._scale_inputs(X, weight, names)
        data = self._training_data(X, target, weight, dtype)
        architecture = self._architecture((X.shape[1], *sizes, self._n_raw_outputs))
        random_states = self._random_states()
        network = initialize(self._backend, architecture, random_states, np.dtype(dtype))
        members = self._members(random_states)
        rows, held_rows = self._split(y, len(X), random_states)
        score = self._score_function(data, X, y, weight, held_rows)
        outcome = self._train(network, members, rows, data, random_states, score)
        self._set_outcome(outcome, rows.shape[1])
        return self

    def _hidden_sizes(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if np.iterable(sizes) else [sizes]
        if any(not isinstance(d, Integral) or d <= 0 for d in sizes):
            raise ValueError(
                f"hidden_layer_sizes must be > 0, got {sizes}: one positive integer a layer."
            )
        return tuple(int(d) for d in sizes)

    def _compute_dtype(self, X: np.ndarray) -> type:
        if self.dtype == "auto":
            small = X.dtype == np.float64 and X.size < _SMALL
            return np.float64 if small else np.float32
        return np.dtype(self.dtype).type

    def _scale_inputs(self, X: np.ndarray, weight: Any, names: Any) -> None:
        width = X.shape[1]
        if self.normalization is None:
            validation.check_range(X, names)
            self.input_mean_, self._input_factor = np.zeros(width), np.ones(width)
        else:
            self.input_mean_, self._input_factor = validation.column_scaling(X, weight, names)
        self.input_scale_ = 1.0 / self._input_factor

    def _training_data(
        self, X: np.ndarray, target: np.ndarray, weight: np.ndarray | None, dtype: Any
    ) -> TrainingData:
        self._backend = resolve(X)
        offset, factor = self.input_mean_, self._input_factor
        if not X.flags.c_contiguous:
            X = _standardized_copy(X, offset, factor, dtype)
            offset, factor = np.zeros_like(offset), np.ones_like(factor)
        rows = np.ones(len(X)) if weight is None else _moderate(weight)
        asarray = self._backend.asarray
        return TrainingData(
            X=asarray(X),
            y=asarray(target),
            weight=asarray(rows[None, :], dtype=dtype),
            offset=asarray(offset),
            factor=asarray(factor),
        )

    def _architecture(self, sizes: tuple[int, ...]) -> Architecture:
        return Architecture(
            sizes=sizes,
            activation=self.activation,
            normalization=self.normalization,
            norm_epsilon=float(self.norm_epsilon),
            norm_affine=bool(self.norm_affine),
            ghost_batch_size=int(self.ghost_batch_size),
        )

    def _random_states(self) -> list[RandomState]:
        """One generator a member; a single network uses ``random_state`` itself."""
        random_state = check_random_state(self.random_state)
        self.__dict__.pop("member_seeds_", None)
        if self.n_members == 1:
            return [random_state]
        self.member_seeds_ = random_state.randint(np.iinfo(np.int32).max, size=self.n_members)
        return [RandomState(seed) for seed in self.member_seeds_]

    def _members(self, random_states: list[RandomState]) -> Members:
        def full(value: float) -> np.ndarray:
            return np.full(self.n_members, float(value))

        return Members(
            alpha=full(self.alpha),
            l1_ratio=full(self.l1_ratio),
            dropout=full(self.dropout),
            input_dropout=full(self.input_dropout),
            learning_rate=full(self.learning_rate_init),
            norm_momentum=full(self.norm_momentum),
            seed=np.array([_dropout_seed(r) for r in random_states], dtype=np.uint32),
        )

    def _split(
        self, y: Any, count: int, random_states: list[RandomState]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Training rows (K, n) and held-out rows (K, m), or None."""
        stops = self.early_stopping
        if stops == "auto":
            stops = count > _EARLY_STOPPING_FROM
        if not stops:
            return np.tile(np.arange(count, dtype=np.int64), (self.n_members, 1)), None
        held = held_out.size(count, self.validation_fraction)
        return held_out.split(
            count, self.validation_fraction, self._stratify(y, held), random_states
        )

    def _stratify(self, y: Any, held: int) -> Any:
        return None

    def _score_function(
        self, data: TrainingData, X: np.ndarray, y: np.ndarray, weight: Any, rows: Any
    ) -> Score | None:
        """How a stack is scored on the held-out rows after an epoch."""
        if rows is None:
            return None
        if self.scoring == "loss":
            loss = self._loss()
            return lambda stack, active: -mean_loss(stack, loss, data, rows[active])
        return held_out.scorer_function(self, X, y, weight, rows)

    def _train(
        self,
        network: Network,
        members: Members,
        rows: np.ndarray,
        data: TrainingData,
        random_states: list[RandomState],
        score: Score | None,
    ) -> Outcome:
        batches = Batches(rows, self._rows_per_batch(rows.shape[1]), self.shuffle, random_states)
        name = self.learning_rate if self.solver == "sgd" or self._is_planned() else "constant"
        total = self.max_iter * batches.per_epoch
        schedule = schedules.build(name, members.learning_rate, self.power_t, total)
        plan = Plan(
            loss=self._loss(),
            optimizer=self._optimizer(),
            max_iter=self.max_iter,
            tol=self.tol,
            patience=self.n_iter_no_change,
            max_grad_norm=self.max_grad_norm,
            norm_statistics=self.norm_statistics,
            verbose=bool(self.verbose),
        )
        return train(network, members, batches, data, schedule, plan, score)

    def _is_planned(self) -> bool:
        return self.learning_rate in _PLANNED

    def _optimizer(self) -> SGD | Adam:
        if self.solver == "sgd":
            return SGD(self.momentum, self.nesterovs_momentum)
        return Adam(self.beta_1, self.beta_2, self.epsilon, self.solver == "adamw")

    def _rows_per_batch(self, count: int) -> int:
        if self.batch_size == "auto":
            return min(count, 64 if count < 4_000 else 128 if count < 20_000 else 256)
        if self.batch_size > count:
            warnings.warn(
                f"batch_size={self.batch_size} is larger than the {count} training rows; "
                "it is clipped to them.",
                stacklevel=3,
            )
        size = min(int(self.batch_size), count)
        if size < 2 and self.normalization in ("batch", "ghost"):
            raise ValueError(
                f"batch_size={self.batch_size} leaves one row a batch, of which "
                f"normalization={self.normalization!r} has no statistics. Use at least 2."
            )
        return size

    def _set_outcome(self, outcome: Outcome, rows: int) -> None:
        self.network_ = outcome.network
        self.history_ = outcome.history.as_lists()
        self.n_iter_ = int(outcome.epochs.max())
        self.t_ = self.n_iter_ * rows
        self.n_layers_ = len(outcome.network.architecture.sizes)
        self.out_activation_ = self._loss().output_activation
        self.loss_curve_ = [_mean_of_active(row) for row in outcome.history.columns["loss"]]
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        scored = bool(outcome.history.columns["validation"])
        scores = [_mean_of_active(row) for row in outcome.history.columns["validation"]]
        self.validation_scores_ = scores if scored else None
        self.best_validation_score_ = float(np.mean(outcome.best)) if scored else None
        self.best_loss_ = None if scored else float(np.mean(outcome.best))
        if outcome.exhausted and not self._is_planned():
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=3,
            )

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights of the equivalent plain network, a list of (fan_in, fan_out) arrays.

        Norms and the scaling of inputs and targets are folded in, so that the usual forward
        pass over ``coefs_``, ``intercepts_``, ``activation`` and ``out_activation_`` gives
        the predictions. Under layer norm, which does not fold, the weights as trained. With
        several members, arrays of shape (n_members, fan_in, fan_out).
        """
        return self._plain_network()[0]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of the equivalent plain network, a list of (fan_out,) arrays; see ``coefs_``."""
        return self._plain_network()[1]

    def _plain_network(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        inference, dtype = fold(self.network_), self.network_.parameters.flat.dtype
        to_numpy = self.network_.backend.to_numpy
        weights = [to_numpy(w).astype(np.float64) for w in inference.weights]
        biases = [to_numpy(b).astype(np.float64) for b in inference.biases]
        if self.network_.architecture.normalization != "layer":
            weights[0] = weights[0] * self._input_factor[:, None]
            biases[0] = biases[0] - np.einsum("i,kij->kj", self.input_mean_, weights[0])
        mean, scale = self._target_scaling()
        weights[-1], biases[-1] = weights[-1] * scale, biases[-1] * scale + mean
        arrays = [[a.astype(dtype) for a in group] for group in (weights, biases)]
        if self.n_members == 1:
            arrays = [[a[0] for a in group] for group in arrays]
        return arrays[0], arrays[1]

    def _target_scaling(self) -> tuple[Any, Any]:
        """What raw outputs are shifted and multiplied by."""
        return 0.0, 1.0

    def _raw_outputs(self, X: Any) -> tuple[Any, Any]:
        """Raw outputs (K, N, n_outputs), and X validated."""
        check_is_fitted(self)
        X = validation.check_features(self, X, reset=False)
        inference = folded(self.network_)
        return inference.raw(X, self.input_mean_, self._input_factor), X

    @staticmethod
    def _averaged(predictions: np.ndarray) -> np.ndarray:
        """Mean over the members of predictions (K, N, n_outputs)."""
        return predictions[0] if len(predictions) == 1 else predictions.mean(axis=0)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")


def _moderate(weight: np.ndarray) -> np.ndarray:
    """Weights within what float32 can square; their common factor does not matter."""
    mean = weight.mean()
    return weight if 1e-6 < mean < 1e6 else weight / mean


def _standardized_copy(X: np.ndarray, offset: Any, factor: Any, dtype: Any) -> np.ndarray:
    """``(X - offset) * factor`` in C order and the compute dtype, without a large temporary."""
    copied = np.empty(X.shape, dtype=dtype)
    rows = max(1, (1 << 20) // max(1, X.shape[1]))
    for start in range(0, len(X), rows):
        copied[start : start + rows] = (X[start : start + rows] - offset) * factor
    return copied


def _mean_of_active(values: np.ndarray) -> float:
    """Mean over the members that are not NaN; NaN if all are."""
    active = values[~np.isnan(values)]
    return float(active.mean()) if active.size else np.nan


def _dropout_seed(random_state: RandomState) -> int:
    """A key that follows from the generator's state but does not advance it."""
    twin = RandomState()
    twin.set_state(random_state.get_state())
    return int(twin.randint(0, 2**32, dtype=np.uint32))
