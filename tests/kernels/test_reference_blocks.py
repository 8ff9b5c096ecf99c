"""Blocks against naive float64 formulas and against differences along a random direction."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sknorm.kernels import codes, reference
from sknorm.kernels.reference.activations import activate
from sknorm.kernels.reference.random import keep_mask

EPSILON = 1e-5


def finish(a: dict[str, Any], pre_activation: np.ndarray) -> np.ndarray:
    """Activation and dropout, which have tests of their own."""
    _, n, d = pre_activation.shape
    keep = keep_mask(a["rate"], a["seed"], a["step"], a["layer"], n, 0, d, d)
    return activate(a["activation"], pre_activation) * keep / (1 - a["rate"][:, None, None])


def naive_batch(a: dict[str, Any], z: np.ndarray, scale: Any, shift: Any) -> np.ndarray:
    pre = np.empty_like(z)
    for k in range(z.shape[0]):
        w = a["weight"][k % a["weight"].shape[0]]
        for begin, end in zip(a["groups"][:-1], a["groups"][1:], strict=True):
            part = z[k, begin:end]
            mean = np.average(part, axis=0, weights=w[begin:end])
            variance = np.average((part - mean) ** 2, axis=0, weights=w[begin:end])
            pre[k, begin:end] = (part - mean) / np.sqrt(variance + EPSILON) * scale[k] + shift[k]
    return finish(a, pre)


def naive_layer(a: dict[str, Any], z: np.ndarray, scale: Any, shift: Any) -> np.ndarray:
    mean, variance = z.mean(axis=2, keepdims=True), z.var(axis=2, keepdims=True)
    xhat = (z - mean) / np.sqrt(variance + EPSILON)
    return finish(a, xhat * scale[:, None] + shift[:, None])


def naive_affine(a: dict[str, Any], z: np.ndarray, scale: Any, shift: Any) -> np.ndarray:
    del scale
    return finish(a, z + shift[:, None])


def batch(cases: Any, activation: int, rate: float, shared: bool, backward: bool) -> Any:
    build = cases.batch_backward if backward else cases.batch
    return build(2, 12, 3, np.float64, activation, rate, (), shared)


def ghost(cases: Any, activation: int, rate: float, shared: bool, backward: bool) -> Any:
    build = cases.batch_backward if backward else cases.batch
    return build(2, 12, 3, np.float64, activation, rate, (0, 5, 12), shared)


def layer(cases: Any, activation: int, rate: float, shared: bool, backward: bool) -> Any:
    del shared
    build = cases.layer_backward if backward else cases.layer
    return build(2, 12, 3, np.float64, activation, rate)


def affine(cases: Any, activation: int, rate: float, shared: bool, backward: bool) -> Any:
    del shared
    build = cases.affine_backward if backward else cases.affine
    return build(2, 12, 3, np.float64, activation, rate)


KINDS: dict[str, tuple[Callable, Callable]] = {
    "batch": (batch, naive_batch),
    "ghost": (ghost, naive_batch),
    "layer": (layer, naive_layer),
    "affine": (affine, naive_affine),
}
every_block = [
    pytest.mark.parametrize("kind", KINDS),
    pytest.mark.parametrize("activation", codes.ACTIVATIONS),
    pytest.mark.parametrize("rate", [0.0, 0.4]),
    pytest.mark.parametrize("shared", [True, False], ids=["shared", "per-member"]),
]


def over_blocks(test: Callable) -> Callable:
    """Parametrize over block kind, activation, dropout and row weights."""
    for mark in every_block:
        test = mark(test)
    return test


@over_blocks
def test_forward(cases: Any, kind: str, activation: str, rate: float, shared: bool) -> None:
    build, naive = KINDS[kind]
    case = build(cases, codes.ACTIVATIONS[activation], rate, shared, False)
    a = case.arguments
    want = naive(a, a["z"], a.get("scale"), a["shift"])
    np.testing.assert_allclose(case.run(reference)["out"], want, rtol=1e-9, atol=1e-10)


@over_blocks
def test_backward(cases: Any, kind: str, activation: str, rate: float, shared: bool) -> None:
    build, naive = KINDS[kind]
    code = codes.ACTIVATIONS[activation]
    cases.rng = np.random.default_rng(7)
    z = build(cases, code, rate, shared, False).arguments["z"]
    cases.rng = np.random.default_rng(7)
    case = build(cases, code, rate, shared, True)
    a, got = case.arguments, case.run(reference)
    scale = a.get("scale", a["shift"])
    rng = np.random.default_rng(8)
    dz, dscale, dshift = (rng.normal(size=x.shape) for x in (z, scale, a["shift"]))

    def objective(h: float) -> float:
        out = naive(a, z + h * dz, scale + h * dscale, a["shift"] + h * dshift)
        return float(np.sum(a["dout"] * out))

    h = 1e-6
    along = np.sum(got["dout"] * dz) + np.sum(got["dshift"] * dshift)
    along += np.sum(got["dscale"] * dscale) if "dscale" in got else 0.0
    np.testing.assert_allclose(along, (objective(h) - objective(-h)) / (2 * h), rtol=1e-5)


@pytest.mark.parametrize("build", ["batch", "batch_backward", "affine", "affine_backward"])
def test_columns_are_independent(cases: Any, build: str) -> None:
    case = getattr(cases, build)(2, 9, 6, np.float64, codes.GELU, 0.3)
    if case.forward:  # its statistics stand in the arguments already
        case = case._replace(forward=None)
    whole = case.run(reference)
    case.arguments.update(start=2, stop=5)
    part = case.run(reference)
    for name, got in part.items():
        if isinstance(got, np.ndarray) and case.is_output(name):
            np.testing.assert_allclose(got[..., 2:5], whole[name][..., 2:5], rtol=1e-13)
            np.testing.assert_array_equal(got[..., :2], case.arguments[name][..., :2])
            np.testing.assert_array_equal(got[..., 5:], case.arguments[name][..., 5:])


def test_statistics_and_running_moments(cases: Any) -> None:
    case = cases.batch(3, 12, 4, np.float64, groups=(0, 5, 12), shared=False)
    a = case.arguments
    a["weight"] = cases.rng.integers(0, 4, (3, 12)).astype(float)
    a["momentum"] = np.array([0.1, 0.0, 1.0])
    got = case.run(reference)
    for k in range(3):
        rows = [np.repeat(np.arange(b, e), a["weight"][k, b:e].astype(int)) for b, e in
                ((0, 5), (5, 12))]  # fmt: skip
        parts = [a["z"][k][r] for r in rows]
        for g, part in enumerate(parts):
            np.testing.assert_allclose(got["statistics"][k, g, 0], part.mean(axis=0))
            inverse = 1 / np.sqrt(part.var(axis=0) + EPSILON)
            np.testing.assert_allclose(got["statistics"][k, g, 2], inverse)
            np.testing.assert_allclose(got["statistics"][k, g, 3], inverse * a["scale"][k])
        sizes = [len(part) for part in parts]
        mean = np.average([p.mean(axis=0) for p in parts], axis=0, weights=sizes)
        variance = np.average([p.var(axis=0, ddof=1) for p in parts], axis=0, weights=sizes)
        want = a["running"][k] + a["momentum"][k] * (np.stack([mean, variance]) - a["running"][k])
        np.testing.assert_allclose(got["running"][k], want, rtol=1e-10)
    np.testing.assert_array_equal(got["running"][1], a["running"][1])


@pytest.mark.parametrize("ratio", [1e2, 1e4])
@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_large_means_in_float32(cases: Any, kind: str, ratio: float) -> None:
    build, naive = getattr(cases, kind), {"batch": naive_batch, "layer": naive_layer}[kind]
    case = build(2, 300, 40, np.float32, codes.IDENTITY)
    a = case.arguments
    a["z"] = (ratio + cases.rng.normal(size=(2, 300, 40))).astype(np.float32)
    wide = {k: v.astype(float) if hasattr(v, "astype") else v for k, v in a.items()}
    wide["groups"], wide["seed"] = a.get("groups", np.zeros(0, int)).astype(int), a["seed"]
    want = naive(wide, wide["z"], wide["scale"], wide["shift"])
    got = case.run(reference)
    np.testing.assert_allclose(got["out"], want, rtol=1e-6, atol=1e-6)
    if kind == "batch":
        a["momentum"][...] = 1.0
        running, w = case.run(reference)["running"], wide["weight"][0]
        mean = np.average(wide["z"], axis=1, weights=w)
        variance = np.average((wide["z"] - mean[:, None]) ** 2, axis=1, weights=w)
        np.testing.assert_allclose(running[:, 0], mean, rtol=1e-12)
        unbiased = variance * w.sum() / (w.sum() - 1.0)
        np.testing.assert_allclose(running[:, 1], unbiased, rtol=1e-6)
        s = got["statistics"][:, 0].astype(float)
        np.testing.assert_allclose(s[:, 0] + s[:, 1], mean, rtol=1e-12)
        np.testing.assert_allclose(s[:, 2], 1 / np.sqrt(variance + EPSILON), rtol=1e-6)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_mean_is_right_beyond_rounding(cases: Any, kind: str) -> None:
    """The mean of numbers near 1e12 is off by 1e-4 if it is rounded to float64."""
    case = getattr(cases, kind)(2, 30, 40, np.float64, codes.IDENTITY)
    a = case.arguments
    a["z"] = 1e12 + cases.rng.normal(size=(2, 30, 40))
    naive = {"batch": naive_batch, "layer": naive_layer}[kind]
    want = naive(a, a["z"] - 1e12, a["scale"], a["shift"])  # exact, as both are on one grid
    np.testing.assert_allclose(case.run(reference)["out"], want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("n_copies", [0, 2])
def test_weights_are_repetitions(cases: Any, n_copies: int) -> None:
    """Row 3 with weight 2 equals row 3 twice, with weight 0 it equals a batch without it."""
    case = cases.batch_backward(1, 9, 4, np.float64, codes.TANH)
    a = case.arguments
    a["weight"] = np.ones((1, 9))
    a["weight"][0, 3] = n_copies
    # The loss weights its rows as well, so a row's gradient carries its weight.
    a["dout"][:, 3] *= n_copies
    case.forward.arguments["weight"] = a["weight"]
    case.forward.arguments["momentum"][...] = 0.5
    weighted, weighted_forward = case.run(reference), case.forward.run(reference)

    rows = np.repeat(np.arange(9), np.where(np.arange(9) == 3, n_copies, 1))
    replace = {"z": a["z"][:, rows], "weight": np.ones((1, rows.size)),
               "groups": np.array([0, rows.size])}  # fmt: skip
    forward = case.forward._replace(
        arguments=case.forward.arguments | replace | {"out": np.empty((1, rows.size, 4))}
    )
    dout = a["dout"][:, rows] / np.where(rows == 3, max(n_copies, 1), 1)[:, None]
    case = case._replace(arguments=a | replace | {"dout": dout}, forward=forward)
    repeated, repeated_forward = case.run(reference), forward.run(reference)

    np.testing.assert_allclose(weighted_forward["out"][:, rows], repeated_forward["out"])
    np.testing.assert_allclose(weighted_forward["running"], repeated_forward["running"])
    for name in ("dscale", "dshift"):
        np.testing.assert_allclose(weighted[name], repeated[name], atol=1e-12)
    others = np.arange(9) != 3
    np.testing.assert_allclose(
        weighted["dout"][:, others], repeated["dout"][:, rows != 3], atol=1e-12
    )
    copies = repeated["dout"][:, rows == 3].sum(axis=1)
    np.testing.assert_allclose(weighted["dout"][:, 3], copies, atol=1e-12)


def test_group_without_weight_stays_finite(cases: Any) -> None:
    case = cases.batch_backward(1, 9, 4, np.float64, codes.TANH, groups=(0, 4, 9))
    case.arguments["weight"][:, 4:] = 0.0
    case.forward.arguments["weight"][:, 4:] = 0.0
    forward, backward = case.forward.run(reference), case.run(reference)
    for array in (forward["out"], forward["running"], backward["dout"], backward["dscale"]):
        assert np.all(np.isfinite(array))


@pytest.mark.parametrize("activation", codes.ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_nan_stays_visible(cases: Any, kind: str, activation: str) -> None:
    case = KINDS[kind][0](cases, codes.ACTIVATIONS[activation], 0.0, True, False)
    case.arguments["z"][0, 1, 2] = np.nan
    assert np.isnan(case.run(reference)["out"][0, 1, 2])
