"""The parameters of the estimators, in one table: kind, default, meaning, whether members differ.

Constraints, docstrings and what a search needs to know follow from it; a test compares it with
the signatures.
"""

import ast
import os
import re
from inspect import signature
from numbers import Integral, Real
from textwrap import dedent, fill, indent
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import get_scorer_names

from sknorm._sklearn import HasMethods, Interval, Options, StrOptions
from sknorm.backends import NAMES, PRECISIONS
from sknorm.estimators.recipe import PRESETS
from sknorm.kernels.codes import ACTIVATIONS
from sknorm.network.architecture import NORMALIZATIONS
from sknorm.objective.losses import LOSSES
from sknorm.objective.penalties import PENALTIES
from sknorm.training.checkpoint import STALE


def _options(names: Any) -> str:
    return "{" + ", ".join(map(repr, names)) + "}"


def _sentence(text: str) -> str:
    return indent(fill(text, 92), " " * 4)


_LEARNED = "; ".join(f"{kind.summary} ({name!r})" for name, kind in LOSSES.items())
_LOSSES = _sentence(f"What is learned of the targets: {_LEARNED}.")
_MULTIPLIED = "; ".join(penalty.summary for penalty in PENALTIES.values())
_PENALTIES = _sentence(f"What alpha multiplies: {_MULTIPLIED}.")
# A kind is alternatives of CONSTRAINTS, quoted texts, sets of them, or None. A star is for
# hyperparameters: the members of a stack may differ in them.
TABLE = f"""
loss : {_options(LOSSES)} = 'squared_error'
{_LOSSES}
hidden_layer_sizes : int >= 1 or array-like of shape (n_layers - 2,) or 'auto' = 'auto'
    Widths of the hidden layers. What 'auto' stands for, here and below, is said above.
activation : {_options(["auto", *ACTIVATIONS])} = 'auto'
    Activation of the hidden layers. 'leaky_relu' has slope 0.01, 'gelu' is the exact one.
preset : {_options(PRESETS)} = 'accurate'
    What 'auto' stands for: more networks than most tables gain from, which take three times as long
    to fit ('best'); a few that are nearly as accurate; one small network; or the values of
    scikit-learn's MLP (with the norm that is asked for).
solver : {{'sgd', 'adam', 'adamw', 'lbfgs'}} = 'adam'
    'sgd' with momentum, 'adam' with the penalty in its gradient and the proximal step in its
    metric, 'adamw' with the whole penalty decoupled from the adaptive step sizes, 'lbfgs' on
    all rows at once (SciPy's L-BFGS-B; smooth objectives without random parts only). It leaves
    weights before a norm out of the penalty, under which they would shrink without end.
alpha* : float >= 0 = 1e-4
    Strength of the penalty; see above for what it means.
batch_size : int >= 1 or 'auto' = 'auto'
    Largest number of rows of a batch; n rows make ``ceil(n / batch_size)`` batches whose
    sizes differ by at most one. 'auto' is 64 below 4,000 rows, 128 below 20,000, else 256.
learning_rate : {{'auto', 'constant', 'invscaling', 'adaptive', 'cosine', 'one_cycle', \
'adaptive_cosine'}} = 'auto'
    Schedule. 'invscaling' and 'adaptive' are scikit-learn's and act with 'sgd' only.
    'cosine' falls to zero over ``max_iter`` epochs; 'one_cycle' first rises over 30% of them.
    'adaptive_cosine' falls to zero over a third of ``max_iter``. A network whose held-out loss is
    below 3% of that of a constant goes on: over the other two thirds the rate falls to zero once
    more, from half of its first value (Loshchilov and Hutter, 2017, SGDR), and no plateau ends it.
    Without a held-out loss (``early_stopping``, ``scoring``) no network goes on.
learning_rate_init* : float > 0 or 'auto' = 'auto'
    Initial (or, under 'one_cycle', largest) step size.
power_t : float >= 0 = 0.5
    Exponent of 'invscaling'.
max_iter : int >= 1 or 'auto' = 'auto'
    Largest number of epochs, or of iterations of 'lbfgs'.
max_time : float > 0 or None = None
    Seconds that ``fit`` may take, of all members together. Training ends, in the middle of an epoch
    if need be, when they are over, with what it has learned by then: the weights of the best epoch,
    or the last ones. Schedules that are planned over epochs, and ``swa_fraction``, are planned
    over as many steps as there is time for. How many that is depends on the machine, and so does
    the model. ``partial_fit`` trains for one epoch, whatever it takes.
checkpoint : str or path-like or None = None
    A file that keeps where training stands. A fit that was killed goes on from it when ``fit`` is
    called again with the same data and parameters, to the same model bit for bit. It stays when
    training is over; delete it then. Models that differ must not share one, as the candidates of
    GridSearchCV would: the stacked searches have a ``checkpoint`` of their own, and their
    candidates none. ``partial_fit`` does not use it.
checkpoint_every : float >= 0 = 60.0
    Seconds between two writings of the checkpoint, at least. It is written after an epoch; under
    'lbfgs', after a member.
stale_checkpoint : {_options(STALE)} = 'raise'
    What to do with a file at ``checkpoint`` that is of another run, of another version, or damaged:
    raise an error, or rename it and begin anew.
shuffle : bool = True
    Whether each epoch draws a new order of the rows.
random_state* : int or RandomState instance or None = None
    Initial weights, splits, orders and dropout masks. The same seed gives the same model bit
    for bit, whatever the number of threads.
tol : float >= 0 = 1e-4
    Improvement of the loss or score that counts; under 'lbfgs' the largest entry of the
    gradient at which training ends, if the objective has not stopped falling before.
verbose* : bool or int = False
    Whether to print the loss of each epoch.
warm_start : bool = False
    Whether ``fit`` goes on from the weights, the scaling of the columns and the curves of the
    last fit, with a new optimizer. A loss with another link is refused.
momentum : float in [0, 1] = 0.9
    Momentum of 'sgd'.
nesterovs_momentum : bool = True
    Whether that is Nesterov's.
early_stopping : bool or 'auto' = 'auto'
    Whether to hold out ``validation_fraction`` of the rows, to stop when their score no longer
    improves, and to keep the weights of the best epoch. 'auto' does so from 500 rows on for
    two classes, 400 for three to nine, 1,500, or 100 for each, for more classes, and 1,000 for
    regression; under preset='sklearn' above 2,000 rows, rounded to hundreds.
validation_fraction : float in [0, 1) or CV splitter or iterable = 0.1
    Share of rows held out, whole ``groups`` at a time where ``fit`` was given some; or a
    splitter; or the held-out rows as indices or as a mask, or (training, held-out) pairs of
    indices. The first split or pair counts, but of those in time, such as TimeSeriesSplit's, the
    last, if it trains on as many rows.
beta_1 : float in [0, 1) = 0.9
    Decay rate of Adam's first moments.
beta_2 : float in [0, 1) or 'auto' = 'auto'
    Decay rate of Adam's second moments.
epsilon : float > 0 = 1e-8
    Numerical stability of Adam.
n_iter_no_change : int >= 1 or inf or 'auto' = 'auto'
    Epochs without improvement before a network has converged; ``numpy.inf`` never ends training.
    Schedules that are planned over epochs go on all the same, unless 'auto' has chosen them.
max_fun : int >= 1 = 15000
    Largest number of evaluations of the objective by 'lbfgs'.
scaling : {{'auto', 'robust', 'standard'}} or None = 'auto'
    What numbers become before the network sees them: the distance to the median in interquartile
    ranges (in half the range where that is zero), pulled in smoothly to stay within 3
    ('robust'); mean 0 and deviation 1, or 0 and 1 in columns of two values ('standard'); or
    themselves. 'auto' is 'robust', but 'standard' for sparse tables; under preset='sklearn' it is
    'standard' with a norm, and none without. Missing numbers become the median, or the mean where
    scaling is not robust, and columns that miss some in training have an indicator of it.
n_bins : int >= 2 or {{'auto', 'adaptive'}} or None = 'auto'
    Most bins of a numeric column, between quantiles of its values. A number of a column with
    several is embedded: it enters the network as a vector of 8 that is learned and piecewise linear
    in the number, with bends where bins meet (Gorishniy et al., 2022, On embeddings for numerical
    features in tabular deep learning). 'adaptive', which 'auto' stands for but under
    preset='sklearn', is 16, and 32, 64, 128 or 256 for a column that tells more of the target by
    them. None takes numbers as they are.
categorical_features : 'from_dtype' or array-like or None = 'from_dtype'
    Columns that are categories: those of text, booleans and categorical dtypes in data frames,
    and of text in arrays of objects; or a mask, indices or names; or none. Levels that fit has not
    seen have a place of their own, missing values another one.
min_frequency : int >= 1 or float in (0, 1) = 1
    Rows, or share of the rows, below which levels of a category are taken together.
normalization : {_options(NORMALIZATIONS)} or None = 'batch'
    Norm between each hidden Linear and its activation: batch norm (Ioffe and Szegedy, 2015),
    ghost batch norm with statistics over sub-batches (Hoffer et al., 2017), layer norm (Ba et
    al., 2016), or none. Under layer norm, a layer has two units or more.
norm_momentum* : float in (0, 1] = 0.1
    Weight of a new batch in the running statistics, as in PyTorch.
norm_epsilon : float > 0 = 1e-5
    Added to the variance before its root. Under layer norm, at least the smallest normal number of
    the dtype that networks compute in: 1.2e-38 in float32.
norm_affine : bool = True
    Whether norms learn a scale and a shift.
norm_statistics : {{'running', 'cumulative', 'population'}} = 'running'
    What standardizes at prediction: the exponential average over batches, the plain average
    over the batches of the last epoch, or the exact statistics of the training rows under the
    final weights.
ghost_batch_size : int >= 2 = 64
    Largest number of rows of a sub-batch under 'ghost'.
dropout* : float in [0, 1) or 'auto' = 'auto'
    Probability with which hidden units are dropped in training.
input_dropout* : float in [0, 1) = 0.0
    Probability with which inputs are dropped in training.
input_noise* : float >= 0 = 0.0
    Standard deviation of the normal noise that training adds to the inputs, after their
    standardization.
mixup_alpha* : float >= 0 = 0.0
    Training on convex combinations of pairs of rows, with shares of a beta distribution whose
    parameters are both this (Zhang et al., 2018, mixup); 0 is none, 0.1 to 0.4 is usual.
residual : bool = False
    Whether a hidden layer's input is added to its output where their widths agree (He et al.,
    2016, Deep residual learning).
swa_fraction : float in [0, 1] = 0.0
    Share of the epochs, at the end, whose weights are averaged (Izmailov et al., 2018,
    Averaging weights leads to wider optima). With it training uses up ``max_iter``; with early
    stopping the average is taken where it scores at least as well as the best epoch.
penalty : {_options(PENALTIES)} = 'elasticnet'
{_PENALTIES}
l1_ratio* : float in [0, 1] = 0.0
    Share of the L1 norm in the elastic net.
class_weight* : dict or 'balanced' or None = None
    Weights of the classes, times ``sample_weight``. 'balanced' makes the classes' total
    weights equal. Classes that a dict does not name weigh one; it may name classes that y
    lacks, as a fold may, if it names all that y holds. Not for multilabel targets.
label_smoothing* : float in [0, 1) = 0.0
    Share of a target's mass that training spreads evenly over the classes.
    Early stopping watches the loss without it.
calibration : {{'auto', 'temperature'}} or None = 'auto'
    What makes probabilities as sure as they should be. 'temperature' multiplies the raw outputs of
    each network by the number with the lowest loss on its held-out rows (Guo et al., 2017, On
    calibration of modern neural networks). Early stopping watches the loss after that, so that a
    network may learn for longer than its sureness allows (Berta et al., 2025, Rethinking early
    stopping: refine, then calibrate), and members are averaged in their raw outputs, not in their
    probabilities, whose means would be less sure than they should be (Ranjan and Gneiting, 2010,
    Combining probability forecasts). 'auto' does so where rows are held out, but not under
    preset='sklearn'.
standardize_target : bool or 'auto' = 'auto'
    Whether to train on targets in units of their own, so that step sizes and alpha mean the
    same in any unit: of weighted mean 0 and deviation 1, or of median 0 and normalized
    interquartile range 1 under the losses that are robust against outliers, or of mean 1
    under those with a log link. 'auto' does so, but under preset='sklearn' not without a norm.
quantile : float or list of float = 0.5
    Level or increasing levels in (0, 1) that ``loss='quantile'`` estimates; several at once
    share the network, and add an axis to the predictions.
huber_delta : float > 0 = 1.35
    Where ``loss='huber'`` turns from squared to absolute, in the units of training.
scoring : str or callable or None = 'loss'
    What early stopping watches: the loss of the held-out rows, a scikit-learn scorer, or the
    estimator's ``score`` (None). Scorers that take no ``sample_weight`` score without. Without any
    score that is a finite number, training goes by the training loss and keeps the last weights.
max_grad_norm : float > 0 or None = None
    Euclidean norm to which the gradient is clipped.
n_members : int in [1, 2**20] or 'auto' = 'auto'
    Number of differently seeded networks that are trained together and averaged.
member_space : dict or 'default' or None = None
    Distributions of scipy.stats, or lists of values, by the names of parameters of which each
    member draws its own; 'default' is a space around what 'auto' stands for. All members then
    hold out the same rows, if any, by which members and their weights are selected (Caruana et
    al., 2004, Ensemble selection from libraries of models): ``member_weights_``,
    ``member_params_``.
backend : {_options(NAMES)} = 'auto'
    Where to compute: where X is, with the kernels of its array library ('auto'), on the host, or
    with CuPy on a CUDA device, to which tables of the host are uploaded once a call. CuPy also
    computes where X is a tensor of PyTorch or JAX on a CUDA device, without a copy of it. Methods
    return arrays of the library and on the device of what they are given.
matmul_precision : {_options(PRECISIONS)} = 'highest'
    Precision of products of float32 matrices on CUDA devices: with all their digits, or, under
    'high', of operands rounded to TF32 (10 bits after the first), for which newer devices have
    faster units. Without effect on float64 and on the host.
dtype : {{'auto', 'float32', 'float64'}} = 'auto'
    Precision of training and prediction. 'auto' is float32, but float64 where X is float64 and has
    fewer than 200 rows; under preset='sklearn' where it holds fewer than 100,000 values.
"""

CONSTRAINTS: dict[str, Any] = {
    "None": None,
    "bool": "boolean",
    "int >= 1": Interval(Integral, 1, None, closed="left"),
    "int >= 2": Interval(Integral, 2, None, closed="left"),
    "int in [1, 2**20]": Interval(Integral, 1, 1 << 20, closed="both"),
    "inf": Options(Real, {np.inf}),
    "float": Real,
    "float >= 0": Interval(Real, 0, None, closed="left"),
    "float > 0": Interval(Real, 0, None, closed="neither"),
    "float in [0, 1]": Interval(Real, 0, 1, closed="both"),
    "float in [0, 1)": Interval(Real, 0, 1, closed="left"),
    "float in (0, 1]": Interval(Real, 0, 1, closed="right"),
    "float in (0, 1)": Interval(Real, 0, 1, closed="neither"),
    "list of float": "array-like",
    "array-like of shape (n_layers - 2,)": "array-like",
    "CV splitter": HasMethods(["split"]),
    "iterable": HasMethods(["__iter__"]),
    "dict": dict,
    "str": StrOptions({"loss", *get_scorer_names()}),
    "callable": callable,
}
# Those that the preparation of a table depends on, before anything is drawn or trained.
_OF_TARGETS = {"loss", "quantile", "huber_delta", "standardize_target", "class_weight"}
_OF_COLUMNS = {"scaling", "n_bins", "categorical_features", "min_frequency"}
_OF_RECIPES = {"preset", "solver", "input_dropout"}
PREPARING = _OF_TARGETS | _OF_COLUMNS | _OF_RECIPES
PREPARING |= {"mixup_alpha", "normalization", "dtype", "backend"}
# Those that draw something in each step of training unless they are 0.
RANDOM = ("dropout", "input_dropout", "input_noise", "mixup_alpha")


class Parameter(NamedTuple):
    """A parameter of an estimator.

    Attributes
    ----------
    name : str
    kind : str
        Alternatives, as the docstring has them.
    default : object
    text : str
        What it means.
    differs : bool
        Whether the members of a stack may differ in it.
    """

    name: str
    kind: str
    default: Any
    text: str
    differs: bool

    @property
    def constraints(self) -> list[Any]:
        """What scikit-learn checks values by."""
        if self.name == "verbose":
            return ["verbose"]
        if self.name == "checkpoint":
            return [str, os.PathLike, None]
        if self.name == "random_state":
            return ["random_state"]
        if self.name == "categorical_features":  # whose own message is of more help
            return [str, "array-like", None]
        return [_constraint(each) for each in self.kind.split(" or ")]

    @property
    def docstring(self) -> str:
        """The entry of a numpydoc section."""
        head = f"{self.name} : {self.kind.replace(' or ', ', ', self.kind.count(' or ') - 1)}"
        return f"{head}, default={self.default!r}\n{indent(self.text, ' ' * 4)}"


def _constraint(kind: str) -> Any:
    if kind[0] == "{":
        return StrOptions(ast.literal_eval(kind))
    return StrOptions({ast.literal_eval(kind)}) if kind[0] == "'" else CONSTRAINTS[kind]


def _read(entry: str) -> Parameter:
    head, text = entry.split("\n", 1)
    name, kind, default = re.fullmatch(r"(\w+\*?) : (.*) = (.*)", head).groups()  # type: ignore[union-attr]
    plain = name.removesuffix("*")
    return Parameter(plain, kind, ast.literal_eval(default), dedent(text).strip(), plain != name)


PARAMETERS = {each.name: each for each in map(_read, re.split(r"\n(?=\w)", TABLE.strip()))}


def parameters_of(cls: type) -> list[Parameter]:
    """Those that a class's constructor takes, in its order."""
    return [PARAMETERS[name] for name in signature(cls).parameters]


def constraints_of(constructor: Any) -> dict[str, list[Any]]:
    """What scikit-learn checks the parameters of a constructor by."""
    names = [name for name in signature(constructor).parameters if name != "self"]
    return {name: PARAMETERS[name].constraints for name in names}
