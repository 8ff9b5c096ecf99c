"""How layers are cut into pieces and batches into ghost groups."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sknorm import MLPClassifier
from sknorm.backends.numpy import NumpyBackend
from sknorm.backends.portable import PortableBackend
from sknorm.network.layers.batch_norm import ghost_groups
from sknorm.network.layers.block import pieces
from sknorm.objective.losses import SquaredError

widths = st.integers(1, 5000)


@given(widths, widths, widths)
def test_pieces_cover_the_columns_once(rows: int, fan_in: int, fan_out: int) -> None:
    cut = pieces(rows, fan_in, fan_out)
    assert cut[0][0] == 0 and cut[-1][1] == fan_out
    assert all(stop == start for (_, stop), (start, _) in pairwise(cut))
    if len(cut) > 1:
        assert all(start % 16 == 0 and stop - start >= 64 for start, stop in cut)


@given(widths, widths, widths)
def test_pieces_of_a_cut_layer_are_of_similar_width(rows: int, fan_in: int, fan_out: int) -> None:
    sizes = [stop - start for start, stop in pieces(rows, fan_in, fan_out)]
    assert max(sizes) - min(sizes) <= 32


def test_small_and_narrow_layers_are_not_cut() -> None:
    assert pieces(32, 32, 32) == [(0, 32)]
    assert pieces(200, 100, 100) == [(0, 100)]
    assert pieces(100_000, 1000, 127) == [(0, 127)]
    assert pieces(1024, 256, 256) == [(0, 128), (128, 256)]
    assert len(pieces(1024, 1024, 2048)) > 2


@pytest.mark.parametrize("cuts", [True, False])
def test_only_layers_that_threads_share_are_cut(
    problem: Callable, monkeypatch: pytest.MonkeyPatch, cuts: bool
) -> None:
    assert NumpyBackend.cuts_layers and not PortableBackend.cuts_layers
    monkeypatch.setattr(NumpyBackend, "cuts_layers", cuts)
    made = problem((64, 160, 144, 1), n=1100, members=1)
    regions: list[int] = []
    plain = NumpyBackend.run

    def run(backend: NumpyBackend, task: Callable, arguments: list[tuple]) -> None:
        regions.append(len(arguments))
        plain(backend, task, arguments)

    monkeypatch.setattr(NumpyBackend, "run", run)
    compute, _, _ = made.batch_gradient(SquaredError(), 1024)
    compute(np.arange(1024)[None], 0)
    assert regions == ([2] * 4 if cuts else [])  # both blocks, forward and backward


@given(st.integers(2, 5000), st.integers(2, 600))
def test_ghost_groups_cover_the_rows_evenly(rows: int, size: int) -> None:
    bounds = ghost_groups(rows, size)
    sizes = np.diff(bounds)
    assert bounds[0] == 0 and bounds[-1] == rows and bounds.dtype == np.int64
    assert sizes.max() - sizes.min() <= 1
    assert sizes.max() <= max(size, 3)


@given(st.integers(2, 5000), st.integers(2, 600))
def test_no_ghost_group_has_a_single_row(rows: int, size: int) -> None:
    assert np.diff(ghost_groups(rows, size)).min() >= 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("size", [120, 240, 10_000])
def test_ghost_groups_as_large_as_the_batch_are_batch_norm(binary: Any, size: int) -> None:
    X, y = binary
    settings = {"hidden_layer_sizes": (8,), "max_iter": 3, "batch_size": 120, "random_state": 0}
    batch = MLPClassifier(**settings, preset="sklearn").fit(X, y)
    ghost = MLPClassifier(
        **settings, normalization="ghost", ghost_batch_size=size, preset="sklearn"
    ).fit(X, y)
    np.testing.assert_array_equal(ghost.predict_proba(X), batch.predict_proba(X))
    finer = MLPClassifier(
        **settings, normalization="ghost", ghost_batch_size=60, preset="sklearn"
    ).fit(X, y)
    assert np.any(finer.predict_proba(X) != batch.predict_proba(X))
