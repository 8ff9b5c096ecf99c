"""Class labels: the fast ways give what sorting and searching give."""

import numpy as np
import pytest

from sknorm.data.labels import class_codes, classes_of

RNG = np.random.default_rng(0)
LABELS = {
    "codes": RNG.integers(0, 7, 5000),
    "negative": RNG.integers(-3, 4, 5000) * 100,
    "bytes": RNG.integers(-128, 128, 5000).astype(np.int8),
    "unsigned": RNG.integers(250, 256, 5000).astype(np.uint8),
    "far": RNG.integers(0, 3, 5000) + (1 << 61),
    "beyond int64": RNG.integers(0, 3, 5000).astype(np.uint64) + np.uint64(1 << 63),
    "wide": RNG.integers(0, 1 << 40, 5000),
    "one": np.full(5000, 4),
    "few": np.array([3, 1, 3, 2]),
    "none": np.empty(0, dtype=np.int64),
    "truths": RNG.integers(0, 2, 5000) > 0,
    "floats": RNG.integers(0, 5, 5000) / 2.0,
    "text": RNG.choice(["a", "bc", ""], 5000),
}


@pytest.mark.parametrize("name", LABELS)
def test_classes_are_the_distinct_labels(name: str) -> None:
    found, want = classes_of(LABELS[name]), np.unique(LABELS[name])
    np.testing.assert_array_equal(found, want)
    assert found.dtype == want.dtype


@pytest.mark.parametrize("name", [name for name in LABELS if name != "none"])
def test_codes_are_positions(name: str) -> None:
    y = LABELS[name]
    classes, want = np.unique(y, return_inverse=True)
    codes = class_codes(y, classes, "y")
    np.testing.assert_array_equal(codes, want)
    assert codes.dtype == np.int64


@pytest.mark.parametrize("known", [[-5, 0, 2, 4, 90], [0, 2, 4], [-(1 << 62), 0, 2, 4]])
def test_classes_need_not_occur(known: list[int]) -> None:
    y = RNG.choice([0, 2, 4], 5000)
    classes = np.array(known)
    np.testing.assert_array_equal(classes[class_codes(y, classes, "y")], y)


@pytest.mark.parametrize("size", [4, 5000])
@pytest.mark.parametrize("unknown", [-1, 1, 9, 1 << 40])
def test_unknown_labels_are_told(size: int, unknown: int) -> None:
    y = np.resize([0, 2, 4], size)
    y[2] = unknown
    with pytest.raises(ValueError, match=r"`y_val` has classes not in `self.classes_`.*\[0 2 4\]"):
        class_codes(y, np.array([0, 2, 4]), "y_val")


def test_labels_that_do_not_compare_are_unknown() -> None:
    with pytest.raises(ValueError, match="`y` has classes not in"):
        class_codes(np.array(["a", "b"]), np.array([0, 1]), "y")
