"""Which backend computes for which table, and the backend of arrays of any library."""

import sys
from typing import Any

import array_api_compat.numpy as compat_numpy
import array_api_strict as strict
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from sknorm import MLPClassifier
from sknorm.backends import (
    as_array,
    compiled_backend,
    fetched,
    in_kind,
    is_on_host,
    resolve,
    take_rows,
    to_host,
)
from sknorm.backends.portable import PortableBackend
from sknorm.kernels import reference

CPU, DEVICE = strict.Device("CPU_DEVICE"), strict.Device("device1")
TABLE = np.arange(12.0).reshape(4, 3)
HOST_TABLES = {
    "NumPy": TABLE,
    "list": TABLE.tolist(),
    "pandas": pd.DataFrame(TABLE),
    "polars": pl.DataFrame(TABLE),
    "CSR": sparse.csr_array(TABLE),
    "nothing": None,
}


@pytest.fixture
def backend() -> PortableBackend:
    return PortableBackend(strict, DEVICE)


def on(device: Any, array: Any) -> Any:
    return strict.asarray(array, device=device)


def test_asarray_puts_arrays_on_the_device(backend: PortableBackend) -> None:
    for given in (TABLE, TABLE.tolist(), TABLE.T, on(CPU, TABLE), on(DEVICE, TABLE)):
        array = backend.asarray(given)
        assert isinstance(array, type(on(DEVICE, TABLE))) and array.device == DEVICE
        np.testing.assert_array_equal(to_host(array), np.asarray(fetched(given)))


def test_asarray_copies_nothing_that_is_there(backend: PortableBackend) -> None:
    array = on(DEVICE, TABLE)
    alias = backend.asarray(array)
    alias[0, 0] = -1.0
    assert float(to_host(array)[0, 0]) == -1.0


@pytest.mark.parametrize("name", ["float32", "float64", "int64", "uint32", "bool"])
def test_dtypes_of_all_spellings_are_the_librarys(backend: PortableBackend, name: str) -> None:
    own = getattr(strict, name)
    for spelling in (name, np.dtype(name), np.dtype(name).type, own):
        assert backend.dtype(spelling) is own
        assert backend.asarray(TABLE, dtype=spelling).dtype == own


@pytest.mark.parametrize("device", [CPU, DEVICE])
def test_to_numpy_is_an_explicit_transfer(device: Any) -> None:
    backend = PortableBackend(strict, device)
    found = backend.to_numpy(backend.asarray(TABLE, dtype="float32"))
    assert type(found) is np.ndarray and found.dtype == np.float32
    np.testing.assert_array_equal(found, TABLE)
    assert backend.to_numpy(TABLE) is TABLE


def test_backends_are_equal_if_library_and_device_are(backend: PortableBackend) -> None:
    twin, elsewhere = PortableBackend(strict, DEVICE), PortableBackend(strict, CPU)
    assert backend == twin and hash(backend) == hash(twin)
    assert backend != elsewhere and backend != PortableBackend(compat_numpy, "cpu")
    assert backend != resolve(TABLE) and backend != "array_api_strict"


def test_the_name_is_the_librarys(backend: PortableBackend) -> None:
    assert backend.name == "array_api_strict"
    assert PortableBackend(compat_numpy, "cpu").name == "numpy"
    assert resolve(TABLE).name == "numpy"


def test_kernels_are_the_reference(backend: PortableBackend) -> None:
    assert all(
        getattr(backend.kernels, name) is getattr(reference, name) for name in reference.__all__
    )


def test_run_takes_every_task(backend: PortableBackend) -> None:
    seen: list[tuple[int, int]] = []
    with backend.session():
        backend.run(lambda start, stop: seen.append((start, stop)), [(0, 2), (2, 5)])
    assert seen == [(0, 2), (2, 5)]


@pytest.mark.parametrize("kind", HOST_TABLES)
@pytest.mark.parametrize("name", ["auto", "numpy"])
def test_tables_on_the_host_are_numpys(kind: str, name: str) -> None:
    table = HOST_TABLES[kind]
    assert is_on_host(table)
    assert resolve(table, name) is resolve(TABLE)
    assert fetched(table) is table


@pytest.mark.parametrize("device", [CPU, DEVICE])
def test_arrays_of_a_device_stay_there(device: Any) -> None:
    table = on(device, TABLE)
    found = resolve(table)
    assert not is_on_host(table)
    assert found == PortableBackend(strict, device)
    assert resolve(table, "numpy") is resolve(TABLE)


def test_cupy_that_is_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    for table in (TABLE, on(DEVICE, TABLE)):
        with pytest.raises(ImportError, match=r'CuPy.*pip install "sknorm\[cuda13\]"'):
            resolve(table, "cupy")
    with pytest.raises(ImportError, match="backend='cupy' needs CuPy"):
        MLPClassifier(backend="cupy", preset="sklearn").fit(TABLE, [0, 1, 0, 1])


@pytest.mark.parametrize("device", [CPU, DEVICE])
def test_in_kind_follows_the_example(device: Any) -> None:
    values = on(DEVICE, TABLE)
    assert type(in_kind(values, TABLE)) is np.ndarray
    assert type(in_kind(values, HOST_TABLES["pandas"])) is np.ndarray
    for given in (TABLE, values):
        found = in_kind(given, on(device, [1]))
        assert found.device == device and found.dtype == strict.float64
        np.testing.assert_array_equal(to_host(found), TABLE)


@pytest.mark.parametrize("device", [CPU, DEVICE])
def test_rows_are_taken_where_the_table_is(device: Any) -> None:
    rows = np.array([2, 0])
    found = take_rows(on(device, TABLE), rows)
    assert found.device == device
    np.testing.assert_array_equal(to_host(found), TABLE[rows])
    np.testing.assert_array_equal(take_rows(TABLE, rows), TABLE[rows])
    taken = take_rows(sparse.csr_array(TABLE), rows)
    np.testing.assert_array_equal(taken.toarray(), TABLE[rows])


def test_fetched_brings_arrays_of_a_device() -> None:
    assert type(fetched(on(DEVICE, TABLE))) is np.ndarray


def test_as_array_leaves_arrays_alone() -> None:
    table = on(DEVICE, TABLE)
    assert as_array(table) is table and as_array(TABLE) is TABLE
    assert type(as_array([1.0])) is np.ndarray


def test_compiled_kernels_are_for_numpys_floats() -> None:
    assert compiled_backend(TABLE) is resolve(TABLE)
    assert compiled_backend(TABLE.astype(np.int64)) is None
    assert compiled_backend(on(DEVICE, TABLE)) is None


def test_the_device_stands_in_for_one() -> None:
    """The premise of these tests: nothing reads the device's arrays in passing."""
    with pytest.raises(RuntimeError, match="Can't convert array"):
        np.asarray(on(DEVICE, TABLE))
