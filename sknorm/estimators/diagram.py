"""What scikit-learn's diagram shows of a fitted network, in HTML."""

from collections.abc import Iterator
from contextlib import suppress
from html import escape
from typing import Any

import numpy as np

from sknorm._sklearn import AttrsDict
from sknorm.estimators import attributes, recipe, sparkline
from sknorm.estimators.curves import Curves, as_array, asked_in_fit, curves_of
from sknorm.estimators.fitted import Fitted, fitted_of

_LARGE = ("coefs_", "intercepts_")  # computed when they are asked for; a diagram shows shapes
_LEFT_OUT = ("network_", "feature_importances_", *_LARGE)
_LONGEST = 400  # characters of an entry: a user's values may have any length
# The text has the colours of scikit-learn's diagram around it, which stays light.
_STYLE = """<style>
.sknorm-summary{font-family:monospace;color:#000;padding:.3em .5em;max-width:36em;text-align:left}
.sknorm-summary dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.15em .8em;
margin:0 0 .4em}
.sknorm-summary dt{color:#444;font-weight:normal;text-align:left;float:none;width:auto}
.sknorm-summary dd{margin:0;overflow-wrap:anywhere}
.sknorm-summary svg{width:210px;height:80px;margin-right:14px}
@media(max-width:480px){.sknorm-summary{max-width:72vw;font-size:.85em}
.sknorm-summary dl{grid-template-columns:minmax(0,1fr)}.sknorm-summary dt{margin-top:.2em}}
</style>"""


def fitted_attributes(estimator: Any, doc_link: str = "") -> AttrsDict:
    """The table of fitted attributes with a summary before it; empty if nothing is fitted."""
    found: dict[str, Any] = {}
    if estimator.__sklearn_is_fitted__():
        names = {n for n in vars(estimator) if n.endswith("_") and not n.startswith("_")}
        names |= {n for n in dir(type(estimator)) if n.endswith("_") and not n.startswith("_")}
        for name in names.difference(_LEFT_OUT):
            with suppress(Exception):  # of a property of a subclass: a diagram is always shown
                found[name] = _entry(getattr(estimator, name))
        found |= {name: _shapes(estimator) for name in _LARGE}
    ordered = dict(sorted(found.items()))
    table = _Summary(fitted_attrs=ordered, estimator_class=type(estimator), doc_link=doc_link)
    table.estimator = estimator
    return table


class _Summary(AttrsDict):
    """scikit-learn's table of fitted attributes, and what a reader wants to know first."""

    estimator: Any

    def _repr_html_inner(self) -> str:
        return summary(self.estimator) + super()._repr_html_inner()


def summary(estimator: Any) -> str:
    """What was trained, how, and with which result: a list, and curves."""
    curves = curves_of(estimator)
    entries = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(_short(text))}</dd>"
        for name, text in _facts(estimator, fitted_of(estimator), curves)
    )
    picture = sparkline.picture(curves)
    return f'{_STYLE}<div class="sknorm-summary"><dl>{entries}</dl>{picture}</div>'


def _facts(estimator: Any, fitted: Fitted, curves: Curves) -> Iterator[tuple[str, str]]:
    network, values = fitted.network, fitted.resolved
    architecture, members = network.architecture, network.members
    first, *others = map(str, architecture.sizes)
    columns = f"{estimator.n_features_in_} columns"
    yield "layers", " → ".join([columns, f"{first} inputs", *others])
    norm = f"{architecture.normalization} norm" if architecture.normalization else "no norm"
    yield "block", f"{norm}, {architecture.activation}, dropout {_range(fitted.dropout)}"
    if members > 1 or curves.loss.shape[1] > 1:
        trained = curves.loss.shape[1]
        chosen = "" if trained == members else f", chosen of {trained}"
        yield "members", f"{members}{chosen}"
    each = " each" if members > 1 else ""
    yield "parameters", f"{network.parameters.layout.size:,}{each}"
    zeros = attributes.sparsity(network)
    if zeros.any():
        yield "zero weights", ", ".join(f"{share:.0%}" for share in zeros) + " (by layer)"
    seconds = _sum(estimator.history_.get("seconds", []))
    took = f" in {seconds:.3g} s" if np.isfinite(seconds) else ""
    ended = "; ended by max_time" if getattr(estimator, "timed_out_", False) else ""
    yield "epochs", f"{estimator.n_iter_}{took}{ended}{_kept(curves)}"
    yield "loss", f"{estimator.loss_:.4g}"
    if estimator.best_validation_score_ is not None:
        score = f"{estimator.best_validation_score_:.4g}"
        yield "held-out score", f"{score} at best, {asked_in_fit(estimator)['scoring']}"
    became = [f"{n}={v!r}" for n, v in values.items() if recipe.is_auto(getattr(estimator, n))]
    if became:
        yield '"auto" became', ", ".join(became)


def _entry(value: Any) -> dict[str, Any]:
    """An attribute as scikit-learn's table takes it."""
    kind = type(value).__name__
    if hasattr(value, "shape") and hasattr(value, "dtype") and np.ndim(value):
        return {"type_name": kind, "shape": value.shape, "dtype": value.dtype, "value": value}
    return {"type_name": kind, "value": value}


def _shapes(estimator: Any) -> dict[str, Any]:
    return {"type_name": "list", "value": f"{estimator.n_layers_ - 1} arrays"}


def _range(rates: Any) -> str:
    values = np.unique(np.asarray(rates, dtype=np.float64)).tolist()
    return " to ".join(f"{rate:.3g}" for rate in [values[0], *values[-1:]][: len(values)])


def _kept(curves: Curves) -> str:
    """Of which epochs the weights are, where it is not the last one."""
    chosen = curves.chosen[np.isfinite(curves.chosen)]
    if not len(chosen) or (chosen == len(curves.loss)).all():
        return ""
    low, high = int(chosen.min()), int(chosen.max())
    return f"; weights of epoch {low}" if low == high else f"; weights of epochs {low} to {high}"


def _sum(seconds: list[Any]) -> float:
    """Time of all epochs, of the member that was trained longest."""
    return float(np.nansum(as_array(seconds), axis=0).max()) if seconds else np.nan


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
