"""Constraints of the parameters that the estimators share, and of their combinations."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names

from sknorm._sklearn import HasMethods, Interval, Options, StrOptions
from sknorm._warnings import warn
from sknorm.backends import NAMES, PRECISIONS
from sknorm.kernels.codes import ACTIVATIONS
from sknorm.network.architecture import NORMALIZATIONS
from sknorm.objective.penalties import PENALTIES

_PATIENCE = 10  # the default of n_iter_no_change
PLANNED = ("cosine", "one_cycle")  # schedules that are meant to use up max_iter

CONSTRAINTS: dict[str, list] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "solver": [StrOptions({"sgd", "adam", "adamw", "lbfgs"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "penalty": [StrOptions(set(PENALTIES))],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", *PLANNED})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": [StrOptions({"auto"}), "boolean"],
    "validation_fraction": [
        Interval(Real, 0, 1, closed="left"),
        HasMethods(["split"]),
        HasMethods(["__iter__"]),
    ],
    "scoring": [StrOptions({"loss"} | set(get_scorer_names())), callable, None],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "max_grad_norm": [None, Interval(Real, 0, None, closed="neither")],
    "normalization": [StrOptions(set(NORMALIZATIONS)), None],
    "norm_momentum": [Interval(Real, 0, 1, closed="right")],
    "norm_epsilon": [Interval(Real, 0, None, closed="neither")],
    "norm_affine": ["boolean"],
    "norm_statistics": [StrOptions({"running", "cumulative", "population"})],
    "ghost_batch_size": [Interval(Integral, 2, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "input_dropout": [Interval(Real, 0, 1, closed="left")],
    "input_noise": [Interval(Real, 0, None, closed="left")],
    "mixup_alpha": [Interval(Real, 0, None, closed="left")],
    "residual": ["boolean"],
    "swa_fraction": [Interval(Real, 0, 1, closed="both")],
    "n_members": [Interval(Integral, 1, 1 << 20, closed="both")],
    "backend": [StrOptions(set(NAMES))],
    "matmul_precision": [StrOptions(set(PRECISIONS))],
    "dtype": [StrOptions({"auto", "float32", "float64"})],
}

_WIDEST = 1 << 31
RANDOM = ("dropout", "input_dropout", "input_noise", "mixup_alpha")


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


def check_combination(estimator: Any) -> None:
    """Refuse, before training, what a solver or penalty cannot do.

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
    _check_layer_norm(estimator)
    if not PENALTIES[estimator.penalty].takes_l1_ratio and estimator.l1_ratio > 0:
        warn(
            f"l1_ratio={estimator.l1_ratio} acts with penalty='elasticnet' only; it is ignored "
            f"under penalty={estimator.penalty!r}."
        )
    _check_patience(estimator)
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
        ("learning_rate", estimator.learning_rate in PLANNED),
        ("swa_fraction", estimator.swa_fraction > 0),
        ("norm_statistics", estimator.norm_statistics == "population"),
    ):
        if reason:
            raise ValueError(
                f"partial_fit does not support {parameter}={getattr(estimator, parameter)!r}, "
                "which needs to know all steps or all rows of training. Use fit, or the default."
            )


def _check_patience(estimator: Any) -> None:
    """Warn of patience that somebody asked for, where it ends nothing."""
    patience, longest = estimator.n_iter_no_change, estimator.max_iter
    asked_for = estimator.early_stopping is True or patience != _PATIENCE
    if estimator.learning_rate in PLANNED and asked_for and patience < longest:
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
        if (value := getattr(estimator, parameter)) > 0:
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
