"""Files on disk: where they go, how they come there, and those that are no whole file of ours."""

import builtins
import errno
import io
import json
import os
import pickle
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import export_case as case
import joblib
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from export_case import X, assert_same, regressor
from safetensors.numpy import load_file, save_file

import sknorm
from sknorm.exceptions import ModelFileError
from sknorm.files import container

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
is_root = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(scope="module")
def model() -> Any:
    return regressor(hidden_layer_sizes=(2,), max_iter=1, normalization=None).fit(X, case.NUMBERS)


@pytest.fixture
def file(model: Any, tmp_path: Path) -> Path:
    sknorm.save(model, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def parts_of(file: Path) -> tuple[dict[str, Any], bytes]:
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write(file: Path, header: dict[str, Any], rest: bytes) -> None:
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + rest)


def test_any_library_reads_the_tensors(model: Any, file: Path) -> None:
    tensors = load_file(file)
    flat = tensors["_fitted.network.parameters.flat"]
    assert_same(flat.ravel(), model.network_.parameters.flat)
    header, _ = parts_of(file)
    parts = json.loads(header["__metadata__"]["sknorm"])
    assert parts["model"]["parameters"]["alpha"] == 1e-4
    assert parts["version"] == sknorm.__version__


def test_the_same_model_makes_the_same_file(model: Any, file: Path, tmp_path: Path) -> None:
    sknorm.save(sknorm.load(file), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_each_byte_counts(model: Any, file: Path) -> None:
    data, expected, harmless = file.read_bytes(), model.predict(X), 0
    with open(file, "r+b", buffering=0) as opened:
        for place, byte in enumerate(data):
            opened.seek(place)
            opened.write(bytes([byte ^ 1 << place % 8]))
            try:
                found = sknorm.load(file)
            except ModelFileError as error:
                assert str(file) in str(error)
            else:
                assert_same(found.predict(X), expected)
                harmless += 1
            opened.seek(place)
            opened.write(bytes([byte]))
    assert harmless < 0.01 * len(data)
    assert_same(sknorm.load(file), model)


def test_a_part_of_a_file_is_refused(file: Path) -> None:
    data = file.read_bytes()
    for length in range(len(data)):
        os.truncate(file, len(data) - 1 - length)
        with pytest.raises(ModelFileError, match=r"damaged|is empty"):
            sknorm.load(file)
    for more in (b"\0", b" ", data):
        file.write_bytes(data + more)
        with pytest.raises(ModelFileError, match="is damaged"):
            sknorm.load(file)


def others(model: Any) -> dict[str, tuple[Any, str]]:
    """What writes other files, and what is said of them."""
    tensors = {"weight": np.ones(3)}
    return {
        "pickle": (
            lambda file: file.write_bytes(pickle.dumps(model)),
            r"holds a pickle.* Use joblib.load, if you trust",
        ),
        "joblib": (lambda file: joblib.dump(model, file), "holds a pickle, or a file of joblib"),
        "gzip": (lambda file: joblib.dump(model, file, compress=("gzip", 3)), "compressed data"),
        "zlib": (lambda file: joblib.dump(model, file, compress=3), "compressed data"),
        "zip": (
            lambda file: zipfile.ZipFile(file, "w").writestr("a", "b"),
            "ZIP archive.*skops",
        ),
        "text": (lambda file: file.write_text("no model"), "not a model .*8 bytes, without the"),
        "empty": (lambda file: file.write_bytes(b""), "is empty"),
        "list": (lambda file: write(file, [1], b""), "not a model that sknorm.save has written"),
        "deep": (
            lambda file: file.write_bytes(struct.pack("<Q", 200_000) + b"[" * 200_000),
            "not a model that sknorm.save has written",
        ),
        "foreign": (
            lambda file: save_file(tensors, file, {"format": "pt"}),
            "is a safetensors file, but not of sknorm: its metadata has 'format'",
        ),
        "without metadata": (lambda file: save_file(tensors, file), "metadata is empty"),
        "odd metadata": (lambda file: write(file, {"__metadata__": 1}, b""), "metadata is empty"),
    }


@pytest.mark.parametrize("name", others(None))
def test_other_files_are_told_apart(name: str, model: Any, tmp_path: Path) -> None:
    make, message = others(model)[name]
    make(tmp_path / "file")
    with pytest.raises(ModelFileError, match=message) as caught:
        sknorm.load(tmp_path / "file")
    assert str(tmp_path / "file") in str(caught.value)


def test_other_versions_of_the_format_are_told(file: Path) -> None:
    header, rest = parts_of(file)
    parts = json.loads(header["__metadata__"]["sknorm"])
    changes = [
        ({"format": 2, "version": "9.1"}, r"format 2, written by sknorm 9\.1.*Install"),
        ({"format": 1, "version": "9.1"}, "is damaged"),
        ({"sha256": None}, "is damaged"),
    ]
    for change, message in changes:
        header["__metadata__"] = {"sknorm": json.dumps(parts | change)}
        write(file, header, rest)
        with pytest.raises(ModelFileError, match=message):
            sknorm.load(file)
    for text in ("3", "{}", '{"format": 1}', "[" * 100_000, "{"):
        header["__metadata__"] = {"sknorm": text}
        write(file, header, rest)
        with pytest.raises(ModelFileError, match="is damaged"):
            sknorm.load(file)


def crafted(file: Path, change: Any, tensor: str = "", wrong: Any = None) -> None:
    """A whole file of other content, as another version may write it."""
    parts = container.from_bytes(file.read_bytes(), str(file))
    content = change(parts.content)
    if tensor:
        parts.tensors[tensor] = np.ascontiguousarray(wrong(parts.tensors[tensor]))
    content = parts.content if content is None else content
    file.write_bytes(container.to_bytes(content, parts.tensors, ""))


CONTENTS: dict[str, tuple[Any, str]] = {
    "class": (lambda c: c.update({"class": "MLPRanker"}), "holds a 'MLPRanker', which this"),
    "parameter": (lambda c: c["parameters"].update(depth=1), "has no parameter depth"),
    "kind": (lambda c: {"is": "set"}, "value of the unknown kind 'set'"),
    "attribute": (lambda c: c["attributes"].__delitem__("history_"), "it lacks history_"),
    "attributes": (lambda c: c["attributes"].__delitem__("_fitted"), "it lacks _fitted"),
    "distribution": (lambda c: {"is": "distribution", "name": "seterr"}, "no distribution"),
    "penalty": (lambda c: {"is": "penalty", "name": "own"}, "there is no penalty 'own'"),
    "dtype": (lambda c: {"is": "array", "tensor": "input_mean_", "dtype": "O"}, "dtype 'O'"),
    "other dtype": (
        lambda c: {"is": "array", "tensor": "input_mean_", "dtype": "f4"},
        "tensor 'input_mean_' is not of the dtype f4",
    ),
    "range": (lambda c: {"is": "number", "dtype": "i1", "value": 300}, "not that of a model"),
    "number": (lambda c: 3, "it holds 3"),
    "nothing": (lambda c: {}, "its content is not that of a model"),
    "tensor": (lambda c: {"is": "floats", "tensor": "none"}, "not that of a model .*none"),
    "another part": (lambda c: c["attributes"].update(_fitted=3), "its parts do not fit"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_this_version_does_not_know_is_named(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, message = CONTENTS[name]
    monkeypatch.setattr(container, "__version__", "0.0.1")
    crafted(file, change)
    with pytest.raises(ModelFileError, match=rf"written by sknorm 0\.0\.1.*{message}.*Load"):
        sknorm.load(file)


SHAPES: dict[str, Any] = {  # of parts that kernels would read beyond
    "network.parameters.flat": lambda flat: flat[:-1],
    "network.statistics[0]": lambda moments: moments[:, :, 1:],
    "columns.offset": lambda offset: offset[1:],
    "columns.categories[0].shares": lambda shares: shares[1:],
    "columns.categories[0].levels.lengths": lambda lengths: lengths[1:],
    "columns.bins.low": lambda low: low[1:],
}


@pytest.mark.parametrize("name", SHAPES)
def test_parts_that_do_not_fit_together_are_refused(name: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"number": X[:, 0], "level": np.resize(["a", "b", "c"], 40)})
    model = regressor(n_bins=3).fit(table, case.NUMBERS)
    sknorm.save(model, tmp_path / "model")
    crafted(tmp_path / "model", lambda content: None, f"_fitted.{name}", SHAPES[name])
    with pytest.raises(ModelFileError, match=r"do not fit together|not that of a model"):
        sknorm.load(tmp_path / "model")


def test_a_parameter_that_came_later_has_its_default(file: Path) -> None:
    crafted(file, lambda content: content["parameters"].__delitem__("n_bins"))
    assert sknorm.load(file).n_bins == "auto"


def test_paths(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for path in ("here", "~/home", str(tmp_path / "text"), tmp_path / "ü", b"bytes"):
        assert sknorm.save(model, path) is None
        assert_same(sknorm.load(path), model)
    assert sorted(os.listdir()) == ["bytes", "here", "home", "text", "ü"]
    assert len({Path(name).stat().st_mode for name in os.listdir()}) == 1
    long = "m" * 255
    sknorm.save(model, long)
    assert_same(sknorm.load(long), model)


def test_files_objects_are_refused(model: Any, tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as opened:
        for odd, name in [(opened, "an open file"), (io.BytesIO(), "an open file"), (3, "int")]:
            for act in (lambda odd=odd: sknorm.save(model, odd), lambda odd=odd: sknorm.load(odd)):
                with pytest.raises(TypeError, match=f"path-like object .*, got {name}"):
                    act()


def test_what_the_system_refuses_is_named(model: Any, file: Path, tmp_path: Path) -> None:
    errors = [
        (lambda: sknorm.load(tmp_path / "none"), FileNotFoundError),
        (lambda: sknorm.load(tmp_path), IsADirectoryError),
        (lambda: sknorm.save(model, tmp_path), IsADirectoryError),
        (lambda: sknorm.save(model, f"{tmp_path / 'none'}{os.sep}"), IsADirectoryError),
        (lambda: sknorm.save(model, f"{file}{os.sep}"), IsADirectoryError),
        (lambda: sknorm.save(model, tmp_path / "none" / "model"), FileNotFoundError),
        (lambda: sknorm.save(model, file / "model"), NotADirectoryError),
    ]
    for act, error in errors:
        with pytest.raises(error) as caught:
            act()
        assert str(caught.value.filename).startswith(str(tmp_path))
        assert ".tmp" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        sknorm.save(model, "")
    assert os.listdir(tmp_path) == [file.name]


@pytest.mark.skipif(is_root, reason="the superuser may write anywhere")
def test_what_must_not_be_written_is_left(model: Any, file: Path, tmp_path: Path) -> None:
    file.chmod(0o444)
    with pytest.raises(PermissionError, match="read-only"):
        sknorm.save(model, file)
    file.chmod(0o644)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(PermissionError, match="no model was saved"):
            sknorm.save(model, file)
    finally:
        tmp_path.chmod(0o755)


def test_a_read_only_folder(
    model: Any, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system answers those who are not the superuser."""
    before = file.read_bytes()

    def refuse(path: str, *_: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError, match=r"no model was saved: '.*model\.safetensors'"):
        sknorm.save(model, file)
    monkeypatch.undo()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"read-only: '.*model\.safetensors'"):
        sknorm.save(model, file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file(
    fault: BaseException, where: str, model: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()

    def fail(*_: Any) -> None:
        raise fault

    monkeypatch.setattr(os, where, fail)
    with pytest.raises(type(fault)) as caught:
        sknorm.save(regressor().fit(X, case.NUMBERS), file)
    if isinstance(fault, OSError):
        assert caught.value.filename == str(file) and caught.value.errno == errno.ENOSPC
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]


def test_a_file_that_cannot_be_read_back_is_not_written(
    model: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()
    real = safetensors.numpy.save
    monkeypatch.setattr(safetensors.numpy, "save", lambda *args: real(*args)[:-1] + b"!")
    with pytest.raises(ModelFileError, match="safetensors did not write what it was given"):
        sknorm.save(model, file)
    monkeypatch.setattr(safetensors.numpy, "save", lambda *args: b"\xff" * 8)
    with pytest.raises(ModelFileError, match="more than 100 MB beside arrays"):
        sknorm.save(model, file)
    assert file.read_bytes() == before


def test_the_new_file_is_on_disk_before_it_takes_its_place(
    model: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, r=real: (calls.append(n), r(*a))[1])
    sknorm.save(model, file)
    assert calls[:2] == ["fsync", "replace"]


def test_links_and_modes_stay(model: Any, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    link, target = tmp_path / "link", folder / "target"
    link.symlink_to(Path("folder") / "target")
    sknorm.save(model, link)  # to a file that is not there yet
    target.chmod(0o640)
    sknorm.save(model, link)
    assert link.is_symlink() and not target.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert_same(sknorm.load(link), model)
    assert os.listdir(folder) == ["target"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
def test_what_is_no_file_is_not_replaced(model: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is not a regular file"):
        sknorm.save(model, tmp_path / "pipe")
    with pytest.raises(ValueError, match="is not a regular file"):
        sknorm.save(model, os.devnull)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_loading_runs_no_code(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("code was run")

    for owner, name in [
        (pickle, "loads"),
        (pickle, "load"),
        (builtins, "eval"),
        (builtins, "exec"),
    ]:
        monkeypatch.setattr(owner, name, refuse)
    sknorm.load(file)
