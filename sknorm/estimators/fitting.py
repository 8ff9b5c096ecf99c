"""From what ``fit`` is given to a training run: check, learn, encode, draw. Nothing is set."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from scipy import sparse
from sklearn.utils import check_random_state

from sknorm._warnings import warn
from sknorm.backends import Backend, keeps_kind
from sknorm.data import checks, splits
from sknorm.data.columns import Columns, Reading, column_labels
from sknorm.data.dataset import TrainingData
from sknorm.data.kinds import Kinds
from sknorm.data.rows import Rows
from sknorm.data.table import View, engine_table, move_table, numbers, resolve_table, whole
from sknorm.data.targets import Target
from sknorm.estimators import build, recipe
from sknorm.estimators.fitted import Fitted, fitted_attributes, shallow_copy
from sknorm.estimators.members import space_of
from sknorm.estimators.scoring import HeldOutScore
from sknorm.network.layers import draw
from sknorm.network.members import Members
from sknorm.network.network import Network, initialize, revive
from sknorm.training.batches import Batches
from sknorm.training.plan import Score
from sknorm.training.task import Task
from sknorm.training.validation_loss import HeldOutLoss

_HEADER = ("n_features_in_", "feature_names_in_")
# Whether fits are those of a regularization path: the weights that one begins with are those of
# another alpha, and it takes more epochs to leave them than a score has patience for.
_ON_PATH: ContextVar[bool] = ContextVar("_ON_PATH", default=False)


class Given(NamedTuple):
    """What ``fit`` or ``partial_fit`` is given.

    Attributes
    ----------
    X, y, weight, groups : object
        X may be a View of a table that is checked.
    partial : bool
        Whether these are some of the rows only.
    classes : ndarray or None
        Of all rows, as ``partial_fit`` is told them.
    """

    X: Any
    y: Any
    weight: Any = None
    groups: Any = None
    partial: bool = False
    classes: np.ndarray | None = None


class HeldOut(NamedTuple):
    """Held-out rows that ``fit`` is given."""

    X: Any = None
    y: Any = None
    weight: Any = None


class Prepared(NamedTuple):
    """A table that is ready for training, before anything is drawn at random.

    Attributes
    ----------
    rows : Rows
    columns : Columns
    target : Target
    encoded : array of shape (n_samples, n_targets)
        Targets as the loss's kernel takes them.
    data : TrainingData
    backend : Backend
    dtype : dtype
        In which the networks compute.
    facts : Facts
        What ``"auto"`` depends on.
    header : dict
        The attributes about columns that scikit-learn sets.
    like : object
        An array of the library and on the device of what ``fit`` was given; None is NumPy's.
    """

    rows: Rows
    columns: Columns
    target: Target
    encoded: np.ndarray
    data: TrainingData
    backend: Backend
    dtype: Any
    facts: recipe.Facts
    header: dict[str, Any]
    like: Any


class Training(NamedTuple):
    """What is known of a fit before it is run.

    Attributes
    ----------
    prepared : Prepared
    model : estimator
        The one that is fitted, with values in the place of ``"auto"``.
    fitted : Fitted
        With the network that training starts from.
    continued : bool
        Whether it goes on from an earlier fit.
    selecting : pair of TrainingData and int64 array of shape (n,), or None
        Rows held out by all members, by which members are to be selected.
    """

    prepared: Prepared
    model: Any
    fitted: Fitted
    continued: bool
    selecting: tuple[TrainingData, np.ndarray] | None = None

    def attributes(self, network: Network) -> dict[str, Any]:
        """What makes an estimator one that is fitted so far."""
        return self.attributes_of(self.fitted.having(network))

    def attributes_of(self, fitted: Fitted) -> dict[str, Any]:
        """The same of what is known at the end."""
        return fitted_attributes(fitted, self.prepared.header, self.prepared.like)


@contextmanager
def fits_on_path() -> Iterator[None]:
    """Let fits in the block be those of a regularization path."""
    token = _ON_PATH.set(True)
    try:
        yield
    finally:
        _ON_PATH.reset(token)


def prepare(estimator: Any, given: Given, previous: Fitted | None = None) -> Prepared:
    """Check a table, learn what it says of the task and its columns, and encode it."""
    rows, header = check_rows(estimator, given, previous)
    target = learn_target(estimator, rows, given, previous)
    facts = facts_of(rows, target)
    model = recipe.resolved(estimator, facts, previous.resolved if previous else None)
    if previous is not None:
        check_continues(model, target, previous)
    dtype = compute_dtype(model, rows.X, previous)
    encoded = target.encode(rows.y, dtype)
    columns = learn_columns(model, rows, previous)
    if previous is None and not recipe.is_auto(estimator.n_bins):
        warn_if_clipped(estimator.n_bins, columns)
    backend = resolve_table(rows.X, estimator.backend, estimator.matmul_precision)
    data = TrainingData.encode(backend, rows, encoded, columns, dtype)
    like = given.X.like if isinstance(given.X, View) else given.X
    like = like if keeps_kind(like) else None
    return Prepared(rows, columns, target, encoded, data, backend, dtype, facts, header, like)


def facts_of(rows: Rows, target: Target, *, partial: bool = False) -> recipe.Facts:
    """What ``"auto"`` depends on."""
    return recipe.Facts(
        rows=None if partial else len(rows),
        numbers=int(numbers(rows.X).shape[1]),
        is_sparse=sparse.issparse(whole(rows.X)),
        task=target.task,
    )


def check_continues(model: Any, target: Target, previous: Fitted) -> None:
    """Raise a ValueError if a model cannot go on training under its parameters now."""
    if previous.columns.bins is not None and model.input_dropout > 0:
        raise ValueError(
            f"input_dropout={model.input_dropout} drops numbers, which the model to go on with "
            "embeds (n_bins). Set it to 0, or fit a new estimator (warm_start=False)."
        )
    before = previous.resolved.get("n_bins", model.n_bins)
    if before != model.n_bins:
        raise ValueError(
            f"n_bins={model.n_bins!r}, but the model to go on with was trained under {before!r}. "
            "Keep it, or fit a new estimator (warm_start=False)."
        )
    architecture = build.architecture(model, target, previous.columns)
    build.check_continues(previous.network, architecture, model.n_members)


def check_rows(
    estimator: Any, given: Given, previous: Fitted | None
) -> tuple[Rows, dict[str, Any]]:
    """Checked rows that count, and the attributes that scikit-learn's checks have set."""
    fresh = previous is None
    several = estimator.normalization in ("batch", "ghost") and (fresh or not given.partial)
    at_least = 2 if several else 1  # in a later call a single row waits for others
    checked = shallow_copy(estimator) if fresh else estimator
    known = None if previous is None else previous.columns.kinds
    X, y, names = _checked(checked, given, known, at_least)
    header = _header(checked)
    weight = checks.check_weights(given.weight, X)
    groups = None if given.groups is None else checks.check_groups(given.groups, X)
    positions, total = None, int(X.shape[0])
    sparse_y = sparse.issparse(y)
    rows = Rows(X, estimator._check_target(y), None, groups, positions, total, names, sparse_y)
    rows = rows.weighted(weight, at_least)
    return rows.weighted(estimator._weigh(rows, given), at_least), header


def _checked(
    estimator: Any, given: Given, known: Kinds | None, at_least: int
) -> tuple[Any, Any, Any]:
    """X and y as arrays, and the names of the columns; ``known`` is what X has to be like."""
    if isinstance(given.X, View):
        checks.check_count(estimator, given.X, at_least)
        estimator.n_features_in_, names = given.X.shape[1], given.X.names
        if names is not None:
            estimator.feature_names_in_ = names
        return given.X, checks.check_targets(estimator, given.X, given.y), names
    X = move_table(given.X, estimator.backend)
    names = checks.feature_names(X)
    how: dict[str, Any] = {"reset": known is None, "known": known}
    X, y = checks.check_features(estimator, X, y=given.y, at_least=at_least, **how)
    checks.check_sparse_backend(X, estimator.backend)
    return X, y, names


def view_table(estimator: Any, X: Any) -> View:
    """A checked table, of whose rows views can be fitted to without another check."""
    checked, like = shallow_copy(estimator), X
    X = checks.check_features(checked, move_table(X, estimator.backend), reset=True)
    checks.check_sparse_backend(X, estimator.backend)
    if isinstance(X, np.ndarray):
        X = np.ascontiguousarray(X)
    backend = resolve_table(X, estimator.backend, estimator.matmul_precision)
    names = getattr(checked, "feature_names_in_", None)
    return View(X, np.arange(X.shape[0]), engine_table(backend, X), names, like)


def learn_target(estimator: Any, rows: Rows, given: Given, previous: Fitted | None) -> Target:
    """What the targets say of the task; going on, the same under the loss that is asked for."""
    if previous is None:
        return estimator._learn_target(rows, given)
    if not given.partial:
        previous.target.check_same_task(rows.y)
    return estimator._go_on_with(previous.target)


def learn_columns(
    estimator: Any, rows: Rows, previous: Fitted | None, *, partial: bool = False
) -> Columns:
    """The columns of the rows; a warm start keeps those that its weights were trained under.

    Those of a ``partial`` table are not all that is to come.
    """
    if previous is not None:
        known = previous.columns  # statistics of this table would be for other weights
        scaled = known.statistics is not None or known.clip.any()
        return known.after(rows.X) if scaled else known.pooled(rows.X, rows.weight, rows.names)
    how = Reading(
        scaling=build.scaling(estimator, rows.X),
        n_bins=build.n_bins(estimator, rows.X, partial=partial),
        min_frequency=estimator.min_frequency,
        keeps_unused=partial,
    )
    return Columns.learn(rows.X, rows.weight, rows.names, how)


def warn_if_clipped(n_bins: int | None, columns: Columns) -> None:
    """Warn of more bins than any column has."""
    most = max(columns.bins.counts) if columns.bins else 0
    if n_bins is not None and columns.kinds.numeric and n_bins > most:
        what = f"it is clipped to {most}" if most else "numbers are taken as they are"
        warn(f"n_bins={n_bins} is more than any column has different values for; {what}.")


def _header(checked: Any) -> dict[str, Any]:
    return {name: getattr(checked, name) for name in _HEADER if hasattr(checked, name)}


def compute_dtype(estimator: Any, X: Any, previous: Fitted | None) -> Any:
    """In which the networks compute."""
    if previous is not None:
        return previous.wide_dtype
    if estimator.dtype == "auto":
        small = recipe.is_small(estimator, *X.shape)
        return np.float64 if "64" in str(X.dtype) and small else np.float32
    return np.dtype(estimator.dtype).type


def plan_training(
    estimator: Any, prepared: Prepared, previous: Fitted | None, held: HeldOut
) -> tuple[Training, Task]:
    """The training run over a prepared table: draw weights, rows to hold out, and orders."""
    continued, on_path = previous is not None, _ON_PATH.get()
    estimator = recipe.resolved(estimator, prepared.facts, previous.resolved if previous else None)
    states, member_seeds = random_states(estimator)
    network = initial_network(estimator, prepared, states, previous)
    if continued and on_path and estimator.early_stopping:
        revive(network, states)
    seeds = build.dropout_seeds(states)
    members = build.members(estimator, seeds)
    fitted = fitted_model(estimator, network, prepared, (seeds, member_seeds), members)
    training = Training(prepared, estimator, fitted, continued)
    splits_of = _split_states(estimator, states, previous)
    rows, score, selecting = _validation(estimator, training, splits_of, held)
    training = training._replace(selecting=selecting)
    plan = build.plan(estimator, prepared.target.loss, continued=continued, on_path=on_path)
    steps = estimator.solver != "lbfgs"
    size = build.rows_per_batch(estimator, rows.shape[1]) if steps else rows.shape[1]
    # Those of several members are drawn here, for this run alone.
    batches = Batches(rows, size, estimator.shuffle, states, private=estimator.n_members > 1)
    schedule = build.schedule(estimator, members, batches)
    max_fun = None if steps else estimator.max_fun
    task = Task(network, members, batches, prepared.data, schedule, plan, score, max_fun)
    return training, task


def fitted_model(
    estimator: Any,
    network: Network,
    prepared: Prepared,
    seeds: tuple[np.ndarray, tuple[int, ...]],
    differing: Members | None = None,
) -> Fitted:
    """What predictions need; the seeds are those of the dropout masks, and of the members."""
    masks, members = seeds
    rates: tuple[Any, Any] = float(estimator.dropout), float(estimator.input_dropout)
    drawn = {}
    if differing is not None and (space := space_of(estimator)):
        drawn = {name: tuple(getattr(differing, name).tolist()) for name in sorted(space)}
        rates = drawn.get("dropout", rates[0]), drawn.get("input_dropout", rates[1])
    return Fitted(
        network,
        prepared.columns,
        prepared.target,
        *rates,
        tuple(masks.tolist()),
        members,
        {name: getattr(estimator, name) for name in recipe.AUTO},
        drawn=drawn,
    )


def initial_network(
    estimator: Any, prepared: Prepared, states: list[RandomState], previous: Fitted | None
) -> Network:
    """A copy of the network to go on with, or weights drawn as scikit-learn draws them.

    With a norm, the outputs start at the best constant: nothing ties training to scikit-learn's.
    """
    backend, target, rows = prepared.backend, prepared.target, prepared.rows
    if previous is not None:
        return previous.network.on(backend).copy()
    architecture = build.architecture(estimator, target, prepared.columns)
    network = initialize(backend, architecture, states, np.dtype(prepared.dtype))
    if estimator.normalization is not None:
        bias = network["head.bias"]
        start = target.loss.initial_bias(prepared.encoded, rows.weights())
        bias[...] = backend.asarray(start, dtype=bias.dtype)
    return network


def random_states(estimator: Any) -> tuple[list[RandomState], tuple[int, ...]]:
    """One generator a member and its seed; a single network uses ``random_state`` itself."""
    random_state = check_random_state(estimator.random_state)
    if estimator.n_members == 1:
        return [random_state], ()
    seeds = random_state.randint(np.iinfo(np.int32).max, size=estimator.n_members).tolist()
    return [RandomState(seed) for seed in seeds], tuple(seeds)


def _split_states(
    estimator: Any, states: list[RandomState], previous: Fitted | None
) -> list[RandomState]:
    """Generators of the split; under a warm start with a seed, those of the first fit.

    Another split would hold out rows that the weights were trained on.
    """
    if previous is None or not isinstance(estimator.random_state, Integral):
        return states
    states, _ = random_states(estimator)
    for state in states:
        draw(previous.network.architecture, state)
    return states


def _validation(
    estimator: Any, training: Training, states: list[RandomState], given: HeldOut
) -> tuple[np.ndarray, Score | None, tuple[TrainingData, np.ndarray] | None]:
    """Training rows (K, n), how a stack is scored after an epoch, if it is, and who selects."""
    prepared, rows = training.prepared, training.prepared.rows
    everything = build.all_rows(estimator, len(rows))
    selects = estimator.member_space is not None and estimator.n_members > 1
    if given.X is not None:
        data, own = _given_data(estimator, training, given)
        held = build.all_rows(estimator, len(own))
        selecting = (data, held[0]) if selects else None
        return everything, _score(estimator, training, data, own, held), selecting
    if not recipe.stops_early(estimator, len(rows), prepared.facts.task):
        return everything, None, None
    how = estimator.validation_fraction
    if not selects:
        trained, held = splits.split(rows, how, prepared.target, states)
        return trained, _score(estimator, training, prepared.data, rows, held), None
    trained, held = splits.split(rows, how, prepared.target, states[:1])  # one for all
    trained, held = (np.repeat(each, len(states), axis=0) for each in (trained, held))
    score = _score(estimator, training, prepared.data, rows, held)
    return trained, score, (prepared.data, held[0])


def _given_data(estimator: Any, training: Training, given: HeldOut) -> tuple[TrainingData, Rows]:
    """Held-out rows that ``fit`` was given."""
    prepared, columns = training.prepared, training.prepared.columns
    checked = shallow_copy(estimator, **prepared.header)
    X = move_table(given.X, estimator.backend)
    X, y = checks.check_validation(checked, X, given.y, columns.kinds)
    columns.warn_of_new_gaps(X, "X_val")
    labels = column_labels(X, prepared.rows.names)
    checks.warn_if_far(prepared.rows.X, columns.statistics, X, labels)
    with splits.about("sample_weight_val"):
        weight = checks.check_weights(given.weight, X)
    with splits.about("y_val"):
        y = estimator._check_target(y)
    rows = Rows(X, y, None, None, None, int(X.shape[0])).weighted(weight, 1)
    encoded = prepared.target.encode(rows.y, prepared.dtype, "y_val")
    data = TrainingData.encode(prepared.backend, rows, encoded, columns, prepared.dtype)
    return data, rows


def _score(
    estimator: Any, training: Training, data: TrainingData, rows: Rows, held: np.ndarray
) -> Score:
    if estimator.scoring == "loss":
        return HeldOutLoss(training.prepared.target.loss, data, held)
    return HeldOutScore(_scored_model(estimator, training), rows, held, training.continued)


def _scored_model(estimator: Any, training: Training) -> Any:
    """The estimator as scorers see it: fitted so far, and without the names of columns.

    The tables that it is to score have none, and are on the host.
    """
    header = {n: value for n, value in training.prepared.header.items() if "names" not in n}
    return shallow_copy(estimator, **fitted_attributes(training.fitted, header, None))
