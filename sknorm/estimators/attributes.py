"""Fitted attributes: what training left behind, in scikit-learn's terms."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknorm._warnings import warn
from sknorm.estimators import recipe
from sknorm.estimators.fitted import Fitted, shallow_copy
from sknorm.estimators.scoring import scoring_name
from sknorm.estimators.stages import Training
from sknorm.network.folding import fold
from sknorm.network.network import Network
from sknorm.training.history import mean
from sknorm.training.plan import Outcome


def of_outcome(estimator: Any, training: Training, outcome: Outcome, rows: int) -> dict[str, Any]:
    """The attributes of a fit over so many rows; curves go on where a warm start continues them."""
    continued, epochs = training.continued, int(outcome.epochs.max())
    history, columns = outcome.history.as_lists(), outcome.history.columns
    losses = [_mean_of_active(row) for row in columns["loss"]]
    scores = [_mean_of_active(row) for row in columns["validation"]]
    if continued:
        history = extended(estimator.history_, history, epochs, outcome.network.members)
        losses = estimator.loss_curve_ + losses
        scores = (estimator.validation_scores_ or []) + scores
    scored = bool(columns["validation"])  # `scores` may be those of earlier fits alone
    watched = scored and bool(estimator.early_stopping)
    best = _mean_of_active(outcome.best)
    best_score = best if watched else None
    if scored and not watched:
        best_score = max(filter(np.isfinite, scores), default=np.nan)
    lowest = min(filter(np.isfinite, [best, *losses]), default=np.nan)
    return {
        **training.attributes(outcome.network, selects=True),
        "n_iter_": epochs,
        "timed_out_": outcome.timed_out,
        "t_": (estimator.t_ if continued else 0) + epochs * rows - outcome.rows_missed,
        "history_": history,
        "loss_curve_": losses,
        "loss_": losses[-1] if losses else np.nan,
        "best_loss_": None if watched else lowest,
        "validation_scores_": scores if scored else None,
        "best_validation_score_": best_score,
    }


def is_unfinished(estimator: Any, outcome: Outcome) -> bool:
    """Whether a network used up its epochs, and was not meant to."""
    meant = estimator.learning_rate in recipe.PLANNED or estimator.swa_fraction
    return outcome.exhausted and not meant


def warn_if_unfinished(estimator: Any, outcome: Outcome) -> None:
    """Warn of networks that used up their epochs before they had converged."""
    if is_unfinished(estimator, outcome):
        warn(
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
        )


def missing_scores(estimator: Any, outcome: Outcome) -> str:
    """What is to be said of networks without a score that early stopping could watch, if any."""
    faults, members = [fault for fault in outcome.faults if fault], len(outcome.faults)
    if not faults:
        return ""
    which = f" for {len(faults)} of {members} members" if members > 1 else ""
    return (
        f"{scoring_name(estimator.scoring)} was never a finite number{which}: {faults[0]} "
        "Training went by the training loss instead, and the last weights are kept."
    )


def warn_if_unscored(estimator: Any, outcome: Outcome) -> None:
    """Warn of networks that no score could choose the weights of."""
    if text := missing_scores(estimator, outcome):
        warn(text)


def of_increment(
    estimator: Any, epoch: dict[str, np.ndarray], rows: int, *, fresh: bool
) -> dict[str, Any]:
    """The attributes after one epoch of ``partial_fit``; curves are yet to be appended to."""
    loss = float(np.mean(epoch["loss"]))
    best = None if fresh else estimator.best_loss_
    return {
        **({"loss_curve_": [], "history_": {}} if fresh else {}),
        "n_iter_": 1,
        "timed_out_": False,
        "t_": (0 if fresh else estimator.t_) + rows,
        "loss_": loss,
        "best_loss_": loss if best is None else min(best, loss),
        "validation_scores_": None,
        "best_validation_score_": None,
    }


def append_increment(estimator: Any, epoch: dict[str, np.ndarray], seconds: float) -> None:
    """Append an epoch of ``partial_fit`` to the curves, in place: there may be many calls."""
    members = len(epoch["loss"])
    values = {**epoch, "seconds": np.full(members, seconds)}
    history, curve, nothing = estimator.history_, estimator.loss_curve_, _nothing(members)
    before = min([len(curve), *map(len, history.values())])
    for key in {**history, **values}:
        value, entries = values.get(key), history.setdefault(key, [nothing] * before)
        del entries[before:]  # of a call that was interrupted right here
        entries.append(nothing if value is None else float(value[0]) if members == 1 else value)
    del curve[before:]
    curve.append(estimator.loss_)


def extended(
    history: dict[str, list], added: dict[str, list], epochs: int, members: int
) -> dict[str, list]:
    """A history and the epochs after it, with NaN for what only one of them records."""
    before = max(map(len, history.values()), default=0)
    nothing = _nothing(members)
    return {
        key: history.get(key, [nothing] * before) + added.get(key, [nothing] * epochs)
        for key in {**history, **added}
    }


def _nothing(members: int) -> Any:
    """The entry of an epoch that recorded nothing."""
    return np.nan if members == 1 else np.full(members, np.nan)


def copied(estimator: Any) -> Any:
    """A shallow copy for users, whose curves go on by themselves."""
    new = shallow_copy(estimator)
    if hasattr(new, "history_"):
        new.history_ = {key: list(entries) for key, entries in new.history_.items()}
        new.loss_curve_ = list(new.loss_curve_)
    return new


def moved(estimator: Any, converter: Callable[[Any], Any]) -> Any:
    """A copy elsewhere, for scikit-learn's ``move_estimator_to``.

    Networks go where they are asked to predict, and ``classes_`` stays on the host.
    """
    new = copy.deepcopy(estimator)
    for name in ("input_mean_", "input_scale_", "target_mean_", "target_scale_"):
        if hasattr(new, name):
            setattr(new, name, converter(getattr(new, name)))
    return new


def plain_network(fitted: Fitted) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and biases with norms and the scaling of inputs and targets folded in."""
    network, columns, target = fitted.network, fitted.columns, fitted.target
    inference, to_numpy = fold(network), network.backend.to_numpy
    dtype = to_numpy(network["head.bias"]).dtype
    weights = [to_numpy(w).astype(np.float64) for w in inference.weights]
    biases = [to_numpy(b).astype(np.float64) for b in inference.biases]
    if network.architecture.normalization != "layer" and columns.is_linear:
        weights[0] = weights[0] * columns.factor[:, None]
        biases[0] = biases[0] - np.einsum("i,kij->kj", columns.offset, weights[0])
    location, scale = target.units
    if target.loss.output_activation == "exp":  # exp(raw) * scale = exp(raw + log scale)
        biases[-1] = biases[-1] + np.log(scale)
    else:
        weights[-1], biases[-1] = weights[-1] * scale, biases[-1] * scale + location
    arrays = [[a.astype(dtype) for a in group] for group in (weights, biases)]
    if network.members == 1:
        arrays = [[a[0] for a in group] for group in arrays]
    return arrays[0], arrays[1]


def sparsity(network: Network) -> np.ndarray:
    """Share of exact zeros of each layer's weights, over all members."""
    to_numpy = network.backend.to_numpy
    return np.array([float(np.mean(to_numpy(w) == 0)) for w in network.parameters.weights])


def importances(fitted: Fitted) -> np.ndarray:
    """Norms of the rows of the first layer, norm folded in, with a sum of one.

    What belongs to one feature is taken together.
    """
    network, columns = fitted.network, fitted.columns
    inference, to_numpy = fold(network), network.backend.to_numpy
    first = inference.weights[network.parameters.layout.inputs.layer]
    weight = to_numpy(first).astype(np.float64)
    most = np.abs(weight).max() or 1.0  # whose square may overflow
    if columns.are_inputs:
        squares = ((weight / most) ** 2).sum(axis=2)
        squares[:, np.flatnonzero(columns.constant)] = 0.0  # whose weights were never used
        norms = np.sqrt(squares).mean(axis=0)
    else:
        squares = _of_numbers(fitted, inference.number_table, weight / most)
        squares += _of_categories(fitted, inference.table, weight / most)
        norms = np.sqrt(squares).mean(axis=0)
    total = norms.sum()
    return norms / total if total > 0 else norms


def connections(fitted: Fitted) -> np.ndarray:
    """Whether features have weights that are not zero, bool (K, n_features, d_out).

    To each unit of the first layer, from any input that stands for the feature.
    """
    network, columns = fitted.network, fitted.columns
    first = network.backend.to_numpy(network[network.parameters.layout.inputs.name])
    if columns.are_inputs:
        return first != 0
    found = np.zeros((first.shape[0], columns.kinds.n_features, first.shape[2]), dtype=bool)
    groups, own = network.architecture.groups, columns.features_of_groups
    for feature, start, stop in zip(own, groups[:-1], groups[1:], strict=True):
        if feature >= 0:
            found[:, feature] |= (first[:, start:stop] != 0).any(axis=1)
    return found


def _of_numbers(fitted: Fitted, table: Any, weight: np.ndarray) -> np.ndarray:
    """Squared norms (K, n_features) of what numbers add to units by weights (K, d_in, d_out).

    Of numbers that are inputs, those of their weights; of embedded ones, the squared deviations of
    what they add.
    """
    columns, bins = fitted.columns, fitted.columns.bins
    found = np.zeros((len(weight), columns.kinds.n_features))
    plan = [(j, 0, 0, 0, 0) for j in range(len(columns.offset))]
    if bins is not None:
        plan = fitted.network.architecture.embedding.plan.tolist()  # type: ignore[union-attr]
        vectors = fitted.network.backend.to_numpy(table).astype(np.float64)
    for j, feature in enumerate(columns.kinds.numeric):  # none where the table has zeros instead
        first, width, begin, _, count = plan[j]
        added, spread = weight[:, first : first + max(1, width)], np.eye(1)
        if width and bins is not None:
            own = vectors[:, begin : begin + (1 + count) * width].reshape(-1, 1 + count, width)
            added, spread = own @ added, bins.covariances[j]
        if not columns.constant[j]:  # else its weights were never used
            found[:, feature] = np.einsum("kio,ij,kjo->k", added, spread, added, optimize=True)
    return np.maximum(found, 0.0)  # of rounding errors


def _of_categories(fitted: Fitted, table: Any, weight: np.ndarray) -> np.ndarray:
    """Squared deviations (K, n_features) of what categories add to units."""
    columns, architecture = fitted.columns, fitted.network.architecture
    found = np.zeros((len(weight), columns.kinds.n_features))
    vectors = None if table is None else fitted.network.backend.to_numpy(table)
    embedded, begin, dense = architecture.numbers, 0, architecture.dense
    for each in columns.known:
        if each.width:
            assert vectors is not None
            stop = begin + each.size * each.width
            own = vectors[:, begin:stop].reshape(len(weight), each.size, each.width)
            added = own @ weight[:, embedded : embedded + each.width]
            embedded, begin = embedded + each.width, stop
        else:
            added = weight[:, dense + each.first : dense + each.first + each.size]
        shares = each.shares[:, None]
        centred = added - (shares * added).sum(axis=1, keepdims=True)
        found[:, each.feature] += (shares * centred**2).sum(axis=(1, 2))
    return found


def _mean_of_active(values: np.ndarray) -> float:
    """Mean over the members that are not NaN; NaN if all are."""
    active = values if len(values) == 1 else values[~np.isnan(values)]
    return mean(active) if active.size else np.nan
