"""The file format: JSON and tensors as the bytes of a safetensors file, with a checksum.

The header's metadata has one entry, ``sknorm``. It is a JSON object of the version of the format,
that of sknorm, the model (or what else the file is of), and a SHA-256 over these and over the
names, dtypes, shapes and bytes of all tensors. One entry only, as the order of several differs from
file to file.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sknorm._version import __version__
from sknorm.exceptions import ModelFileError

FORMAT = 1  # to be raised where older versions would misread what is written
_KEY = "sknorm"
_LARGEST = 100_000_000  # bytes of a header that safetensors reads
_CODES = {
    "bool": "BOOL",
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
}
_DTYPES = {code: np.dtype(name) for name, code in _CODES.items()}
_MAGIC: tuple[tuple[Any, str, str], ...] = (
    (b"\x80", "a pickle, or a file of joblib", "joblib.load, if you trust whoever made it"),
    (
        (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"x\x01", b"x^", b"x\x9c", b"x\xda"),
        "compressed data",
        "joblib.load, if it is a pickle and you trust whoever made it",
    ),
    (b"PK\x03\x04", "a ZIP archive", "skops.io.load, if it is a file of skops"),
)


class Kind(NamedTuple):
    """What files are of.

    Attributes
    ----------
    name : str
    maker, reader : str
        What has written one, and what reads it.
    again : str
        What to do about a damaged one.
    """

    name: str
    maker: str
    reader: str
    again: str


MODEL = Kind(
    "model",
    "sknorm.save",
    "sknorm.load",
    "Copy it anew from where it was whole, or save the model again.",
)
CHECKPOINT = Kind("checkpoint", "the fit of a network", "its fit with checkpoint=...", "")
SEARCH = Kind("search", "the fit of a search", "its fit with checkpoint=...", "")
_KINDS = (MODEL, CHECKPOINT, SEARCH)


class Parts(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    version : str
        Of the sknorm that made it.
    content : object
        JSON.
    tensors : dict of str to ndarray
    """

    version: str
    content: Any
    tensors: dict[str, np.ndarray]


def to_bytes(content: Any, tensors: dict[str, np.ndarray], file: str, kind: Kind = MODEL) -> bytes:
    """The file of a JSON and of arrays, which are contiguous and in the machine's byte order.

    Raises
    ------
    ModelFileError
        If the file could not be read back; ``file`` is its name.
    """
    from safetensors.numpy import save

    parts = {"format": FORMAT, "version": __version__, kind.name: content}
    parts["sha256"] = _checksum(parts, _entries_of(tensors))
    data = bytes(save(tensors, {_KEY: _text(parts)}))
    if int.from_bytes(data[:8], "little") > _LARGEST:
        raise ModelFileError(
            f"Cannot save to {file}: parameters and attributes take more than 100 MB beside "
            "arrays, which a safetensors file cannot hold. Pass arrays in the place of long lists."
        )
    if kind is not MODEL:
        return data  # another one follows soon
    try:
        _verified(data, file, kind)
    except ModelFileError:
        raise ModelFileError(
            f"Cannot save to {file}: safetensors did not write what it was given. Install another "
            "version of it."
        ) from None
    return data


def from_bytes(data: bytes, file: str, kind: Kind = MODEL) -> Parts:
    """The parts of a file, of which ``file`` is the name.

    Raises
    ------
    ModelFileError
        If it is not a whole file of this kind that :func:`to_bytes` of this format has made.
    """
    from safetensors import SafetensorError, deserialize

    parts = _verified(data, file, kind)
    try:
        tensors = {name: _array_of(**entry) for name, entry in deserialize(data)}
        return Parts(parts["version"], parts[kind.name], tensors)
    except (SafetensorError, LookupError, TypeError, ValueError):
        raise ModelFileError(_damaged(file, kind)) from None


def _verified(data: bytes, file: str, kind: Kind) -> dict[str, Any]:
    """What the metadata of a file hold, if the checksum fits."""
    header, rest = _header(data, file, kind)
    parts = _parts(header.pop("__metadata__", None), file, kind)
    try:
        if parts.pop("sha256") == _checksum(parts, _entries_in(header, rest)):
            return parts
    except (LookupError, TypeError, ValueError, RecursionError):
        pass
    raise ModelFileError(_damaged(file, kind))


def _text(parts: dict[str, Any]) -> str:
    return json.dumps(parts, allow_nan=False, separators=(",", ":"))


def _damaged(file: str, kind: Kind) -> str:
    return f"{file} is damaged: its checksum does not fit what it holds. {kind.again}".rstrip()


def _header(data: bytes, file: str, kind: Kind) -> tuple[dict[str, Any], memoryview]:
    """The header of a safetensors file, and the bytes after it."""
    length = int.from_bytes(data[:8], "little")
    if len(data) >= 8 and length <= len(data) - 8:
        try:
            header = json.loads(data[8 : 8 + length])
            if isinstance(header, dict):
                return header, memoryview(data)[8 + length :]
        except (ValueError, RecursionError):
            pass
    raise ModelFileError(_no_header(data, file, kind))


def _no_header(data: bytes, file: str, kind: Kind) -> str:
    """What to say of a file without a header."""
    if not data:
        return f"{file} is empty. {kind.again}".rstrip()
    wanted = f"a {kind.name} that {kind.maker} has written"
    for magic, what, how in _MAGIC:
        if data.startswith(magic):
            return f"{file} holds {what}, not {wanted}. Use {how}."
    return (
        f"{file} is not {wanted}, or it is damaged or cut off: it has {len(data)} bytes, without "
        f"the header of a safetensors file. {kind.again}"
    ).rstrip()


def _parts(metadata: Any, file: str, kind: Kind) -> dict[str, Any]:
    """What the metadata of a file of this format hold."""
    if not isinstance(metadata, dict) or _KEY not in metadata:
        found = sorted(metadata) if isinstance(metadata, dict) else []
        named = f"has {', '.join(map(repr, found[:5]))}" if found else "is empty"
        raise ModelFileError(
            f"{file} is a safetensors file, but not of sknorm: its metadata {named}. "
            f"{kind.reader} reads what {kind.maker} has written; for weights alone use "
            "safetensors.numpy.load_file."
        )
    try:
        parts = json.loads(metadata[_KEY])
        known, version = parts["format"], parts["version"]
    except (LookupError, TypeError, ValueError, RecursionError):
        raise ModelFileError(_damaged(file, kind)) from None
    if known != FORMAT:
        raise ModelFileError(
            f"{file} has the format {known!r}, written by sknorm {version}; sknorm {__version__} "
            f"reads format {FORMAT!r}. Install the version that wrote it, or a later one."
        )
    other = next((each for each in _KINDS if each != kind and each.name in parts), None)
    if other is not None:
        raise ModelFileError(
            f"{file} holds a {other.name} that {other.maker} has written, not a {kind.name}: "
            f"{other.reader} reads it."
        )
    return dict(parts)


def _checksum(parts: dict[str, Any], entries: Iterator[tuple[str, Any]]) -> str:
    """SHA-256 over the JSON and tensors; each part goes with its length."""
    found = hashlib.sha256()

    def add(part: Any) -> None:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)

    add(_text(parts).encode())
    for description, data in entries:
        add(description.encode())
        add(data)
    return found.hexdigest()


def _entries_of(tensors: dict[str, np.ndarray]) -> Iterator[tuple[str, Any]]:
    """Descriptions and bytes of arrays, in the order of their names."""
    for name, array in sorted(tensors.items()):
        little = array if sys.byteorder == "little" else array.byteswap()
        data: Any = little.reshape(-1).view(np.uint8)
        yield _description(name, _CODES[array.dtype.name], list(array.shape)), memoryview(data)


def _entries_in(header: dict[str, Any], rest: memoryview) -> Iterator[tuple[str, Any]]:
    """The same of those in a file."""
    for name, entry in sorted(header.items()):
        begin, end = entry["data_offsets"]
        yield _description(name, entry["dtype"], entry["shape"]), rest[begin:end]


def _array_of(dtype: str, shape: list[int], data: Any) -> np.ndarray:
    """A tensor in the machine's byte order; files have the little-endian one."""
    stored = np.frombuffer(data, _DTYPES[dtype].newbyteorder("<")).reshape(shape)
    return stored.astype(_DTYPES[dtype], copy=False)


def _description(name: str, code: str, shape: list[int]) -> str:
    return json.dumps([name, code, shape])
