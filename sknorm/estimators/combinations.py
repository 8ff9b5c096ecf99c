"""Combinations of parameters that no training run can follow."""

from numbers import Integral
from typing import Any

import numpy as np

from sknorm._warnings import warn
from sknorm.estimators import recipe
from sknorm.estimators.members import check_space
from sknorm.estimators.parameters import RANDOM
from sknorm.objective.penalties import PENALTIES

_WIDEST = 1 << 31


def hidden_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Widths of the hidden layers; one number is one layer."""
    sizes = list(hidden_layer_sizes) if np.iterable(hidden_layer_sizes) else [hidden_layer_sizes]
    if any(isinstance(d, bool) or not isinstance(d, Integral) or d <= 0 for d in sizes):
        raise ValueError(
            f"hidden_layer_sizes must be > 0, got {sizes}: one positive integer a layer."
        )
    if max(sizes, default=0) >= _WIDEST:
        raise ValueError(
            f"hidden_layer_sizes must be below 2**31, got {sizes}: no memory holds such a layer."
        )
    return tuple(int(d) for d in sizes)


def check_parameters(estimator: Any) -> None:
    """Raise an error if ``fit`` would refuse a parameter, whatever the data."""
    estimator._validate_params()
    resolved = recipe.resolved(estimator)
    check_combination(resolved)
    hidden_sizes(resolved.hidden_layer_sizes)


def check_combination(estimator: Any) -> None:
    """Refuse, before training, what a solver or penalty cannot do; nothing is ``"auto"`` any more.

    Raises
    ------
    ValueError
        Naming the parameters, and what to choose instead.
    """
    if isinstance(estimator.validation_fraction, str):
        raise ValueError(
            f"validation_fraction={estimator.validation_fraction!r} is a string; pass a share of "
            "the rows in (0, 1), a CV splitter, or row indices."
        )
    if estimator.n_bins is not None and estimator.input_dropout > 0:
        raise ValueError(
            f"input_dropout={estimator.input_dropout} drops numbers, and "
            f"n_bins={estimator.n_bins!r} embeds them, of which zero would be a value like others. "
            "Set either to its default."
        )
    if estimator.learning_rate == "adaptive_cosine" and estimator.swa_fraction > 0:
        raise ValueError(
            f"swa_fraction={estimator.swa_fraction} averages the last epochs, and under "
            "learning_rate='adaptive_cosine' nobody knows beforehand which these are. Use "
            "learning_rate='cosine', or swa_fraction=0."
        )
    _check_layer_norm(estimator)
    if not PENALTIES[estimator.penalty].takes_l1_ratio and estimator.l1_ratio > 0:
        warn(
            f"l1_ratio={estimator.l1_ratio} acts with penalty='elasticnet' only; it is ignored "
            f"under penalty={estimator.penalty!r}."
        )
    _check_patience(estimator)
    check_space(estimator)
    if estimator.member_space is not None and estimator.warm_start:
        raise ValueError(
            "warm_start=True cannot go on with members that member_space has selected. Set one of "
            "them to its default."
        )
    penalty = PENALTIES[estimator.penalty].of(estimator.alpha, estimator.l1_ratio)
    if refusal := penalty.refusal(estimator.solver):
        raise ValueError(refusal)
    if estimator.solver == "lbfgs":
        _check_lbfgs(estimator)


def check_incremental(estimator: Any) -> None:
    """Refuse what needs to know the end of training, or all rows, in ``partial_fit``."""
    if estimator.early_stopping is True:
        raise ValueError(
            "partial_fit does not support early_stopping=True: it sees no held-out rows. Set it "
            "to False or 'auto', and score the model between calls."
        )
    for parameter, reason in (
        ("learning_rate", estimator.learning_rate in recipe.PLANNED),
        ("swa_fraction", estimator.swa_fraction > 0),
        ("norm_statistics", estimator.norm_statistics == "population"),
        ("member_space", estimator.member_space is not None),
        ("calibration", recipe.asks_for_calibration(estimator)),
    ):
        if reason:
            raise ValueError(
                f"partial_fit does not support {parameter}={getattr(estimator, parameter)!r}, "
                "which needs to know all steps or all rows of training. Use fit, or the default."
            )


def check_precision(estimator: Any, dtype: Any) -> None:
    """Refuse what a network that computes in ``dtype`` cannot tell from zero.

    Layer norm divides each row by its deviation, which may be zero, in that precision.
    """
    least, epsilon = float(np.finfo(dtype).tiny), float(estimator.norm_epsilon)
    if estimator.normalization == "layer" and epsilon < least:
        name = np.dtype(dtype).name
        raise ValueError(
            f"norm_epsilon={epsilon} is below {least:.3g}, the smallest normal number of {name}, "
            "in which normalization='layer' computes here (dtype). Use a larger one"
            + ("." if name == "float64" else ", or dtype='float64'.")
        )


def _check_patience(estimator: Any) -> None:
    """Warn of patience that somebody asked for, where it ends nothing."""
    patience, longest = estimator.n_iter_no_change, estimator.max_iter
    asked_for = estimator.early_stopping is True or patience != recipe.PATIENCE
    ends_nothing = estimator.learning_rate in recipe.PLANNED and not getattr(
        estimator, recipe.MAY_END
    )
    if ends_nothing and asked_for and patience < longest:
        warn(
            f"n_iter_no_change={patience} ends nothing under learning_rate="
            f"{estimator.learning_rate!r}, which is planned over all max_iter={longest} epochs; "
            "early stopping chooses the best of them. Lower max_iter for a shorter training, or "
            "set n_iter_no_change=numpy.inf to say so."
        )


def _check_layer_norm(estimator: Any) -> None:
    if estimator.normalization == "layer" and 1 in hidden_sizes(estimator.hidden_layer_sizes):
        raise ValueError(
            f"hidden_layer_sizes={estimator.hidden_layer_sizes!r} has a layer of one unit, which "
            "normalization='layer' makes the same for all rows, so that nothing can be learned. "
            "Give the layer more units, or use normalization='batch' or None."
        )


def _check_lbfgs(estimator: Any) -> None:
    for parameter in RANDOM:
        if (value := getattr(estimator, parameter, 0.0)) > 0:
            raise ValueError(
                f"solver='lbfgs' needs an objective that is the same at each evaluation, but "
                f"{parameter}={value} is random. Set it to 0, or use solver='adam'."
            )
    for parameter in ("swa_fraction", "max_grad_norm"):
        if value := getattr(estimator, parameter):
            raise ValueError(
                f"{parameter}={value} acts on the steps of 'sgd', 'adam' and 'adamw'; "
                "solver='lbfgs' has none. Leave it at its default."
            )
