"""
Classify texts as a sparse table
================================

Can a TF-IDF matrix of thousands of columns go into a network? Yes, as a sparse matrix: rows are
made dense a batch at a time. From which module of SciPy is a docstring? A network of 64 units says
it as well as logistic regression, within the noise of the test rows, and takes longer. Where there
are fewer rows than words, do not expect more of a network than that.
"""

# %%
# The texts are the docstrings of SciPy's functions and classes, up to their parameters. Names of
# modules are taken out, since they would give the answer away.

import importlib
import inspect
import re
from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn import neural_network
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import ComplementNB
from threadpoolctl import threadpool_limits

from sknorm import MLPClassifier

modules = ["fft", "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal", "sparse"]
modules += ["spatial", "special", "stats"]
texts, labels = [], []
for name in modules:
    module = importlib.import_module(f"scipy.{name}")
    for public in sorted(set(module.__all__)):
        value = getattr(module, public)
        text = (inspect.getdoc(value) or "").split("Parameters\n")[0]
        if callable(value) and len(text) > 50:
            texts.append(re.sub("|".join(["scipy", *modules]), " ", text))
            labels.append(name)
texts_train, texts_test, y_train, y_test = train_test_split(
    texts, labels, test_size=0.3, stratify=labels, random_state=0
)
# %%
# Rows are weighted counts of words. Almost all of them are zero, and zeros are not stored.

vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32)
X_train, X_test = vectorizer.fit_transform(texts_train), vectorizer.transform(texts_test)
stored = X_train.data.nbytes + X_train.indices.nbytes + X_train.indptr.nbytes
entries = X_train.shape[0] * X_train.shape[1]
print(f"{X_train.shape[0]} rows, {X_train.shape[1]} columns, {X_train.nnz / entries:.1%} not zero")
print(f"{stored / 1e6:.1f} MB sparse, {4 * entries / 1e6:.1f} MB dense")

# %%
# TF-IDF has scales of its own, so the network takes the columns as they are (``scaling=None``):
# dividing by deviations would make rare words loud. Dropout changes nothing here.

settings: dict[str, Any] = {"preset": "sklearn", "random_state": 0, "learning_rate": "cosine"}
settings |= {"scaling": None, "max_iter": 60, "learning_rate_init": 3e-3}
models: dict[str, Any] = {
    "logistic regression": LogisticRegression(C=10, max_iter=1000),
    "naive Bayes": ComplementNB(),
    "scikit-learn's MLP": neural_network.MLPClassifier(
        (64,), early_stopping=True, max_iter=60, random_state=0
    ),
    "sknorm": MLPClassifier((64,), **settings),
    "sknorm, dropout 0.5": MLPClassifier((64,), dropout=0.5, **settings),
}
for model in list(models.values())[-2:]:  # kernels are compiled, and cached on disk
    clone(model).set_params(max_iter=1).fit(X_train, y_train).predict(X_test)
for name, model in models.items():
    start = perf_counter()
    with threadpool_limits(1):
        model.fit(X_train, y_train)
    seconds = perf_counter() - start
    print(f"{name:20} accuracy {model.score(X_test, y_test):.3f}, {seconds:.2f} s")
error = np.sqrt(0.95 * 0.05 / len(y_test))
print(f"one standard error of an accuracy of 0.95 is {error:.3f}")

# %%
# The dense table gives the same model, to rounding.

dense = clone(model).fit(X_train.toarray(), y_train)
difference = np.abs(dense.predict_proba(X_test.toarray()) - model.predict_proba(X_test)).max()
print(f"largest difference of probabilities: {difference:.0e}")

# %%
# What it confuses: signals with images, mostly, and some of linear algebra with optimization.

figure, axes = plt.subplots(figsize=(6.5, 5.5), layout="constrained")
predicted = model.predict(X_test)
display = ConfusionMatrixDisplay.from_predictions(
    y_test, predicted, ax=axes, cmap="Blues", colorbar=False, xticks_rotation=60
)
