"""
Ask which columns matter
========================

Which columns does a network listen to, and which does it need? ``feature_importances_`` answers the
first from the weights, at no cost. Permutation importance answers the second, on rows that you
choose. On wines of three growers, proline and the intensity of the colour come first in both. They
part where columns say nearly the same: the network listens to all of these, and can do without any
one of them.
"""

# %%
# The table: 178 wines, 13 measurements, 3 growers. No scaler is needed.

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.inspection import permutation_importance
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from sknorm import MLPClassifier

X, y = load_wine(return_X_y=True, as_frame=True)
folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
model = MLPClassifier(preset="fast", random_state=0)

# %%
# Both are means over five folds; columns are shuffled among the rows that a fold has left out, ten
# times each. The loss is watched, not the accuracy: where 97% are right anyway, accuracy hardly
# moves.

listened, needed, accuracies, seconds = [], [], [], 0.0
for train, test in folds:
    model.fit(X.iloc[train], y.iloc[train])
    accuracies.append(model.score(X.iloc[test], y.iloc[test]))
    listened.append(model.feature_importances_)
    start = perf_counter()
    with threadpool_limits(1):
        result = permutation_importance(
            model, X.iloc[test], y.iloc[test], scoring="neg_log_loss", n_repeats=10, random_state=0
        )
    seconds += perf_counter() - start
    needed.append(result.importances_mean)
table = pd.DataFrame({"listens": np.mean(listened, axis=0), "needs": np.mean(needed, axis=0)})
table = table.set_index(X.columns).sort_values("needs", ascending=False)
print(f"accuracy {np.mean(accuracies):.3f}; permutations took {seconds:.1f} s")
print(table.round(3).to_string())
print(f"rank correlation {table.corr('spearman').iloc[0, 1]:.2f}")

# %%
# Columns that say nearly the same share what either would get alone.

correlation = X.corr().abs()
pair = correlation.where(~np.eye(len(correlation), dtype=bool)).stack().idxmax()
print(f"{pair[0]} and {pair[1]}: correlation {correlation.loc[pair]:.2f}")
without = X.drop(columns=pair[0])
scores = []
for train, test in folds:
    model.fit(without.iloc[train], y.iloc[train])
    scores.append(model.score(without.iloc[test], y.iloc[test]))
print(f"accuracy without {pair[0]}: {np.mean(scores):.3f}")

# %%
# The picture has one bar a column and a kind of importance, each scaled to its largest.

shown = (table / table.max()).iloc[::-1]
figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
place = np.arange(len(shown))
axes.barh(place + 0.2, shown["needs"], height=0.4, label="needs: loss when shuffled")
axes.barh(place - 0.2, shown["listens"], height=0.4, label="listens: feature_importances_")
axes.set_yticks(place, shown.index)
axes.set(xlabel="importance, largest = 1")
figure.legend(frameon=False, loc="outside upper center", ncols=2)
axes.spines[["top", "right"]].set_visible(False)

# %%
# Which columns have made this one prediction? `SHAP <https://shap.readthedocs.io>`_ shares a
# prediction out among the columns. It is not needed by sknorm, and takes any model:
#
# .. code-block:: python
#
#     import shap
#
#     model.fit(X, y)
#     explainer = shap.Explainer(model.predict_proba, X, algorithm="permutation")
#     values = explainer(X[:20])  # (20, 13, 3): rows, columns, classes
#     shap.plots.beeswarm(values[:, :, 0])
