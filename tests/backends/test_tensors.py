"""Tables of PyTorch and JAX: computed with by CuPy or NumPy from the same memory."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sklearn import config_context
from stand_ins import Cupy, Device, JaxArray, Tensor, TorchTensor, installed

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends import fetched, in_kind, is_on_host, resolve, to_host
from sknorm.data.table import move_table

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

Put = Callable[[np.ndarray], Any]
RNG = np.random.default_rng(0)
X = RNG.normal(1.0, 2.0, (48, 4))
SIGNAL = X[:, 0] - X[:, 1]
WEIGHT = RNG.uniform(0.5, 2.0, 48)
TARGETS = {
    "binary": (SIGNAL > 0).astype(np.int64),
    "multiclass": np.digitize(SIGNAL, [-1.5, 1.5]) + 3,
    "multilabel": (X[:, :3] > 1.0).astype(np.int64),
}
kinds = pytest.mark.parametrize("kind", [TorchTensor, JaxArray])


@pytest.fixture
def cupy() -> Iterator[Cupy]:
    with installed(Cupy()) as module:
        yield module


def settings(**changed: Any) -> dict[str, Any]:
    common = {"hidden_layer_sizes": (4,), "max_iter": 3, "batch_size": 24, "random_state": 0}
    return {**common, **changed}


def assert_answers(found: Any, expected: np.ndarray, kind: type) -> None:
    assert type(found) is kind and found.device.type == "cuda"
    np.testing.assert_allclose(to_host(found), expected, rtol=1e-9, atol=1e-11)


@kinds
def test_tables_are_taken_without_a_copy(cupy: Cupy, kind: type[Tensor]) -> None:
    tensor = kind(X)
    assert not is_on_host(tensor)
    table = move_table(tensor, "auto")
    assert type(table) is type(tensor.values) and table.device == Device()
    table[0, 0] = -7.0
    assert float(to_host(tensor)[0, 0]) == -7.0
    assert cupy.taken == 1 and move_table(table, "auto") is not None and cupy.taken == 1


@kinds
@pytest.mark.parametrize("target", TARGETS)
def test_classifiers_answer_in_kind(cupy: Cupy, kind: type[Tensor], target: str) -> None:
    y = TARGETS[target]
    model = MLPClassifier(**settings(), preset="sklearn").fit(
        kind(X), kind(y), sample_weight=kind(WEIGHT)
    )
    assert Tensor.reads == 2  # of y and the weights
    expected = MLPClassifier(**settings(), preset="sklearn").fit(X, y, sample_weight=WEIGHT)
    assert type(model.classes_) is np.ndarray
    for method in ("predict", "predict_proba", "predict_log_proba"):
        Tensor.reads = cupy.taken = 0
        found = getattr(model, method)(kind(X))
        assert Tensor.reads == 0 and cupy.taken == 1
        assert_answers(found, getattr(expected, method)(X), kind)


@kinds
def test_regressors_answer_in_kind(kind: type[Tensor], cupy: Cupy) -> None:
    model = MLPRegressor(**settings(n_members=2), preset="sklearn").fit(kind(X), kind(SIGNAL))
    expected = MLPRegressor(**settings(n_members=2), preset="sklearn").fit(X, SIGNAL)
    other = expected.predict(X, return_std=True)
    for mine, theirs in zip(model.predict(kind(X), return_std=True), other, strict=True):
        assert_answers(mine, theirs, kind)
    assert_answers(model.predict(kind(X)), other[0], kind)


@kinds
def test_targets_and_weights_may_be_tensors_alone(kind: type[Tensor], cupy: Cupy) -> None:
    y = TARGETS["binary"]
    expected = (
        MLPClassifier(**settings(), preset="sklearn")
        .fit(X, y, sample_weight=WEIGHT)
        .predict_proba(X)
    )
    for place in ("cpu", "cuda"):
        given = kind(y, place), kind(WEIGHT, place)
        found = MLPClassifier(**settings(), preset="sklearn").fit(X, *given).predict_proba(X)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@kinds
def test_rows_held_out_groups_and_classes_may_be_tensors(kind: type[Tensor], cupy: Cupy) -> None:
    y, held, groups = TARGETS["binary"], np.arange(12), np.arange(48) // 4
    for changed, extra in (
        ({"validation_fraction": held}, {}),
        ({"validation_fraction": 0.25}, {"groups": groups}),
        ({}, {"X_val": X[:12], "y_val": y[:12], "sample_weight_val": WEIGHT[:12]}),
    ):
        scores = []
        for put in (np.asarray, kind):
            how = {name: put(v) if np.ndim(v) else v for name, v in changed.items()}
            model = MLPClassifier(**settings(early_stopping=True, **how), preset="sklearn")
            model.fit(put(X), put(y), **{name: put(value) for name, value in extra.items()})
            scores.append(model.validation_scores_)
        np.testing.assert_allclose(scores[1], scores[0], rtol=1e-9)
    model = MLPClassifier(**settings(), preset="sklearn").partial_fit(
        kind(X), kind(y), classes=kind(np.arange(2))
    )
    assert model.classes_.tolist() == [0, 1]


@kinds
@pytest.mark.parametrize("place", ["cuda", "cpu"])
def test_half_precision_is_read_as_float32(kind: type[Tensor], place: str, cupy: Cupy) -> None:
    single = X.astype(np.float32)
    expected = MLPRegressor(**settings(), preset="sklearn").fit(single, SIGNAL).predict(single)
    tensor = kind(single, place, half=True)
    model = MLPRegressor(**settings(), preset="sklearn").fit(
        tensor, kind(SIGNAL.astype(np.float32), place, half=True)
    )
    found = to_host(model.predict(tensor))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("place", ["cuda", "cpu"])
def test_gradients_are_refused(place: str, cupy: Cupy) -> None:
    def tracked(values: np.ndarray) -> TorchTensor:
        tensor = TorchTensor(values, place)
        tensor.requires_grad = True
        return tensor

    message = r"requires gradients.*Pass its detach\(\)"
    plain = TorchTensor(X, place)
    model = MLPRegressor(**settings(), preset="sklearn")
    for given in (
        (tracked(X), SIGNAL), (plain, tracked(SIGNAL)), (plain, SIGNAL, tracked(WEIGHT)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            model.fit(*given)
    model.fit(plain, SIGNAL)
    with pytest.raises(ValueError, match=message):
        model.predict(tracked(X))


@kinds
@pytest.mark.parametrize("place", ["mps", "tpu"])
def test_other_devices_are_refused_unless_the_host_computes(
    kind: type[Tensor], place: str, cupy: Cupy
) -> None:
    tensor = kind(X, place)
    with pytest.raises(ValueError, match=f"on '{place}', but sknorm computes on the host and"):
        MLPRegressor(**settings(), preset="sklearn").fit(tensor, SIGNAL)
    model = MLPRegressor(**settings(backend="numpy"), preset="sklearn").fit(tensor, SIGNAL)
    assert cupy.taken == 0 and type(model.network_.parameters.flat) is np.ndarray


@kinds
def test_the_host_computes_where_it_is_told_to(kind: type[Tensor], cupy: Cupy) -> None:
    model = MLPRegressor(**settings(backend="numpy"), preset="sklearn").fit(kind(X), kind(SIGNAL))
    assert type(model.network_.parameters.flat) is np.ndarray and cupy.taken == 0
    expected = MLPRegressor(**settings(), preset="sklearn").fit(X, SIGNAL).predict(X)
    assert_answers(model.predict(kind(X)), expected, kind)


@kinds
def test_tensors_of_the_host_are_numpys(kind: type[Tensor], cupy: Cupy) -> None:
    tensor = kind(X, "cpu")
    assert is_on_host(tensor) and resolve(tensor) is resolve(X)
    for array in (fetched(tensor), move_table(tensor, "auto"), move_table(tensor, "cupy")):
        assert type(array) is np.ndarray and np.shares_memory(array, fetched(tensor))
    model = MLPRegressor(**settings(), preset="sklearn").fit(tensor, kind(SIGNAL, "cpu"))
    expected = MLPRegressor(**settings(), preset="sklearn").fit(X, SIGNAL).predict(X)
    np.testing.assert_array_equal(model.predict(tensor), expected)
    assert cupy.taken == 0


@kinds
def test_answers_are_in_kind_whatever_they_are(kind: type[Tensor], cupy: Cupy) -> None:
    fixed = np.arange(3.0)
    fixed.setflags(write=False)
    for values in (fixed, resolve(kind(X)).asarray(fixed)):
        assert_answers(in_kind(values, kind(X)), fixed, kind)
    assert type(in_kind(kind(X).values, kind(X, "cpu"))) is np.ndarray


def real(library: str, values: np.ndarray, place: str, dtype: str = "float32") -> Any:
    """A tensor of the library itself; ``place`` is "cpu" or "cuda"."""
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    if library == "torch":
        return module.asarray(values, dtype=getattr(module, dtype), device=place)
    values = module.numpy.asarray(values).astype(dtype)
    return module.device_put(values, module.devices(place)[0])


def pointer(tensor: Any) -> int:
    """Where the values of a tensor of PyTorch or JAX, or an array of CuPy, are."""
    if hasattr(tensor, "data_ptr"):
        return tensor.data_ptr()
    return tensor.data.ptr if hasattr(tensor, "get") else tensor.unsafe_buffer_pointer()


libraries = pytest.mark.parametrize("library", ["torch", "jax"])
precisions = pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])


@libraries
@precisions
def test_real_tensors_of_the_host_are_numpys(library: str, dtype: str) -> None:
    tensor, y = (real(library, values, "cpu", dtype) for values in (X, SIGNAL))
    table, target = fetched(tensor), fetched(y)
    assert table.dtype == target.dtype == np.float32
    expected = MLPRegressor(**settings(), preset="sklearn").fit(table, target).predict(table)
    found = MLPRegressor(**settings(), preset="sklearn").fit(tensor, y).predict(tensor)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, expected)


@pytest.mark.gpu
def test_real_gradients_are_refused() -> None:
    tensor = real("torch", X, "cuda").requires_grad_()
    with pytest.raises(ValueError, match=r"requires gradients.*Pass its detach\(\)"):
        MLPRegressor(**settings(), preset="sklearn").fit(tensor, SIGNAL)
    MLPRegressor(**settings(), preset="sklearn").fit(tensor.detach(), SIGNAL)


@pytest.mark.gpu
@libraries
def test_real_tables_are_taken_without_a_copy(library: str) -> None:
    tensor = real(library, X, "cuda")
    table = move_table(tensor, "auto")
    assert pointer(table) == pointer(tensor)
    assert pointer(in_kind(table, tensor)) == pointer(tensor)


@pytest.mark.gpu
@libraries
@precisions
@pytest.mark.parametrize("target", TARGETS)
def test_real_tensors_of_a_device_are_answered_in_kind(
    library: str, dtype: str, target: str
) -> None:
    tensor, y = real(library, X, "cuda", dtype), real(library, TARGETS[target], "cuda", "int32")
    weight = real(library, WEIGHT, "cuda", dtype)
    expected = MLPClassifier(**settings(), preset="sklearn").fit(
        fetched(tensor), TARGETS[target], fetched(weight)
    )
    model = MLPClassifier(**settings(), preset="sklearn").fit(tensor, y, weight)
    for method in ("predict", "predict_proba"):
        found = getattr(model, method)(tensor)
        assert type(found) is type(tensor) and found.device == tensor.device
        theirs = getattr(expected, method)(fetched(tensor))
        np.testing.assert_allclose(to_host(found), theirs, rtol=1e-3, atol=1e-4)


@kinds
@pytest.mark.parametrize("dispatch", [True, False])
def test_attributes_are_in_kind(kind, dispatch, cupy):
    with config_context(array_api_dispatch=dispatch):
        model = MLPRegressor(**settings(), preset="sklearn").fit(kind(X), kind(SIGNAL))
        expected = MLPRegressor(**settings(), preset="sklearn").fit(X, SIGNAL)
        for name in ("input_mean_", "input_scale_", "target_mean_", "target_scale_"):
            assert_answers(getattr(model, name), getattr(expected, name), kind)
        assert_answers(model.predict(kind(X)), expected.predict(X), kind)
        if dispatch:
            with pytest.raises(ValueError, match="same namespace and the same device"):
                model.predict(X)


@pytest.mark.parametrize("precision", ["high", "highest"])
def test_training_runs_under_precision(cupy, precision):
    MLPRegressor(**settings(matmul_precision=precision), preset="sklearn").fit(
        TorchTensor(X), SIGNAL
    )
    assert cupy.cuda.cublas.history[0] == {"high": 3, "highest": 0}[precision]
