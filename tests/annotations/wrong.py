"""Wrong uses: type checkers refuse exactly the lines that say so."""

import numpy as np

import sknorm
from sknorm import MLPClassifier, MLPRegressor, functional, metrics, penalties, regularization_path
from sknorm.functional import NormCache
from sknorm.inspection import (
    RegularizationPathDisplay,
    SearchResultsDisplay,
    TrainingHistoryDisplay,
)
from sknorm.model_selection import (
    EnsembleClassifier,
    EnsembleRegressor,
    RegularizationPath,
    StackedGridSearchCV,
    StackedRandomizedSearchCV,
)

X: np.ndarray = np.zeros((40, 3))
y: np.ndarray = np.arange(40) % 2
model = MLPClassifier((8,))
regressor = MLPRegressor(hidden_layer_sizes=(8,))

# Parameters

MLPClassifier(hidden_layers=(8,))  # error: no such parameter
MLPClassifier(drop_out=0.1)  # error
MLPRegressor(class_weight="balanced")  # error
MLPClassifier((8,), "relu", "adam")  # error: the rest by name only
MLPClassifier((8.5,))  # error
MLPClassifier("8")  # error
MLPClassifier(activation="rely")  # error
MLPClassifier(activation="Auto")  # error
MLPClassifier(preset="slow")  # error
MLPClassifier(preset=None)  # error
MLPClassifier(n_bins="quantiles")  # error
MLPClassifier(n_bins=8.5)  # error
MLPClassifier(n_members=None)  # error
MLPClassifier(n_members="several")  # error
MLPClassifier(member_space="wide")  # error
MLPClassifier(dropout="half")  # error
MLPClassifier(beta_2=None)  # error
MLPClassifier(learning_rate_init="large")  # error
MLPClassifier(max_iter="long")  # error
MLPClassifier(solver="Adam")  # error
MLPClassifier(alpha="1e-3")  # error
MLPClassifier(alpha=None)  # error
MLPClassifier(batch_size=0.5)  # error
MLPClassifier(batch_size="all")  # error
MLPClassifier(learning_rate=1e-3)  # error
MLPClassifier(learning_rate="onecycle")  # error
MLPClassifier(max_iter=20.0)  # error
MLPClassifier(shuffle="yes")  # error
MLPClassifier(random_state="0")  # error
MLPClassifier(random_state=np.random.default_rng(0))  # error
MLPClassifier(early_stopping="yes")  # error
MLPClassifier(validation_fraction="0.1")  # error
MLPClassifier(normalization="batchnorm")  # error
MLPClassifier(norm_statistics="exact")  # error
MLPClassifier(dropout=[0.1])  # error
MLPClassifier(penalty="l1")  # error
MLPClassifier(class_weight="equal")  # error
MLPClassifier(scoring=1)  # error
MLPClassifier(max_grad_norm="1")  # error
MLPClassifier(n_members=2.0)  # error
MLPClassifier(backend="cuda")  # error
MLPClassifier(matmul_precision="low")  # error
MLPClassifier(dtype=np.float32)  # error
MLPRegressor("l2")  # error
MLPRegressor((8,))  # error: the loss comes first
MLPRegressor(quantile="0.5")  # error
MLPRegressor(standardize_target="yes")  # error

# Methods

model.fit(X)  # error
model.fit(X, y, weights=y)  # error
model.fit(X, y, sample_weight="balanced")  # error
model.fit(X, y).predictions(X)  # error
model.fitt(X, y)  # error
model.partial_fit(X, y, clases=[0, 1])  # error
model.predict(X, return_std=True)  # error: probabilities have a spread, labels none
model.predict_proba(X, std=True)  # error
model.predict_proba(X, n_samples="3")  # error
model.score(X)  # error
model.set_fit_request(weight=True)  # error
regressor.set_fit_request(classes=True)  # error
regressor.predict_proba(X)  # error
regressor.partial_fit(X, y, classes=[0, 1])  # error
first, second, third = regressor.predict(X, return_std=True)  # error
labels: str = model.predict(X)  # error
array: np.ndarray = regressor.predict(X, return_std=True)  # error
mean: float = regressor.predict(X).mena()  # error
accuracy: str = model.score(X, y)  # error

# Fitted attributes

loss: float = model.losss_  # error
rows: int = model.loss_  # error
length: int = len(model.clases_)  # error
weight: np.ndarray = model.coef_[0]  # error
best: float = model.best_loss_  # error: None with early stopping
means: np.ndarray = model.target_mean_ + 1  # error: the regressor's
labels_of: list[int] = regressor.classes_.tolist()  # error: the classifier's
number: int = model.history_.loss  # error
chosen_for: str = model.resolved_params_.n_bins  # error

# Searches, ensembles, the path

StackedGridSearchCV(model)  # error
StackedGridSearchCV(model, param_distributions={"alpha": [0.1]})  # error
StackedGridSearchCV("model", {"alpha": [0.1]})  # error
StackedGridSearchCV(MLPClassifier, {"alpha": [0.1]})  # error: the class
StackedGridSearchCV(model, "alpha")  # error
StackedGridSearchCV(model, {"alpha": [0.1]}, n_jobs=0.5)  # error
StackedGridSearchCV(model, {"alpha": [0.1]}, cv=0.2)  # error
StackedGridSearchCV(model, {"alpha": [0.1]}, racing="yes")  # error
StackedGridSearchCV(model, {"alpha": [0.1]}, error_score="nan")  # error
StackedGridSearchCV(model, {"alpha": [0.1]}, scoring=3)  # error
StackedRandomizedSearchCV(model, {"alpha": [0.1]}, n_iters=3)  # error
StackedRandomizedSearchCV(model, {"alpha": [0.1]}, n_iter="3")  # error
search = StackedGridSearchCV(model, {"alpha": [0.1]}).fit(X, y)
peak: float = search.best_scores_  # error
chosen: list[str] = search.best_params_  # error
EnsembleClassifier([model], weight=[1])  # error
EnsembleClassifier([model], weights="equal")  # error
EnsembleRegressor.from_fitted([regressor]).predict_proba(X)  # error
share: float = EnsembleRegressor([regressor]).fit(X, y).weight_[0]  # error
regularization_path("model", X, y)  # error
regularization_path(regressor, X, y, alphas="auto")  # error
regularization_path(regressor, X, y, n_alphas=2.5)  # error
path: RegularizationPath = regularization_path(regressor, X, y)
order: np.ndarray = path.entry_orders  # error

# Pictures

TrainingHistoryDisplay.from_estimator(model, X)  # error
epochs: np.ndarray = TrainingHistoryDisplay.from_estimator(model).epochs  # error
SearchResultsDisplay.from_search(path, z="alpha")  # error
SearchResultsDisplay.from_search(path, x=0)  # error
RegularizationPathDisplay.from_path(X)  # error
sknorm.warmup(True)  # error: by name only

# Norms as functions, metrics, penalties

functional.batchnorm(X)  # error
functional.batch_norm(X, epsilon=1e-5)  # error
functional.batch_norm(X, eps="1e-5")  # error
functional.group_norm(X)  # error
normed: np.ndarray = functional.batch_norm(X)  # error: beside a cache
functional.batch_norm_backward(X)  # error
functional.layer_norm_backward(X, X)  # error
cache: NormCache = functional.layer_norm(X)[0]  # error
metrics.roc_auc_score(y, X, average="mean")  # error
area: float = metrics.roc_auc_score(y, X, average=None)  # error: an array, maybe
penalties.ElasticNet(0.1, 0.5, 0.5)  # error
penalties.L0(alpha="0.1")  # error
cost: str = penalties.GroupLasso(0.1).value(X)  # error
penalties.NuclearNorm(0.1).proxy(X, 1.0)  # error
sknorm.show_version()  # error

# Files

sknorm.save(model)  # error: no path
sknorm.save(model, 3)  # error
sknorm.load(None)  # error
sknorm.to_onnx(model, opset=18)  # error
sknorm.to_onnx(X)  # error
