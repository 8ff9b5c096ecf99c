"""
Fit a raw data frame
====================

What has to be done to a frame with categories and missing values before it goes in? Nothing. The
frame below has both, since nobody made it for learning: it lists the functions of Python's standard
library. How long will a function be, by what is known of it before its body? The network takes the
frame as it is, and predicts as well as it does after an encoder, an imputer and a scaler. It comes
to the score of boosted trees, which are hard to beat on such tables, but takes longer.
"""

# %%
# The rows are the functions in the modules of the standard library that this Python has. Columns
# are missing where there is nothing to say: a function outside a class has no class, and many have
# no decorator and no docstring.

import ast
import sysconfig
from pathlib import Path
from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn import neural_network
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sknorm import MLPRegressor


def describe(node: Any, module: str, owner: str | None) -> dict[str, Any]:
    """What is known of a function before its body."""
    docstring = ast.get_docstring(node)
    decorators = [ast.unparse(each).split("(")[0] for each in node.decorator_list]
    return {
        "module": module,
        "class": owner,
        "decorator": decorators[0] if decorators else None,
        "is_async": isinstance(node, ast.AsyncFunctionDef),
        "visibility": "private" if node.name.startswith("_") else "public",
        "first_word": node.name.strip("_").split("_")[0] or None,
        "arguments": len(node.args.args) + len(node.args.kwonlyargs),
        "defaults": len(node.args.defaults),
        "docstring_length": np.nan if docstring is None else len(docstring),
        "line": node.lineno,
        "lines": node.end_lineno - node.lineno + 1,
    }


records = []
functions = (ast.FunctionDef, ast.AsyncFunctionDef)
for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, functions):
            records.append(describe(node, path.stem, None))
        elif isinstance(node, ast.ClassDef):
            members = [each for each in node.body if isinstance(each, functions)]
            records += [describe(each, path.stem, node.name) for each in members]

frame = pd.DataFrame(records)
y = np.log2(frame.pop("lines").to_numpy(dtype=float))
print(frame.sample(5, random_state=0).to_string(index=False))
summary = pd.DataFrame({"levels": frame.select_dtypes(exclude="number").nunique()})
summary = summary.reindex(frame.columns).assign(missing=frame.isna().mean().round(2))
print(summary)
X_train, X_test, y_train, y_test = train_test_split(frame, y, test_size=0.3, random_state=0)
print(f"{len(X_train)} rows to train on, {len(X_test)} to test")

# %%
# The frame goes into the network as it is. Levels of fewer than five rows share one place. There
# are four members of the smaller layers of ``preset="fast"``; the default has six larger ones.
# Without raw frames, a Pipeline encodes the categories, fills in what is missing, and scales.
# scikit-learn's trees take missing values as well, and categories of at most 255 levels.

text = make_column_selector(dtype_exclude="number")
numbers = make_column_selector(dtype_include="number")
encode = make_column_transformer(
    (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5), text),
    (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
)
names = text(frame)
ordinal = OrdinalEncoder(
    handle_unknown="use_encoded_value",
    unknown_value=np.nan,
    encoded_missing_value=np.nan,
    max_categories=254,
)
codes = make_column_transformer((ordinal, names), remainder="passthrough")
trees = HistGradientBoostingRegressor(categorical_features=range(len(names)), random_state=0)

network = MLPRegressor(preset="fast", n_members=4, min_frequency=5, random_state=0)
models: dict[str, Any] = {
    "the mean": DummyRegressor(),
    "scikit-learn's MLP, encoded": make_pipeline(
        encode, neural_network.MLPRegressor(early_stopping=True, random_state=0)
    ),
    "scikit-learn's trees, encoded": make_pipeline(codes, trees),
    "sknorm, encoded": make_pipeline(encode, clone(network)),
    "sknorm, the raw frame": network,
}

# %%
# Kernels are compiled when they are first used, and cached on disk. One epoch does this before
# anything is timed, on one thread. The scores are R2 on the test rows, of the logarithm of the
# length.

clone(network).set_params(max_iter=1).fit(X_train, y_train).predict(X_test)

for name, model in models.items():
    start = perf_counter()
    with threadpool_limits(1):
        model.fit(X_train, y_train)
    seconds = perf_counter() - start
    print(f"{name:30} R2 {model.score(X_test, y_test):.3f}, {seconds:.2f} s")

# %%
# The model has kept which columns are categories, and how much it makes of each column of the
# frame, not of each of a thousand encoded ones.

importances = pd.Series(network.feature_importances_, index=network.feature_names_in_).sort_values()
print(importances[::-1].round(3).to_string())
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
axes.barh(importances.index, importances)
axes.set(xlabel="feature_importances_", title="What the network listens to")
axes.spines[["top", "right"]].set_visible(False)

# %%
# A level that no training row had is no error, and a missing value is none either.

row = X_test[:1].assign(module="numpy", docstring_length=np.nan)
print(f"about {2 ** network.predict(row)[0]:.0f} lines")
