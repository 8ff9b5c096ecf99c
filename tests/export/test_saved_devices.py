"""Models that were fitted elsewhere are saved through the host, and load there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import export_case as case
import numpy as np
import pytest
from export_case import X, again, regressor

from sknorm.backends import to_host

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_models_of_devices_load_on_the_host(
    put: Callable[[Any], Any], how: str, tmp_path: Path
) -> None:
    model = getattr(regressor(n_members=2), how)(put(X), put(case.NUMBERS))
    restored = again(model, tmp_path)
    for name in ("input_mean_", "input_scale_", "target_mean_", "target_scale_"):
        assert type(getattr(restored, name)) is np.ndarray
        np.testing.assert_array_equal(getattr(restored, name), to_host(getattr(model, name)))
    np.testing.assert_array_equal(
        restored.network_.parameters.flat, to_host(model.network_.parameters.flat)
    )
    np.testing.assert_allclose(restored.predict(X), to_host(model.predict(put(X))), rtol=1e-10)
    if how == "partial_fit":
        restored.partial_fit(X, case.NUMBERS)
        model.partial_fit(put(X), put(case.NUMBERS))
        expected = to_host(model.predict(put(X)))
        np.testing.assert_allclose(restored.predict(X), expected, rtol=1e-6)


def test_the_backend_stays_as_it_was(tmp_path: Path) -> None:
    model = regressor(backend="numpy").fit(X, case.NUMBERS)
    assert again(model, tmp_path).backend == "numpy"
    assert again(model.set_params(backend="cupy"), tmp_path).backend == "cupy"
