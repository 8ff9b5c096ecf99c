"""What the classifier and the regressor share: a ``fit`` and a ``partial_fit`` read top-down."""

from abc import ABC, abstractmethod
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.random import RandomState
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sknorm import scaling, validation
from sknorm._inherited import NetworkMethods, _fit_context, with_callbacks
from sknorm._pickling import VersionedPickle
from sknorm._sklearn import check_same_namespace
from sknorm._typing import Numbers
from sknorm.backends import collect, fetched, in_kind, keeps_kind, resolve
from sknorm.estimators import attributes, engine, held_out, parameters, scoring
from sknorm.estimators.drafts import Draft
from sknorm.estimators.incremental import Progress, check_stretched
from sknorm.estimators.plain_state import from_state, plain_state
from sknorm.estimators.predictive import warn_if_infinite
from sknorm.estimators.reporting import Reporter
from sknorm.estimators.rows import Prepared, Rows, Scales, brought, training_data
from sknorm.network.layers import draw
from sknorm.network.network import Network, initialize, revive
from sknorm.objective.losses import Loss
from sknorm.training.batches import Batches
from sknorm.training.data import TrainingData
from sknorm.training.plan import Score
from sknorm.training.task import Task
from sknorm.training.validation_loss import HeldOutLoss

_SMALL = 100_000  # values of X under which float64 costs nothing


class BaseMLP(NetworkMethods, CallbackSupportMixin, VersionedPickle, ABC):
    """Parameters, training and raw predictions of the multi-layer perceptrons."""

    _parameter_constraints: dict = parameters.CONSTRAINTS
    _columns: scaling.Columns
    _fitted_loss: Loss
    # Whether fits are those of a regularization path: the weights that one begins with are those of
    # another alpha, and it takes more epochs to leave them than a score has patience for.
    _is_on_path: bool = False

    network_: Network
    history_: dict[str, list[Any]]
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    n_iter_: int
    t_: int
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    input_mean_: np.ndarray
    input_scale_: np.ndarray
    n_features_in_: int
    feature_names_in_: np.ndarray

    @abstractmethod
    def _check_target(self, y: Any) -> Any:
        """Targets of a kind that the estimator learns, as an array."""

    @abstractmethod
    def _learn_target(self, rows: Rows, partial: bool) -> None:
        """Set what the targets say of the task: classes, or units."""

    @abstractmethod
    def _check_same_task(self, rows: Rows) -> None:
        """Refuse targets that a warm start cannot go on with."""

    @abstractmethod
    def _encode(self, y: Any, dtype: Any, name: str = "y") -> np.ndarray:
        """Targets as the loss's kernel takes them, (N, o)."""

    @abstractmethod
    def _chosen_loss(self) -> Loss:
        """The loss that the parameters ask for."""

    @abstractmethod
    def _check_same_outputs(self, chosen: Loss) -> None:
        """Refuse a loss that cannot go on from what the fitted one has learned."""

    @abstractmethod
    def _weigh(self, rows: Rows, partial: bool) -> np.ndarray | None:
        """Row weights, class weights included."""

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
            Numeric features, without missing values. Sparse tables (CSR, CSC) are never made
            dense as a whole, only a batch at a time.
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
        parameters.check_combination(self)
        validation.check_pair(X_val, y_val, sample_weight_val)
        draft = Draft(self)
        model = draft.model
        previous = model.network_ if self.warm_start and self.__sklearn_is_fitted__() else None
        prepared = model._prepare(X, y, sample_weight, groups, previous)
        task = model._task(prepared, previous, (X_val, y_val, sample_weight_val))
        weights = None if sample_weight is None else {"sample_weight": sample_weight}
        reporter = Reporter(draft, X, y, weights)
        outcome = task.run(reporter)
        attributes.set_outcome(model, outcome, task.rows, continued=previous is not None)
        with draft.adopted():
            attributes.warn_if_unfinished(self, outcome)
            attributes.warn_if_unscored(self, outcome)
            warn_if_infinite(self, prepared.rows.X)
            reporter.close()
        return self

    def _prepare(
        self, X: Any, y: Any, weight: Any, groups: Any, previous: Network | None
    ) -> Prepared:
        """Check the table, learn what it says of the task and its scaling, and encode it."""
        fresh = previous is None
        rows = self._rows(X, y, weight, groups, fresh=fresh)
        dtype = self._compute_dtype(rows.X, previous)
        target = self._encode(rows.y, dtype)
        data = self._training_data(rows, target, dtype, fresh=fresh)
        return Prepared(rows, dtype, target, data)

    def _task(self, prepared: Prepared, previous: Network | None, given: tuple) -> Task:
        """The training run over a prepared table; ``given`` are X_val, y_val and weights."""
        rows, dtype, target, data = prepared
        states = self._draw_random_states()
        if previous is None:
            network = self._drawn_network(rows, states)
            self._start_outputs(network, rows, target)
        else:
            network = previous.on(self._backend).copy()
            if self._is_on_path and self.early_stopping:
                revive(network, states)
        seeds = engine.dropout_seeds(states)
        self._dropout_seeds = seeds.tolist()
        self._dropout_rates = self.dropout, self.input_dropout
        members = engine.members(self, seeds)
        split_states = self._split_states(states, previous)
        trained, score = self._validation(rows, data, dtype, split_states, given)
        before = 0 if previous is None else self.t_
        plan = engine.plan(self, continued=previous is not None, rows_before=before)
        steps = self.solver != "lbfgs"
        size = engine.rows_per_batch(self, trained.shape[1]) if steps else trained.shape[1]
        # Those of several members are drawn here, for this run alone.
        batches = Batches(trained, size, self.shuffle, states, private=self.n_members > 1)
        schedule = engine.schedule(self, members, batches)
        max_fun = None if steps else self.max_fun
        return Task(network, members, batches, data, schedule, plan, score, max_fun)

    def _rows(
        self, X: Any, y: Any, weight: Any, groups: Any, *, fresh: bool, partial: bool = False
    ) -> Rows:
        """Check X, y, weights and groups; learn what y says of the task."""
        given, X = X, brought(X, self.backend)
        self._column_names = validation.feature_names(X)
        at_least = 2 if self.normalization in ("batch", "ghost") else 1
        if partial and not fresh:
            at_least = 1  # a single row waits for others
        X, y = validation.check_features(self, X, reset=fresh, y=y, at_least=at_least)
        validation.check_sparse_backend(X, self.backend)
        weight = validation.check_weights(weight, X)
        if groups is not None:
            groups = validation.check_groups(groups, X)
        rows = Rows(X, self._check_target(y), None, groups, None, X.shape[0], given)
        rows = rows.weighted(weight, at_least)
        rows = rows.weighted(self._weigh(rows, partial), at_least)
        if fresh:
            self._learn_target(rows, partial)
            self._fitted_loss = self._chosen_loss()
            return rows
        if not partial:
            self._check_same_task(rows)
        chosen = self._chosen_loss()
        self._check_same_outputs(chosen)
        self._fitted_loss = chosen
        architecture = engine.architecture(self, X.shape[1])
        validation.check_continues(self.network_, architecture, self.n_members)
        return rows

    def _compute_dtype(self, X: Any, previous: Network | None) -> Any:
        if previous is not None:
            return np.float64 if "64" in str(previous.parameters.flat.dtype) else np.float32
        if self.dtype == "auto":
            small = np.prod(X.shape) < _SMALL
            return np.float64 if "64" in str(X.dtype) and small else np.float32
        return np.dtype(self.dtype).type

    def _training_data(
        self, rows: Rows, target: np.ndarray, dtype: Any, *, fresh: bool, pooled: bool = False
    ) -> TrainingData:
        """The engine's view of the rows; learns the scaling of the columns.

        A warm start keeps the scaling under which its weights were trained; ``partial_fit``
        pools the columns of all calls.
        """
        width, names = rows.X.shape[1], self._column_names
        if self.normalization is None:
            scaling.check_range(rows.X, names)
            self._scales = Scales(np.zeros(width), np.ones(width))
        elif fresh or pooled:
            seen = scaling.columns(rows.X, rows.weight, names)
            if not fresh:
                before, seen = self._columns, self._columns.merged(seen)
                check_stretched(rows.X, before, seen, names)
            self._columns = seen
            self._scales = Scales(*self._columns.scaling())
        self.input_mean_ = in_kind(self._scales.offset, rows.like)
        self.input_scale_ = in_kind(1.0 / self._scales.factor, rows.like)
        self._backend = resolve(rows.X, self.backend, self.matmul_precision)
        return training_data(self._backend, rows, target, self._scales, dtype)

    def _drawn_network(self, rows: Rows, random_states: list[RandomState]) -> Network:
        """Weights drawn as scikit-learn draws them."""
        architecture = engine.architecture(self, rows.X.shape[1])
        dtype = np.dtype(self._compute_dtype(rows.X, None))
        return initialize(self._backend, architecture, random_states, dtype)

    def _start_outputs(self, network: Network, rows: Rows, target: np.ndarray) -> None:
        """Start at the best constant, with a norm: nothing ties training to scikit-learn's."""
        if self.normalization is not None:
            bias = network["head.bias"]
            start = self._loss().initial_bias(target, rows.weights())
            bias[...] = self._backend.asarray(start, dtype=bias.dtype)

    def _without_outliers(self, target: np.ndarray) -> np.ndarray:
        """Encoded targets of a first call, without values that spoil a mean."""
        return target

    def _renew_units(self, rows: Rows, progress: Progress) -> None:
        """Let the targets' units follow what all calls have seen."""

    def _loss(self) -> Loss:
        """The loss that the model was fitted with, or is being fitted with."""
        return self._fitted_loss

    def _split_states(
        self, random_states: list[RandomState], previous: Network | None
    ) -> list[RandomState]:
        """Generators of the split; under a warm start with a seed, those of the first fit.

        Another split would hold out rows that the weights were trained on.
        """
        if previous is None or not isinstance(self.random_state, Integral):
            return random_states
        states = self._draw_random_states()
        for state in states:
            draw(previous.architecture, state)
        return states

    def _validation(
        self,
        rows: Rows,
        data: TrainingData,
        dtype: Any,
        random_states: list[RandomState],
        given: tuple,
    ) -> tuple[np.ndarray, Score | None]:
        """Training rows (K, n), and how a stack is scored after an epoch, if it is."""
        everything = np.tile(np.arange(len(rows), dtype=np.int64), (self.n_members, 1))
        if given[0] is not None:
            return everything, self._given_score(rows, dtype, *given)
        stops = self.early_stopping
        if stops == "auto":
            stops = self.solver != "lbfgs" and held_out.is_large(len(rows))
        if not stops:
            return everything, None
        how = self.validation_fraction
        trained, held = held_out.split(rows, how, self._stratify(rows), random_states)
        return trained, self._score_function(data, rows, held)

    def _given_score(self, trained: Rows, dtype: Any, X: Any, y: Any, weight: Any) -> Score:
        """Scores on held-out rows that ``fit`` was given."""
        X, y = validation.check_validation(self, brought(X, self.backend), y)
        seen = None if self.normalization is None else self._columns
        validation.warn_if_far(trained.X, seen, X, self._column_names)
        with held_out.about("sample_weight_val"):
            weight = validation.check_weights(weight, X)
        with held_out.about("y_val"):
            y = self._check_target(y)
        rows = Rows(X, y, None, None, None, X.shape[0]).weighted(weight, 1)
        target = self._encode(rows.y, dtype, "y_val")
        table = training_data(self._backend, rows, target, self._scales, dtype)
        held = np.tile(np.arange(len(rows), dtype=np.int64), (self.n_members, 1))
        return self._score_function(table, rows, held)

    def _stratify(self, rows: Rows) -> Any:
        return None

    def _score_function(self, data: TrainingData, rows: Rows, held: np.ndarray) -> Score:
        if self.scoring == "loss":
            return HeldOutLoss(self._loss(), data, held)
        return scoring.HeldOutScore(self, rows.X, rows.y, rows.weight, held)

    def _draw_random_states(self) -> list[RandomState]:
        """One generator a member; a single network uses ``random_state`` itself."""
        random_state = check_random_state(self.random_state)
        self._member_seeds: list[int] = []
        if self.n_members == 1:
            return [random_state]
        seeds = random_state.randint(np.iinfo(np.int32).max, size=self.n_members)
        self._member_seeds = seeds.tolist()
        return [RandomState(seed) for seed in seeds]

    @property
    def member_seeds_(self) -> np.ndarray:
        """``random_state`` of each member alone; there with several members only."""
        if not getattr(self, "_member_seeds", []):
            raise AttributeError("member_seeds_ is there after fitting several members.")
        return np.array(self._member_seeds)

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights of the equivalent plain network, a list of (fan_in, fan_out) arrays.

        Norms and the scaling of inputs and targets are folded in, so that the usual forward
        pass over ``coefs_``, ``intercepts_``, ``activation`` and ``out_activation_`` gives
        the predictions. Under layer norm, which does not fold, the weights as trained. With
        several members, arrays of shape (n_members, fan_in, fan_out).
        """
        return attributes.plain_network(self)[0]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of the equivalent plain network, a list of (fan_out,) arrays; see ``coefs_``."""
        return attributes.plain_network(self)[1]

    @property
    def sparsity_(self) -> np.ndarray:
        """Share of exact zeros among the weights of each layer, (n_layers - 1,)."""
        return attributes.sparsity(self.network_)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Norm of each feature's outgoing weights, (n_features,), scaled to a sum of one.

        Of the first layer with its norm folded in, for inputs as the network sees them
        (standardized under a norm), averaged over the members. Exactly zero for a feature
        whose weights are all zero, as the group lasso makes them.
        """
        return attributes.importances(self.network_)

    def _target_scaling(self) -> tuple[Any, Any]:
        """What raw outputs are shifted and multiplied by."""
        return 0.0, 1.0

    def _checked(self, X: Any, method: str) -> Any:
        """X to predict for."""
        check_is_fitted(self)
        X = collect(X)
        if self.backend == "auto":
            table = X if keeps_kind(X) else fetched(X)
            check_same_namespace(table, self, attribute="input_mean_", method=method)
        return validation.check_features(self, brought(X, self.backend), reset=False)

    def _takes_partial_fits(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers; solver='lbfgs' is not."
            )
        return True

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __getstate__(self) -> dict[str, Any]:
        """Plain values on the host: a model fitted on a device loads where there is none."""
        return plain_state(self, super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(from_state(self, state))

    __copy__ = attributes.copied
    __sklearn_array_api_convert__ = attributes.moved

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        return tags
