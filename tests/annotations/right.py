"""Right uses of all public names: type checkers take them, and they run."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.random import RandomState
from sklearn import config_context
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sknorm
from sknorm import MLPClassifier, MLPRegressor, functional, metrics, penalties
from sknorm.functional import NormCache
from sknorm.inspection import (
    ActivationDistributionDisplay,
    EnsembleMembersDisplay,
    RegularizationPathDisplay,
    SearchResultsDisplay,
    TrainingHistoryDisplay,
    WeightDistributionDisplay,
)
from sknorm.model_selection import (
    EnsembleClassifier,
    EnsembleRegressor,
    RegularizationPath,
    StackedGridSearchCV,
    StackedRandomizedSearchCV,
    regularization_path,
)

X, y = load_iris(return_X_y=True)
table: np.ndarray = np.random.default_rng(0).normal(size=(120, 3))
target: np.ndarray = table[:, 0] + 1.0
labels: np.ndarray = (target > 1.0).astype(int)
weights: np.ndarray = np.ones(120)


def score(estimator: MLPClassifier, X: np.ndarray, y: np.ndarray) -> float:
    return estimator.score(X, y)


# Parameters: Python's numbers and NumPy's, strings, sequences

quick = MLPClassifier((8,), preset="sklearn", max_iter=2, learning_rate="cosine", random_state=0)
MLPClassifier("auto", "auto", learning_rate="auto", learning_rate_init="auto", max_iter="auto")
MLPClassifier(preset="accurate", beta_2="auto", n_iter_no_change="auto", dropout="auto")
MLPRegressor(preset="fast", n_bins="auto", n_members="auto", scaling="auto")
MLPRegressor(n_bins=np.int64(8), member_space={"dropout": [0.0, 0.2]}, scaling=None)
MLPRegressor(n_bins="adaptive")
MLPRegressor(n_bins=None, member_space="default", n_members=3)
MLPClassifier(8, "gelu", solver="adamw", alpha=np.float64(1e-3), batch_size=np.int64(32))
MLPClassifier([8, 4], alpha=np.float32(1e-3), random_state=RandomState(0), verbose=1)
MLPClassifier(np.array([8, 4]), batch_size="auto", early_stopping="auto", max_grad_norm=1)
MLPClassifier(early_stopping=True, scoring=None, normalization=None, n_iter_no_change=np.inf)
MLPClassifier(early_stopping=False, scoring="roc_auc", normalization="ghost", max_grad_norm=0.5)
MLPClassifier(early_stopping=np.bool_(True), scoring=score, n_members=np.int32(2), residual=True)
MLPClassifier(validation_fraction=KFold(3), class_weight="balanced", penalty="group_lasso")
MLPClassifier(validation_fraction=StratifiedKFold(3), class_weight={0: 1, 1: 2.5}, dtype="float32")
MLPClassifier(validation_fraction=[0, 1, 2], class_weight={"no": 1.0}, backend="numpy")
MLPClassifier(validation_fraction=np.arange(20), random_state=None, matmul_precision="high")
MLPClassifier(validation_fraction=KFold(3).split(table), label_smoothing=0.1, mixup_alpha=0)
MLPRegressor("huber", (8,), "silu", huber_delta=1, standardize_target="auto", shuffle=False)
MLPRegressor("quantile", quantile=[0.1, 0.5, 0.9], standardize_target=False, penalty="l0")
MLPRegressor(loss="quantile", quantile=np.array([0.1, 0.9]), norm_statistics="population")
MLPRegressor(swa_fraction=0.5, input_dropout=0.1, dropout=0.2, input_noise=0.1, l1_ratio=1)
depth: tuple[int, ...] = (8,) * 2
MLPRegressor(hidden_layer_sizes=depth, solver="lbfgs", max_fun=10, norm_affine=False)

# The classifier: chains, predictions, fitted attributes

predicted: np.ndarray = MLPClassifier((8,), preset="fast", max_iter=2).fit(X, y).predict(X)
model = quick.set_params(dropout=0.2).fit(table, labels, weights, X_val=table, y_val=labels)
probability: np.ndarray = model.predict_proba(table)
logarithm: np.ndarray = model.predict_log_proba(table)
mean, deviation = model.predict_proba(table, return_std=True, n_samples=3)
share: float = float(mean.max() + deviation.max())
accuracy: float = model.score(table, labels, sample_weight=weights)
settings: dict[str, object] = model.get_params(deep=False)
classes: list[int] = model.classes_.tolist()
importances: np.ndarray = model.feature_importances_[np.argsort(model.sparsity_)]
losses: list[float] = [*model.loss_curve_, model.loss_, min(model.loss_curve_)]
best: float | None = model.best_loss_ if model.best_loss_ is not None else None
validation: list[float] | None = model.validation_scores_
highest: float | None = model.best_validation_score_
counts: int = model.n_iter_ + model.t_ + model.n_layers_ + model.n_outputs_ + model.n_features_in_
shapes = [coef.shape for coef in model.coefs_] + [bias.shape for bias in model.intercepts_]
units: np.ndarray = (table - model.input_mean_) / model.input_scale_
activation: str = model.out_activation_.upper()
seconds: float = sum(model.history_["seconds"])
rate: float = model.resolved_params_["learning_rate_init"]
votes: np.ndarray = model.member_weights_
drawn_values: dict[str, float] = model.member_params_[0]
members: int = model.network_.members
seeds: np.ndarray = quick.set_params(n_members=2).fit(X, y).member_seeds_
model.set_callbacks().fit(table, labels)
step: MLPClassifier = MLPClassifier(8).partial_fit(table, labels, classes=[0, 1])
step.partial_fit(table, labels, sample_weight=weights).partial_fit(table, labels)
names: np.ndarray | None = getattr(model, "feature_names_in_", None)


def spread(model: MLPRegressor, X: np.ndarray, both: bool) -> np.ndarray:
    answer = model.predict(X, return_std=both)
    return answer[1] if isinstance(answer, tuple) else answer


def predict(model: MLPClassifier | MLPRegressor, X: np.ndarray) -> np.ndarray:
    return model.predict(X)


def best_of(models: list[MLPRegressor], X: np.ndarray) -> MLPRegressor:
    return max(models, key=lambda model: model.score(X, X[:, 0]))


class Shallow(MLPClassifier):
    """A subclass with attributes of its own."""

    def fit_briefly(self, X: np.ndarray, y: np.ndarray) -> "Shallow":
        self.briefly_ = True
        return self.set_params(max_iter=1, learning_rate="cosine").fit(X, y)


shallow: bool = Shallow((4,)).fit_briefly(table, labels).briefly_

# The regressor

regressor = MLPRegressor(hidden_layer_sizes=8, preset="fast", max_iter=2, n_members=2)
regressor.fit(table, target, sample_weight=[1.0] * 120, groups=np.arange(120))
middle, around = regressor.predict(table, return_std=True)
flat: np.ndarray = regressor.predict(table).reshape(-1) * regressor.target_scale_
same: np.ndarray = spread(regressor, table, True) + regressor.target_mean_
better: MLPRegressor = best_of([regressor], table)
error: float = abs(regressor.score(table, target))
MLPRegressor(hidden_layer_sizes=8).partial_fit(X, y).partial_fit(X, y, sample_weight=[1.0] * 150)

# Searches, scikit-learn's and ours

pipeline = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=2, learning_rate="cosine"))
GridSearchCV(pipeline, {"mlpclassifier__alpha": [1e-4, 1e-2]}, cv=2).fit(X, y)
grid = {"alpha": np.logspace(-4, -3, 2), "activation": ["relu"], "hidden_layer_sizes": [(4,), 8]}
search = StackedGridSearchCV(quick, grid, cv=2, scoring="accuracy", racing=False).fit(X, y)
chosen: dict[str, object] = search.best_params_
peak: float = search.best_score_ + search.score(X, y)
table_of_results = search.cv_results_["mean_test_score"]
found: np.ndarray = search.predict_proba(X) + search.best_estimator_.predict_proba(X)
found_labels: np.ndarray = search.classes_[search.predict(X)]
logarithms: np.ndarray = search.predict_log_proba(X)
position: int = search.best_index_ + search.n_splits_ + search.n_features_in_
grids = [{"alpha": [0.1]}, {"dropout": np.array([0.1, 0.2]), "solver": ["sgd"]}]
StackedGridSearchCV(pipeline, [{"mlpclassifier__alpha": [0.1]}], cv=KFold(2), n_jobs=1, verbose=0)
StackedGridSearchCV(quick, grids, cv=[(np.arange(50), np.arange(50, 90))], refit="ensemble")
StackedGridSearchCV(quick, grid, scoring=["accuracy", "f1_macro"], refit="accuracy", verbose=2)
StackedGridSearchCV(quick, grid, scoring={"a": "accuracy"}, refit=False, error_score="raise")
StackedGridSearchCV(quick, grid, scoring=metrics.roc_auc_scorer, max_stack_bytes=2**30)
drawn = StackedRandomizedSearchCV(quick, {"alpha": [0.1, 0.2]}, n_iter=2, random_state=0, cv=2)
several: StackedRandomizedSearchCV = drawn.set_params(refit="ensemble").fit(X, y)
shares: np.ndarray = several.ensemble_weights_ * several.ensemble_score_

# Ensembles

ensemble = EnsembleClassifier(
    [quick, MLPClassifier((8,), max_iter=2, learning_rate="cosine")], weights=[2, 1]
).fit(X, y)
voted: np.ndarray = ensemble.predict(X) + ensemble.predict_proba(X).argmax(axis=1)
EnsembleClassifier((quick,), weights=np.array([1.0]))
both: EnsembleRegressor = EnsembleRegressor.from_fitted([better, regressor], weights=(0.5, 0.5))
average: np.ndarray = both.predict(table) * both.weights_.sum() + both.n_outputs_
agreement: float = both.score(table, target) + both.estimators[0].score(table, target)
first: np.ndarray = both.estimators_[0].predict(table)

# Export

graph = sknorm.to_onnx(quick, table, zipmap=True, target_opset=np.int64(18))
content: bytes = sknorm.to_onnx(ensemble).SerializeToString()
sknorm.export.register_converters()

# The path

sparse = MLPRegressor(
    hidden_layer_sizes=4, penalty="group_lasso", learning_rate="cosine", max_iter=3
)
path: RegularizationPath = regularization_path(
    sparse, table, target, alphas=np.array([0.3, 0.1]), sample_weight=weights
)
order: list[int] = path.entry_order.tolist()
active: np.ndarray = path.active & (path.alphas[:, None] > 0) & (path.sparsity[:, :1] >= 0)
last: MLPRegressor = path.estimators[-1]

# Pictures

history = TrainingHistoryDisplay.from_estimator(quick.fit(table, labels))
shape: tuple[int, ...] = history.loss.shape + history.chosen_epochs.shape
results = SearchResultsDisplay.from_search(
    StackedGridSearchCV(quick, {"alpha": [0.1, 1.0]}, cv=2).fit(X, y), simpler={"alpha": "larger"}
)
best_cell: tuple[int, int] | None = results.best
shown = RegularizationPathDisplay.from_path(path, scores=np.array([0.1, 0.2]), n_named=np.int64(3))
zeros: float = WeightDistributionDisplay.from_estimator(quick).distributions[0].zeros
idle: np.ndarray = ActivationDistributionDisplay.from_estimator(quick, table, max_samples=50).idle
portions: np.ndarray = EnsembleMembersDisplay.from_estimator(quick).weights
draw: Callable[..., TrainingHistoryDisplay] = history.plot
warm: Callable[..., float] = sknorm.warmup

# Norms as functions, metrics, penalties


def normalize(x: np.ndarray) -> tuple[np.ndarray, NormCache]:
    return functional.batch_norm(x, np.ones(3), eps=1e-5, sample_weight=weights)


def gradient(dy: np.ndarray, cache: NormCache) -> np.ndarray:
    return functional.batch_norm_backward(dy, cache)[0]


def each_norm(x: np.ndarray) -> Iterator[np.ndarray]:
    y, cache = functional.layer_norm(x, axis=-1)
    yield y + functional.layer_norm_backward(y, cache)[0]
    y, cache = functional.group_norm(x, 3, channel_axis=np.int64(1))
    yield y + functional.group_norm_backward(y, cache)[0]
    y, cache = functional.instance_norm(x[:, :, None], channel_axis=1)
    yield (y + functional.instance_norm_backward(y, cache)[0])[..., 0]


normed, kept = normalize(table)
slope: np.ndarray = gradient(normed, kept) + sum(each_norm(table))
listed: np.ndarray = functional.batch_norm([1.0, 2.0, 4.0])[0].round(2)
merged, variance, total = functional.merge_statistics(table[:2], np.ones((2, 3)), [2, 3])
rows: int = int(total)
area: float = metrics.roc_auc_score(labels, probability[:, 1], sample_weight=weights)
areas: float | np.ndarray = metrics.roc_auc_score(
    y, ensemble.predict_proba(X), multi_class="ovr", average=None
)
scorer: Callable[..., float] = metrics.roc_auc_scorer
scored: float = metrics.roc_auc_scorer(model, table, labels)
penalty = penalties.ElasticNet(alpha=0.1, l1_ratio=0.5)
shrunk: np.ndarray = penalty.prox(table, 0.5) + penalty.smooth_gradient(table)
costs: list[float] = [
    each.value(table) + each.optimality_gap(table, table)
    for each in (penalty, penalties.L0(0.1), penalties.GroupLasso(0.1), penalties.NuclearNorm(0.1))
]

# Metadata requests

with config_context(enable_metadata_routing=True):
    asking = MLPClassifier().set_fit_request(sample_weight=True, groups="clusters", X_val=None)
    asking.set_score_request(sample_weight=True).set_predict_proba_request(return_std=False)
    asking.set_partial_fit_request(classes=True).set_params(alpha=0.1).get_metadata_routing()
    wondering = MLPRegressor().set_predict_request(return_std=True).set_score_request()
    wondering.set_partial_fit_request(sample_weight=True).set_fit_request(y_val=True)
    EnsembleRegressor([wondering]).set_fit_request(sample_weight=True).set_score_request()
    metrics.roc_auc_scorer.set_score_request(sample_weight=True)

# Files

with TemporaryDirectory() as folder:
    sknorm.save(model, Path(folder) / "model.safetensors")
    sknorm.save(model, f"{folder}/model.safetensors")
    again: MLPClassifier = sknorm.load(Path(folder) / "model.safetensors")

version: str = sknorm.__version__
sknorm.show_versions()
