"""Kernels that are compiled ahead of time are all that default estimators need."""

import subprocess
import sys

import pytest

CODE = """
import sknorm
seconds = sknorm.warmup(verbose=True)
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sknorm.kernels.cpu.compiler import _DiskCache
asked, load = [], _DiskCache.load_overload

def noted(self, signature, context):
    asked.append((self._name, str(signature)))
    return load(self, signature, context)

_DiskCache.load_overload = noted  # which each kernel asks before it is compiled
for table, kind in (
    (load_breast_cancer, sknorm.MLPClassifier),
    (load_iris, sknorm.MLPClassifier),
    (load_diabetes, sknorm.MLPRegressor),
):
    X, y = table(return_X_y=True)
    kind(max_iter=1).fit(X, y).predict(X)
print(seconds > 0, asked)
sknorm.MLPClassifier((4,), activation="elu", max_iter=1).fit(X[:50], y[:50] > 100)
print(len(asked) > 0)
"""


@pytest.mark.thorough  # in a fresh environment it compiles for most of a minute
def test_default_estimators_load_no_kernel_after_a_warm_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], check=True, capture_output=True, text=True, timeout=300
    )
    first, second, third = done.stdout.strip().splitlines()
    assert first.startswith("sknorm.warmup: the kernels of the default estimators took ")
    assert second == "True []" and third == "True"
