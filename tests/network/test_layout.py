"""Parameters by name: what a network has, where it stands, and what acts on it."""

from collections.abc import Callable

import numpy as np
import pytest

from sknorm.kernels.codes import ELASTIC_NET, L0, UNPENALIZED
from sknorm.objective.penalties import PENALTIES

WEIGHTS = ["blocks.0.weight", "blocks.1.weight", "head.weight"]
SCALES, SHIFTS = (["blocks.0." + kind, "blocks.1." + kind] for kind in ("scale", "shift"))


@pytest.mark.parametrize(
    ("normalization", "affine", "vectors"),
    [
        ("batch", True, SCALES + SHIFTS), ("batch", False, []), ("layer", True, SCALES + SHIFTS),
        (None, True, SHIFTS),
    ],
)  # fmt: skip
def test_names_in_the_order_of_the_buffer(
    problem: Callable, normalization: str | None, affine: bool, vectors: list[str]
) -> None:
    network = problem(normalization=normalization, affine=affine).network
    segments = network.parameters.layout.segments
    assert list(segments) == [*WEIGHTS, *vectors, "head.bias"]
    assert [s.is_normalized for s in segments.values()][:3] == [normalization is not None] * 2 + [
        False
    ]
    start = 0
    for name, segment in segments.items():
        stop = start + 2 * segment.size
        np.testing.assert_array_equal(network[name].ravel(), network.parameters.flat[start:stop])
        assert network[name].shape == (2, *segment.shape)
        assert np.shares_memory(network[name], network.parameters.flat)
        start = stop
    assert start == network.parameters.flat.size


@pytest.mark.parametrize(
    ("penalty", "codes"),
    [
        ("elasticnet", [ELASTIC_NET] * 3), ("l0", [L0] * 3), ("group_lasso", [UNPENALIZED] * 3),
        ("nuclear", [UNPENALIZED] * 3),
    ],
)  # fmt: skip
def test_penalties_act_on_weights_alone(problem: Callable, penalty: str, codes: list[int]) -> None:
    layout = problem().network.parameters.layout
    table = layout.table(2, PENALTIES[penalty])
    assert table[:, 2].tolist() == [*codes, *[UNPENALIZED] * 5]
    assert table[:, 1].tolist() == [segment.size for segment in layout.segments.values()]
