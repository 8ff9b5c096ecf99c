"""Inventories of the libraries that these pages link to, made of what is installed.

A build without a network then has the same links as one with it. Names are looked up in the
installed libraries, so that none is linked that does not exist; their pages follow from how each
library lays out its reference.
"""

import inspect
import warnings
import zlib
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple


class Library(NamedTuple):
    """Where the reference of a library is, and how the page of a name follows from it."""

    url: str
    page: str
    modules: tuple[str, ...]
    classes: bool = True
    methods_apart: bool = False


SKLEARN = (
    "base calibration callback compose datasets decomposition dummy ensemble exceptions "
    "feature_extraction feature_selection impute inspection linear_model metrics model_selection "
    "multiclass multioutput neighbors neural_network pipeline preprocessing svm utils"
)
LIBRARIES = {
    "numpy": Library(
        "https://numpy.org/doc/stable/",
        "reference/generated/{name}.html",
        ("numpy",),
        classes=False,
    ),
    "scipy": Library(
        "https://docs.scipy.org/doc/scipy/",
        "reference/generated/{name}.html",
        ("scipy.sparse", "scipy.stats", "scipy.optimize"),
        methods_apart=True,
    ),
    "sklearn": Library(
        "https://scikit-learn.org/stable/",
        "modules/generated/{name}.html",
        tuple(f"sklearn.{module}" for module in SKLEARN.split()),
    ),
    "pandas": Library(
        "https://pandas.pydata.org/docs/",
        "reference/api/{name}.html",
        ("pandas",),
        methods_apart=True,
    ),
    "matplotlib": Library(
        "https://matplotlib.org/stable/",
        "api/_as_gen/{name}.html",
        ("matplotlib.pyplot",),
        classes=False,
    ),
}
PYTHON = "https://docs.python.org/3/"
BUILT_IN = ("bool", "bytes", "dict", "float", "int", "list", "object", "set", "str", "tuple")


def mapping(folder: Path) -> dict[str, tuple[str, tuple[str | None, str]]]:
    """What ``intersphinx_mapping`` takes: first the library's own inventory, then the one here."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    write(folder / "python.inv", "python", python_entries())
    found["python"] = (PYTHON, (None, str(folder / "python.inv")))
    for name, library in LIBRARIES.items():
        write(folder / f"{name}.inv", name, entries(library))
        found[name] = (library.url, (None, str(folder / f"{name}.inv")))
    return found


def entries(library: Library) -> Iterator[tuple[str, str, str]]:
    """Name, role and page of each public function, class and method."""
    for module in library.modules:
        for short, value in public(import_module(module)):
            name = f"{module}.{short}"
            page = library.page.format(name=name)
            if not inspect.isclass(value):
                if callable(value):
                    yield name, "function", page
                continue
            if not library.classes:  # which have pages of other names
                continue
            yield name, "class", page
            for method, found in inspect.getmembers(value, callable):
                if not method.startswith("_") and inspect.isroutine(found):
                    whole = f"{name}.{method}"
                    apart = library.page.format(name=whole) if library.methods_apart else page
                    yield whole, "method", apart


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """Names that a module exports, or holds where it does not say."""
    names = getattr(module, "__all__", None) or [name for name in vars(module) if name[0] != "_"]
    for name in names:
        value = None
        with warnings.catch_warnings(), suppress(ImportError):  # what is deprecated or experimental
            warnings.simplefilter("ignore")
            value = getattr(module, name, None)
        if value is not None and not inspect.ismodule(value):
            yield name, value


def python_entries() -> Iterator[tuple[str, str, str]]:
    """Built-in types and exceptions."""
    import builtins

    for name, value in vars(builtins).items():
        if inspect.isclass(value) and issubclass(value, BaseException):
            yield name, "exception", "library/exceptions.html"
    for name in BUILT_IN:
        yield name, "class", "library/stdtypes.html"


def write(path: Path, project: str, found: Iterator[tuple[str, str, str]]) -> None:
    """Write an inventory in Sphinx' second format."""
    head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
    head += "# The remainder of this file is compressed using zlib.\n"
    lines = [f"{name} py:{role} 1 {page}#$ -\n" for name, role, page in sorted(set(found))]
    path.write_bytes(head.encode() + zlib.compress("".join(lines).encode()))
