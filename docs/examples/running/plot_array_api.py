"""
Compute with arrays of another library
======================================

Does a network train where the data are, on a GPU? It computes in the library and on the device of
``X``, with CuPy on CUDA devices. This page was built without one, so it shows the code for CuPy and
runs the same on array-api-strict, a library on the host that allows nothing but the standard. The
model is the same as NumPy's to rounding. There is nothing to gain on the host: compiled kernels are
for NumPy's arrays, and the portable ones are slow.
"""

# %%
# With CuPy, a fit on a device looks like this. What comes back is an array of CuPy, on the same
# device. Nothing has been measured on a GPU yet; see :doc:`/devices`.
#
# .. code-block:: python
#
#     import cupy
#     from sknorm import MLPClassifier
#
#     X_device, y_device = cupy.asarray(X), cupy.asarray(y)
#     model = MLPClassifier(random_state=0).fit(X_device, y_device)
#     probabilities = model.predict_proba(X_device)  # a cupy.ndarray
#
#     # or leave the table on the host, and let the network alone compute on the device
#     model = MLPClassifier(backend="cupy", random_state=0).fit(X, y)
#
# Here is the same in another library. ``array_api_dispatch`` lets scikit-learn's own steps and
# scorers compute there, too.

import os
import pickle
from time import perf_counter
from typing import Any

os.environ["SCIPY_ARRAY_API"] = "1"  # scikit-learn asks for it before SciPy is imported

import array_api_strict as xp
import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sknorm import MLPClassifier

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
network = MLPClassifier(
    (16,),
    preset="sklearn",
    learning_rate_init=0.03,
    learning_rate="cosine",
    max_iter=20,
    random_state=0,
)
model = make_pipeline(MinMaxScaler(), network)

# %%
# The same Pipeline on both kinds of arrays.

on_host: Any = clone(model).fit(X, y)
with sklearn.config_context(array_api_dispatch=True):
    X_strict, y_strict = xp.asarray(X), xp.asarray(y)
    elsewhere: Any = clone(model).fit(X_strict, y_strict)
    found = elsewhere.predict_proba(X_strict)
    scores = cross_val_score(model, X_strict, y_strict, cv=3)
print(type(found).__module__, type(found).__name__, found.shape, found.dtype)
difference = np.abs(np.from_dlpack(found) - on_host.predict_proba(X)).max()
print(f"largest difference of a probability: {difference:.0e}")
print("accuracies:", cross_val_score(model, X, y, cv=3).round(3), "NumPy")
print("           ", scores.round(3), "array-api-strict")

# %%
# What does it cost? Nothing but time here: a GPU is what makes up for kernels that are not
# compiled.

for name, (table, target) in {"NumPy": (X, y), "array-api-strict": (X_strict, y_strict)}.items():
    start = perf_counter()
    clone(network).fit(table, target)
    print(f"fit, {name:17} {perf_counter() - start:.3f} s")

# %%
# A model goes from one to the other: pickled, it holds NumPy's arrays, and predicts for them.

moved = pickle.loads(pickle.dumps(elsewhere[-1]))
scaled = on_host[0].transform(X)
print("predicts for NumPy's arrays:", type(moved.predict_proba(scaled)).__name__)

# %%
# A whole search may stay on a device, with a scorer that computes there. The page on :doc:`GPUs and
# array libraries </devices>` lists what scikit-learn does on devices, and the way around the rest.
