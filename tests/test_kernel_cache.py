"""A disk that keeps compiled kernels badly costs time, never a crash or other numbers.

Nor do other users of the disk: what they can write is not run.
"""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sknorm

# The package without what its __init__ imports: scikit-learn takes longer than all the rest.
PACKAGE = """
import importlib.util, sys
sys.modules["sknorm"] = importlib.util.module_from_spec(importlib.util.find_spec("sknorm"))
"""
# Compiles a kernel, the quickest to compile, for each argument: two types and a memory layout.
EXTREMES = """
import warnings
import numpy as np
from sknorm.kernels import cpu
found = []
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for types in sys.argv[1:] or ["f8 f8 1"]:
        first, second, stride = types.split()
        rows = np.arange(24.0 * int(stride), dtype=first).reshape(2, 3, -1)[:, :, :: int(stride)]
        found.append(np.full((2, 2, 4), 5.0, second))
        cpu.column_extremes(rows, found[-1])
print(*np.concatenate(found).ravel().tolist())
for warning in caught:
    print(warning.category.__name__, warning.message)
"""
# The same in a thread for each argument.
THREADS = """
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from sknorm.kernels import cpu
def call(types):
    first, second, stride = types.split()
    rows = np.ones((2, 3, 4 * int(stride)), first)[:, :, :: int(stride)]
    cpu.column_extremes(rows, np.zeros((2, 2, 4), second))
with ThreadPoolExecutor() as pool:
    list(pool.map(call, sys.argv[1:]))
"""
COUNT = """
print(sum(cpu.column_extremes.stats.cache_misses.values()))
"""
TYPES = [f"{x} {out} {n}" for x in ("f4", "f8") for out in ("f4", "f8") for n in (1, 2)]

BREAK = """
import os, shutil
from pathlib import Path
import sknorm.kernels.cpu
directory = Path(os.environ["NUMBA_CACHE_DIR"])
shutil.rmtree(directory, ignore_errors=True)
directory.write_text("")  # the directory turns into a file after the kernels were loaded
"""

LIMIT = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))  # writes end early, as on a full disk
"""


def run(code: str, *arguments: str, **environment: str | Path) -> list[str]:
    """Lines printed by a fresh interpreter that finds the package where the tests do."""
    path = str(environment.pop("PYTHONPATH", Path(sknorm.__file__).parents[1]))
    variables = os.environ | {name: str(value) for name, value in environment.items()}
    if "NUMBA_CACHE_DIR" not in environment:
        variables.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", PACKAGE + code, *arguments],
        capture_output=True, text=True, timeout=240,
        env={**variables, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def cached(directory: Path) -> dict[Path, int]:
    """Files of kernels below a directory and the times at which they were written."""
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*.nbc")}


def assert_warns_once(warned: list[str], *words: str) -> None:
    assert len(warned) == 1 and warned[0].startswith("KernelCacheWarning"), warned
    assert all(word in warned[0] for word in ("NUMBA_CACHE_DIR", "private", *words))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A directory with a compiled kernel, and what the kernel returns."""
    directory = tmp_path_factory.mktemp("filled")
    return directory, run(EXTREMES, NUMBA_CACHE_DIR=directory)


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """Where a copy of the package is that cannot hold kernels, even for root."""
    shutil.copytree(
        Path(sknorm.__file__).parent, tmp_path / "sknorm",
        ignore=shutil.ignore_patterns("__pycache__"),
    )  # fmt: skip
    for package in (tmp_path / "sknorm").rglob("*"):
        if package.is_dir():
            (package / "__pycache__").write_text("")  # a file where a directory is needed
    return tmp_path


def test_without_a_writable_directory_kernels_are_compiled_in_memory(
    unwritable: Path, filled: tuple[Path, list[str]]
) -> None:
    below = unwritable / "sknorm" / "__init__.py" / "below"
    found, *warned = run(EXTREMES, PYTHONPATH=unwritable, HOME=below, XDG_CACHE_HOME=below)
    assert_warns_once(warned)
    assert [found] == filled[1]


def test_home_keeps_the_kernels_of_a_package_that_cannot_be_written(
    unwritable: Path, filled: tuple[Path, list[str]]
) -> None:
    home = unwritable / "home"
    home.mkdir()
    assert run(EXTREMES, PYTHONPATH=unwritable, HOME=home, XDG_CACHE_HOME=home) == filled[1]
    assert cached(home)


class Intruder:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable, tuple]:
        return Path.touch, (self.mark,)


def flip(content: bytes, place: int) -> bytes:
    """Flip one bit of a byte."""
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


def test_damaged_files_are_replaced_and_not_unpickled(tmp_path: Path) -> None:
    """One file for each damage; the process after the next finds all of them sound."""
    planted = pickle.dumps(Intruder(tmp_path / "mark"))
    damages: list[Callable[[bytes], bytes]] = [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: flip(content, 100),
        lambda content: flip(content, len(content) // 2),
        lambda content: planted,
        lambda content: content[:32] + planted,
    ]
    types = TYPES[: len(damages)]
    expected = run(EXTREMES, *types, NUMBA_CACHE_DIR=tmp_path)
    paths = sorted(cached(tmp_path))
    assert len(paths) >= len(damages)
    for i, path in enumerate(paths):
        path.write_bytes(damages[i % len(damages)](path.read_bytes()))
    damaged = cached(tmp_path)
    assert run(EXTREMES, *types, NUMBA_CACHE_DIR=tmp_path) == expected
    replaced = cached(tmp_path)  # the mark would be among them
    assert replaced.keys() == damaged.keys()
    assert all(replaced[path] != damaged[path] for path in paths)
    assert run(EXTREMES, *types, NUMBA_CACHE_DIR=tmp_path) == expected
    assert cached(tmp_path) == replaced


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes of files")
def test_directory_in_which_others_write_is_not_used(
    filled: tuple[Path, list[str]], tmp_path: Path
) -> None:
    shutil.copytree(filled[0], tmp_path, dirs_exist_ok=True)
    for path in cached(tmp_path):
        path.parent.chmod(0o777)
    before = cached(tmp_path)
    found, *warned = run(EXTREMES, NUMBA_CACHE_DIR=tmp_path)
    assert [found] == filled[1]
    assert_warns_once(warned, str(path.parent), "other users can write")
    assert cached(tmp_path) == before


def test_cache_that_breaks_while_in_use_is_given_up(
    filled: tuple[Path, list[str]], tmp_path: Path
) -> None:
    found, *warned = run(BREAK + EXTREMES, NUMBA_CACHE_DIR=tmp_path / "cache")
    assert_warns_once(warned)
    assert [found] == filled[1]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no limits of files")
def test_full_disk_costs_one_warning(filled: tuple[Path, list[str]], tmp_path: Path) -> None:
    found, *warned = run(LIMIT + EXTREMES, "f8 f8 1", "f4 f8 1", NUMBA_CACHE_DIR=tmp_path)
    assert_warns_once(warned, "File too large")
    assert found.startswith(filled[1][0])
    assert not cached(tmp_path)


@pytest.mark.thorough  # as tests/kernels/test_locks.py says in less time
def test_processes_that_start_at_once_compile_each_kernel_once(tmp_path: Path) -> None:
    """They want the kernels in opposite orders; a third has two threads."""
    calls = [(EXTREMES, TYPES[:3]), (EXTREMES, TYPES[2::-1]), (THREADS, TYPES[1:3])]
    with ThreadPoolExecutor() as pool:
        lines = list(
            pool.map(lambda call: run(call[0] + COUNT, *call[1], NUMBA_CACHE_DIR=tmp_path), calls)
        )
    before = cached(tmp_path)
    assert run(EXTREMES, *TYPES[:3], NUMBA_CACHE_DIR=tmp_path) == lines[0][:-1]
    assert len(before) >= 3 and cached(tmp_path) == before
    assert sum(int(said[-1]) for said in lines) == 3


def test_kernels_are_kept_where_nothing_can_be_locked(
    filled: tuple[Path, list[str]], tmp_path: Path
) -> None:
    assert run(EXTREMES, NUMBA_CACHE_DIR=tmp_path) == filled[1]
    before = cached(tmp_path)
    (lock,) = (path for path in tmp_path.rglob("turns"))
    lock.unlink()
    lock.mkdir()
    for path in before:
        path.unlink()
    assert run(EXTREMES, NUMBA_CACHE_DIR=tmp_path) == filled[1]
    assert cached(tmp_path).keys() == before.keys()
