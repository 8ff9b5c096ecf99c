"""A disk that cannot keep compiled kernels costs time, never a crash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sknorm

FIT = """
import warnings
import numpy as np
from sknorm import MLPClassifier
X = np.random.default_rng(0).normal(size=(40, 3))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    fitted = MLPClassifier(hidden_layer_sizes=(4,), max_iter=2, random_state=0).fit(X, X[:, 0] > 0)
    print(*fitted.predict_proba(X)[:, 1].tolist())
for warning in caught:
    if "Convergence" not in warning.category.__name__:
        print(warning.category.__name__, warning.message)
"""

DROP = """
import shutil, sys
import warnings
import numpy as np
from sknorm.kernels import cpu
from pathlib import Path
if len(sys.argv) > 1:  # the directory turns into a file after the kernels were loaded
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    Path(sys.argv[1]).write_text("")
out = np.ones((1, 2, 8))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    cpu.dropout(np.array([0.5]), np.zeros(1, dtype=np.uint32), 0, 0, out)
print(*out.ravel().tolist())
for warning in caught:
    print(warning.category.__name__, warning.message)
"""


def run(code: str, *arguments: str, **environment: str) -> list[str]:
    """Lines printed by a fresh interpreter that finds the package where the tests do."""
    path = environment.pop("PYTHONPATH", str(Path(sknorm.__file__).parents[1]))
    clean = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=240,
        env={**clean, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        cwd=path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_without_a_writable_directory_kernels_are_compiled_in_memory(tmp_path: Path) -> None:
    """Package, home and cache directory all refuse: one warning, and the same result."""
    obstacle = tmp_path / "file"
    obstacle.write_text("")
    shutil.copytree(
        Path(sknorm.__file__).parent, tmp_path / "sknorm",
        ignore=shutil.ignore_patterns("__pycache__"),
    )  # fmt: skip
    for package in (tmp_path / "sknorm").rglob("*"):
        if package.is_dir():
            (package / "__pycache__").write_text("")  # a file where a directory is needed
    below = str(obstacle / "below")
    nowhere = {"HOME": below, "XDG_CACHE_HOME": below, "NUMBA_CACHE_DIR": below}
    predicted, *warned = run(FIT, PYTHONPATH=str(tmp_path), **nowhere)
    assert len(warned) == 1
    assert warned[0].startswith("KernelCacheWarning") and "NUMBA_CACHE_DIR" in warned[0]
    assert [predicted] == run(FIT)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A directory with a compiled kernel, and what the kernel returns."""
    directory = tmp_path_factory.mktemp("filled")
    return directory, run(DROP, NUMBA_CACHE_DIR=str(directory))


def cached(directory: Path) -> dict[Path, int]:
    """Numba's files and the times at which they were written."""
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*.nb[ci]")}


@pytest.mark.parametrize("damage", [b"", b"\x80damaged", b"damaged"], ids=repr)
def test_damaged_cache_is_compiled_anew(
    filled: tuple[Path, list[str]], tmp_path: Path, damage: bytes
) -> None:
    directory, expected = filled
    shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
    for path in cached(tmp_path):
        path.write_bytes(damage)
    dropped, *warned = run(DROP, NUMBA_CACHE_DIR=str(tmp_path))
    assert [dropped] == expected
    assert all(warning.startswith("KernelCacheWarning") for warning in warned)


def test_kernels_are_read_back_from_disk(filled: tuple[Path, list[str]]) -> None:
    directory, expected = filled
    before = cached(directory)
    assert run(DROP, NUMBA_CACHE_DIR=str(directory)) == expected
    assert before and cached(directory) == before


def test_cache_that_breaks_while_in_use_is_given_up(
    filled: tuple[Path, list[str]], tmp_path: Path
) -> None:
    directory = str(tmp_path / "cache")
    dropped, *warned = run(DROP, directory, NUMBA_CACHE_DIR=directory)
    assert len(warned) == 1 and warned[0].startswith("KernelCacheWarning")
    assert [dropped] == filled[1]
