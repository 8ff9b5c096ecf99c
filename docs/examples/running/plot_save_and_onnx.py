"""
Keep a model, and run it elsewhere
==================================

How is a model kept in a file that nobody has to fear, and how does it predict where there is no
Python? ``sknorm.save`` writes a file that runs no code when it is loaded, and gives the model back
bit for bit. ``sknorm.to_onnx`` writes a graph for any ONNX runtime: its labels are the same, and
its probabilities agree to the last digits of single precision. One row takes it about a third of
the time, and many rows the same.
"""

# %%
# The model: the default, which is six networks, on the digits. A few epochs are enough here.

import pickle
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import sknorm
import sknorm.exceptions

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.astype(np.float32), y, test_size=0.25, stratify=y, random_state=0
)
model = sknorm.MLPClassifier(max_iter=8, random_state=0).fit(X_train, y_train)
print(f"accuracy {model.score(X_test, y_test):.3f}")


def best_time(call: Callable[[], Any], times: int = 20) -> float:
    """Milliseconds that a call takes at best."""
    call()
    spent = []
    for _ in range(times):
        start = perf_counter()
        call()
        spent.append(perf_counter() - start)
    return 1e3 * min(spent)


# %%
# Saving and loading. A pickle is as large and even quicker, but may run any code when it is loaded.
# The file is in the format of safetensors, so that other libraries read its tensors.

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "digits.safetensors"
graph = Path(folder.name) / "digits.onnx"
saving = best_time(lambda: sknorm.save(model, path), times=3)
loading = best_time(lambda: sknorm.load(path), times=3)
print(f"sknorm.save: {path.stat().st_size / 1e6:.2f} MB, {saving:.0f} ms; load: {loading:.1f} ms")
data = pickle.dumps(model)
unpickling = best_time(lambda: pickle.loads(data), times=3)
print(f"pickle:      {len(data) / 1e6:.2f} MB, loads in {unpickling:.1f} ms")
again = sknorm.load(path)
same = np.array_equal(again.predict_proba(X_test), model.predict_proba(X_test))
print("the same probabilities, bit for bit:", same)

# %%
# A file that is damaged is refused before anything is made of it.

damaged = bytearray(path.read_bytes())
damaged[-1000] ^= 1
path.write_bytes(damaged)
try:
    sknorm.load(path)
except sknorm.exceptions.ModelFileError as fault:
    print(str(fault).replace(folder.name, "folder"))

# %%
# The graph holds scaling, bins, the six networks with their norms folded in, and their mean.

start = perf_counter()
graph.write_bytes(sknorm.to_onnx(model, X_train).SerializeToString())
print(f"to_onnx: {graph.stat().st_size / 1e6:.2f} MB, {perf_counter() - start:.2f} s")
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
label, probabilities = session.run(None, {"X": X_test})
agreement = np.abs(probabilities - model.predict_proba(X_test)).max()
print(f"same labels: {np.array_equal(label, model.predict(X_test))}", end=", ")
print(f"largest difference of a probability: {agreement:.0e}")

# %%
# Which is faster? For one row, checks and Python take most of the time of ``predict_proba``. For
# many rows, it is about the same products.

for rows in (1, len(X_test)):
    part = X_test[:rows]
    with threadpool_limits(1):
        ours = best_time(partial(model.predict_proba, part))
    theirs = best_time(partial(session.run, None, {"X": part}))
    print(f"{rows:4} rows: predict_proba {ours:6.2f} ms, onnxruntime {theirs:6.2f} ms, one thread")
folder.cleanup()
