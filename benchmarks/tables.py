"""Which real tables are there, and what do the nets see of them?

``--tables DIR`` (or the environment variable TABDATA_ROOT) names a folder that holds
``bench/tabdata.py`` and ``data/``; without it the tables that scikit-learn carries are used.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

BUNDLED: dict[str, tuple[str, Callable[..., Any]]] = {
    "breast_cancer": ("binary", datasets.load_breast_cancer),
    "diabetes": ("regression", datasets.load_diabetes),
    "digits": ("multiclass", datasets.load_digits),
    "wine": ("multiclass", datasets.load_wine),
}


class Table(NamedTuple):
    """One split of a table, numeric and dense: classes are 0..n_classes-1, values have 0."""

    name: str
    task: str
    n_classes: int
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options by which a benchmark's tables are chosen."""
    parser.add_argument("--tables", type=Path, default=None, metavar="DIR")
    parser.add_argument("--only", nargs="+", default=None, metavar="TABLE")
    parser.add_argument("--cap", type=int, default=10_000, help="most rows of each side")


def chosen_tables(arguments: argparse.Namespace) -> Iterator[Table]:
    """The asked-for tables, one after the other."""
    folder = tables_folder(arguments)
    module = bench_module(folder, "tabdata") if folder else None
    available = module.names() if module else sorted(BUNDLED)
    unknown = set(arguments.only or ()) - set(available)
    if unknown:
        raise SystemExit(f"unknown tables {sorted(unknown)}; there are {available}")
    for name in arguments.only or available:
        yield _stored(module, name, arguments.cap) if module else _bundled(name)


def tables_folder(arguments: argparse.Namespace) -> Path | None:
    """The folder of ``bench/`` and ``data/``; None means scikit-learn's bundled tables."""
    given = arguments.tables or os.environ.get("TABDATA_ROOT")
    if not given:
        return None
    for folder in (Path(given), Path(given).parent):
        if (folder / "bench" / "tabdata.py").exists():
            return folder.resolve()
    raise SystemExit(f"{given} holds no bench/tabdata.py")


def bench_module(folder: Path, name: str) -> ModuleType:
    """A module of the folder's ``bench/``, told where the data lies."""
    os.environ["TABDATA_ROOT"] = str(folder / "data")
    path = str(folder / "bench")
    if path not in sys.path:
        sys.path.append(path)
    return importlib.import_module(name)


def preprocessor() -> Any:
    """Numbers: median for what is missing, then standardized. Categories: one column each."""
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categorical = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer(
        (numeric, make_column_selector(dtype_include="number")),
        (categorical, make_column_selector(dtype_exclude="number")),
    )


def _stored(module: ModuleType, name: str, cap: int) -> Table:
    X_train, y_train, X_test, y_test, meta = module.split(name, seed=0, cap=cap)
    transformer = preprocessor()
    X_train = np.ascontiguousarray(transformer.fit_transform(X_train))
    X_test = np.ascontiguousarray(transformer.transform(X_test))
    n_classes = 0 if meta["task"] == "regression" else len(meta["classes"])
    return Table(name, meta["task"], n_classes, X_train, y_train, X_test, y_test)


def _bundled(name: str) -> Table:
    task, loader = BUNDLED[name]
    X, y = loader(return_X_y=True)
    n_classes = 0 if task == "regression" else len(np.unique(y))
    stratify = y if n_classes else None
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, random_state=0, stratify=stratify
    )
    scaler = StandardScaler().fit(X_train)
    y_train, y_test = (part if n_classes else part / np.std(y_train) for part in (y_train, y_test))
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    return Table(name, task, n_classes, X_train, y_train, X_test, y_test)
