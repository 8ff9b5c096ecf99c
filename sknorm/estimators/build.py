"""The engine's objects, built from an estimator's parameters."""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.random import RandomState
from scipy import sparse

from sknorm._warnings import warn
from sknorm.data.columns import Columns
from sknorm.data.resolution import Sample
from sknorm.data.rows import Rows
from sknorm.data.table import whole
from sknorm.data.targets import Target
from sknorm.estimators import recipe
from sknorm.estimators.combinations import hidden_sizes
from sknorm.estimators.members import DIFFERING, draw
from sknorm.network.architecture import Architecture, Categories, Embedding
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.objective.losses import Loss
from sknorm.objective.penalties import PENALTIES
from sknorm.optim import SGD, Adam, schedules
from sknorm.training.batches import Batches
from sknorm.training.plan import Plan

_WIDTH = 8  # of the vectors of numbers with bins


def n_bins(estimator: Any, rows: Rows, target: Target, *, partial: bool = False) -> int | Sample:
    """Most bins of a number, 0 for none, or what decides; ``partial`` rows are some of all.

    Raises
    ------
    ValueError
        If bins need all rows, or dense ones.
    """
    asked = estimator.n_bins
    if asked is None:
        return 0
    if partial:
        raise ValueError(
            f"n_bins={asked!r} needs to see all rows, of which partial_fit sees a part. Set "
            "n_bins=None, or use fit."
        )
    if sparse.issparse(whole(rows.X)):
        raise ValueError(
            f"n_bins={asked!r} embeds each number, also the zeros that a sparse table does not "
            "store. Set n_bins=None, or pass a dense table."
        )
    if asked == "adaptive":
        return Sample.of(target, rows.y, rows.weight)
    return int(asked)


def scaling(estimator: Any, X: Any) -> str | None:
    """How numbers are scaled.

    Raises
    ------
    ValueError
        If it needs dense ones.
    """
    asked = estimator.scaling
    if asked == "robust" and sparse.issparse(whole(X)):
        raise ValueError(
            "scaling='robust' moves zeros, which a sparse table does not store. Set "
            "scaling='standard', or pass a dense table."
        )
    return asked


def architecture(estimator: Any, target: Target, columns: Columns) -> Architecture:
    """The network's shape."""
    embedding = Embedding(columns.bins.counts, _WIDTH) if columns.bins else None
    return Architecture(
        sizes=(
            inputs(columns, embedding),
            *hidden_sizes(estimator.hidden_layer_sizes),
            target.raw_outputs,
        ),
        activation=estimator.activation,
        normalization=estimator.normalization,
        norm_epsilon=float(estimator.norm_epsilon),
        norm_affine=bool(estimator.norm_affine),
        ghost_batch_size=int(estimator.ghost_batch_size),
        residual=bool(estimator.residual),
        embedding=embedding,
        categories=categories(columns),
    )


def inputs(columns: Columns, embedding: Embedding | None) -> int:
    """Width of a network's first layer, rows of weights that are picked out included."""
    known = categories(columns)
    numbers = sum(embedding.widths) if embedding else len(columns.offset)
    width = max(1, numbers + (known.width if known else 0))
    return width + (known.rows if known else 0)


def categories(columns: Columns) -> Categories | None:
    """What networks make of the code columns, if they make anything of them."""
    known = columns.known
    if not known:
        return None
    return Categories(
        count=len(known),
        columns=tuple((p, c.rows) for p, c in enumerate(known) if c.rows),
        embeddings=tuple((p, c.size, c.width) for p, c in enumerate(known) if c.width),
    )


def dropout_seeds(random_states: list[RandomState]) -> np.ndarray:
    """A key of the masks for each member."""
    return np.array([_dropout_seed(state) for state in random_states], dtype=np.uint32)


def members(estimator: Any, seed: np.ndarray) -> Members:
    """Hyperparameters of all members, each with a key of its masks (K,).

    They are the same, but for those that ``member_space`` has each member draw by its key.
    """
    values = {name: float(getattr(estimator, name, 0.0)) for name in DIFFERING}
    same = {name: np.full(len(seed), value) for name, value in values.items()}
    return Members(**{**same, **draw(estimator, seed)}, seed=seed)


def plan(
    estimator: Any,
    loss: Loss,
    *,
    continued: bool = False,
    on_path: bool = False,
    incremental: bool = False,
) -> Plan:
    """How long and by which rules to train.

    Whether training is ``continued`` from an earlier fit, a part of a regularization path, or a
    call of ``partial_fit``.
    """
    clip = estimator.max_grad_norm
    return Plan(
        loss=loss,
        penalty=PENALTIES[estimator.penalty],
        optimizer=optimizer(estimator),
        max_iter=estimator.max_iter,
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        max_grad_norm=None if clip is None else float(clip),
        norm_statistics=estimator.norm_statistics,
        averaged=float(estimator.swa_fraction),
        keeps_best=bool(estimator.early_stopping),
        watches_start=continued and not on_path,
        until_loss=on_path,
        rows_before=estimator.t_ if continued else 0,
        ends_planned=getattr(estimator, recipe.MAY_END, False),
        incremental=incremental,
    )


def schedule(
    estimator: Any, members: Members, batches: Batches, enough: np.ndarray | None = None
) -> schedules.Schedule:
    """The learning rates, over ``max_iter`` epochs where they are planned.

    ``enough`` are scores (K,) beyond which networks take all of them under an adaptive one.
    """
    planned = estimator.learning_rate in recipe.PLANNED and estimator.solver != "lbfgs"
    acts = estimator.solver == "sgd" or planned
    name = estimator.learning_rate if acts else "constant"
    total = estimator.max_iter * batches.per_epoch
    return schedules.build(name, members.learning_rate_init, estimator.power_t, total, enough)


def optimizer(estimator: Any) -> SGD | Adam:
    """The rule of the steps. Whole numbers would have kernels compiled for them."""
    if estimator.solver == "sgd":
        return SGD(float(estimator.momentum), bool(estimator.nesterovs_momentum))
    betas = float(estimator.beta_1), float(estimator.beta_2)
    return Adam(*betas, float(estimator.epsilon), estimator.solver == "adamw")


def rows_per_batch(estimator: Any, count: int) -> int:
    """Largest number of rows of a batch out of ``count``."""
    if estimator.batch_size == "auto":
        return min(count, 64 if count < 4_000 else 128 if count < 20_000 else 256)
    if estimator.batch_size > count:
        warn(
            f"batch_size={estimator.batch_size} is larger than the {count} training rows; "
            "it is clipped to them."
        )
    size = min(int(estimator.batch_size), count)
    if size < 2 and estimator.normalization in ("batch", "ghost"):
        raise ValueError(
            f"batch_size={estimator.batch_size} leaves one row a batch, of which "
            f"normalization={estimator.normalization!r} has no statistics. Use at least 2."
        )
    return size


def _dropout_seed(random_state: RandomState) -> int:
    """A key that follows from the generator's state but does not advance it."""
    twin = RandomState()
    twin.set_state(random_state.get_state())
    return int(twin.randint(0, 2**32, dtype=np.uint32))


def all_rows(estimator: Any, count: int) -> np.ndarray:
    """All of ``count`` rows for each member, (K, count)."""
    return np.tile(np.arange(count, dtype=np.int64), (estimator.n_members, 1))


def check_continues(previous: Network, asked_for: Architecture, members: int) -> None:
    """Raise a ValueError if a network cannot go on under other parameters."""
    if previous.members != members:
        raise ValueError(
            f"n_members={members}, but the model to go on with has {previous.members}. Keep it, "
            "or fit a new estimator (warm_start=False)."
        )
    old = previous.architecture
    changed = [f.name for f in fields(old) if getattr(old, f.name) != getattr(asked_for, f.name)]
    if changed:
        names = ["hidden_layer_sizes" if name == "sizes" else name for name in changed]
        found = ", ".join(
            f"{name} was {getattr(old, field)}, is {getattr(asked_for, field)}"
            for name, field in zip(names, changed, strict=True)
        )
        raise ValueError(
            f"The model cannot go on training under other layers: {found}. Keep {names[0]} and "
            "the kind of target, or fit a new estimator (warm_start=False)."
        )
