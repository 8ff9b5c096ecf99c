"""Files of compiled kernels: what is damaged, or can be written by others, is never returned."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numba
import pytest

import sknorm
from sknorm.kernels.cpu import disk

if os.name != "posix":
    pytest.skip("Windows has no owners and modes of files", allow_module_level=True)

import resource

NOBODY = 65534
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
BODY = bytes(range(256)) * 16


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that NUMBA_CACHE_DIR names."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "named"))
    return tmp_path / "named"


@pytest.fixture
def path(parent: Path) -> Path:
    """The file that holds ``BODY`` under the key ``"kernel"``."""
    disk.save("kernel", BODY)
    (path,) = parent.rglob("*.nbc")
    return path


def test_what_was_saved_is_loaded(path: Path) -> None:
    assert disk.load("kernel") == BODY
    assert disk.load("other") is None
    disk.save("kernel", b"new")
    disk.save("other", BODY)
    assert disk.load("kernel") == b"new"
    assert disk.load("other") == BODY
    assert len(list(path.parent.iterdir())) == 2


def flip(place: int) -> Callable[[bytes], bytes]:
    """Flip one bit of a byte."""
    return lambda content: content[:place] + bytes([content[place] ^ 4]) + content[place:][1:]


DAMAGES = {
    "empty": lambda content: b"",
    "short": lambda content: content[:20],
    "half": lambda content: content[: len(content) // 2],
    "longer": lambda content: content + b"\0",
    "zeros": lambda content: bytes(len(content)),
    **{f"bit of byte {place}": flip(place) for place in (0, 31, 32, 33, 1000, 2000, -1)},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_file_is_not_loaded_but_replaced(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path.write_bytes(damage(path.read_bytes()))
    assert disk.load("kernel") is None
    disk.save("kernel", BODY)
    assert disk.load("kernel") == BODY


def test_file_of_another_kernel_is_not_loaded(path: Path) -> None:
    disk.save("other", b"other")
    (other,) = set(path.parent.iterdir()) - {path}
    other.replace(path)
    assert disk.load("kernel") is None


def replace_by_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def replace_by_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("")


def give_away(path: Path) -> None:
    os.chown(path, NOBODY, -1)


@pytest.mark.parametrize(
    ("share", "reason"),
    [
        (lambda path: path.chmod(0o777), "other users can write"),
        (lambda path: path.chmod(0o1777), "other users can write"),
        (lambda path: path.chmod(0o720), "other users can write"),
        (lambda path: path.chmod(0o702), "other users can write"),
        pytest.param(give_away, f"belongs to user {NOBODY}", marks=root_only),
        (replace_by_link, "is not a directory"),
        (replace_by_file, "is not a directory"),
    ],
)
def test_directory_that_is_not_private_is_refused(
    path: Path, share: Callable[[Path], None], reason: str
) -> None:
    share(path.parent)
    assert disk.load("kernel") is None
    with pytest.raises(OSError, match=f"{path.parent}.*{reason}|{reason}.*{path.parent}"):
        disk.save("kernel", BODY)


@pytest.mark.parametrize(
    "share",
    [
        lambda path: path.chmod(0o620),
        lambda path: path.chmod(0o602),
        pytest.param(give_away, marks=root_only),
    ],
)
def test_file_that_others_can_write_is_not_loaded_but_replaced(
    path: Path, share: Callable[[Path], None]
) -> None:
    share(path)
    assert disk.load("kernel") is None
    disk.save("kernel", BODY)
    assert disk.load("kernel") == BODY
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (0o600, os.geteuid())


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o2775], ids=oct)
def test_files_are_private_whoever_writes_in_the_named_directory(
    parent: Path, mode: int, open_umask: None
) -> None:
    parent.mkdir()
    parent.chmod(mode)
    disk.save("kernel", BODY)
    assert disk.load("kernel") == BODY
    assert all(not path.stat().st_mode & 0o077 for path in parent.rglob("*"))


def test_linked_directory_may_be_named(parent: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    parent.symlink_to(tmp_path / "elsewhere")
    disk.save("kernel", BODY)
    assert disk.load("kernel") == BODY


@contextmanager
def full_disk() -> Iterator[None]:
    """While this lasts, no file can hold 1000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("before", [b"old", None], ids=["old file", "no file"])
def test_full_disk_leaves_what_was_there(parent: Path, before: bytes | None) -> None:
    if before is not None:
        disk.save("kernel", before)
    with full_disk(), pytest.raises(OSError):
        disk.save("kernel", BODY)
    assert disk.load("kernel") == before
    assert sum(path.is_file() for path in parent.rglob("*")) == (before is not None)
    disk.save("kernel", BODY)
    assert disk.load("kernel") == BODY


KILL = """
import importlib.util, resource, signal, sys
sys.modules["sknorm"] = importlib.util.module_from_spec(importlib.util.find_spec("sknorm"))
from sknorm.kernels.cpu import disk
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # a write beyond the limit ends the process
disk.save("kernel", bytes(5000))
"""


def test_process_killed_while_it_writes_leaves_what_was_there(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILL], check=False, cwd=Path(sknorm.__file__).parents[1],
        env={**os.environ, "NUMBA_CACHE_DIR": numba.config.CACHE_DIR},
    )  # fmt: skip
    assert done.returncode == -signal.SIGXFSZ
    assert len(list(path.parent.iterdir())) == 2
    assert disk.load("kernel") == BODY
    disk.save("kernel", b"new")
    assert disk.load("kernel") == b"new"


def test_who_reads_while_others_write_finds_the_old_or_the_new(path: Path) -> None:
    del path

    def act(number: int) -> bytes | None:
        if number % 2:
            disk.save("kernel", BODY)
        return disk.load("kernel")

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(act, range(200))) == {BODY}


def test_directories_of_other_versions_go_when_unused_for_a_month(path: Path) -> None:
    current = path.parent
    version = current.name.split("-")[1]
    unused, used = (current.with_name(current.name.replace(version, n * 16)) for n in "01")
    foreign = current.with_name("sknorm-of-mine")
    for directory in (unused, used, foreign):
        directory.mkdir()
        (directory / "file").write_text("")
    for directory in (unused, foreign, current):
        os.utime(directory, (time.time() - 40 * 86400,) * 2)
    assert disk.load("kernel") == BODY
    assert unused.exists()
    assert current.stat().st_mtime > time.time() - 86400
    shutil.rmtree(current)
    disk.save("kernel", BODY)
    assert {path.name for path in current.parent.iterdir()} == {
        path.name for path in (current, used, foreign)
    }
