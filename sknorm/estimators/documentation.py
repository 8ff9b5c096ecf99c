"""The parts of the docstrings that the classifier and the regressor share."""

from collections.abc import Iterable
from textwrap import fill, indent
from typing import TypeVar

from sknorm.objective.losses import REGRESSION
from sknorm.objective.penalties import PENALTIES

Class = TypeVar("Class", bound=type)

ALGORITHM = r"""
Each hidden layer is Linear, norm, activation, dropout. For rows i with weights w_i and the
weight matrices W of all layers (never biases, scales or shifts), training minimizes

.. math::

    J = \frac{\sum_i w_i \ell_i}{\sum_i w_i}
        + \alpha \left( \rho \|W\|_1 + \frac{1 - \rho}{2} \|W\|_2^2 \right),

with :math:`\rho` = ``l1_ratio`` (see ``penalty`` for what may stand in its place), independent
of the batch size. scikit-learn's MLP divides its
alpha by the number of rows of the batch: its ``alpha`` is ``alpha / batch_size`` here.
Whatever is not smooth acts through its proximal operator, so zeros are exact.

**What alpha does depends on the norm.** Without one, alpha shrinks the function. Under a norm,
a layer's output does not change when its incoming weights are scaled, so shrinking them costs
nothing: the L2 part then acts only through the effective learning rate (the gradient grows as
the weights shrink), and an L1 part would send all weights towards zero together. Under a
penalty that is not smooth, the incoming weights of each normalized unit are therefore kept at
their initial norm (those of the whole layer under layer norm), and the penalty decides how that
norm is shared out between the inputs: its strength is stable, and it selects.

With a norm, inputs are standardized too (weighted mean and deviation of the training rows;
columns of two values become 0 and 1): columns of any scale train alike.
``normalization=None`` takes them as they are.
"""

PARAMETERS = """
hidden_layer_sizes : int or array-like of shape (n_layers - 2,), default=(100,)
    Widths of the hidden layers.
activation : {'identity', 'logistic', 'tanh', 'relu', 'leaky_relu', 'elu', 'selu', 'gelu', \
'silu', 'mish'}, default='relu'
    Activation of the hidden layers. 'leaky_relu' has slope 0.01, 'gelu' is the exact one.
solver : {'sgd', 'adam', 'adamw', 'lbfgs'}, default='adam'
    'sgd' with momentum, 'adam' with the penalty in its gradient and the proximal step in its
    metric, 'adamw' with the whole penalty decoupled from the adaptive step sizes, 'lbfgs' on
    all rows at once (SciPy's L-BFGS-B; smooth objectives without random parts only). It leaves
    weights before a norm out of the penalty, under which they would shrink without end.
alpha : float, default=1e-4
    Strength of the penalty; see above for what it means.
batch_size : int or 'auto', default='auto'
    Largest number of rows of a batch; n rows make ``ceil(n / batch_size)`` batches whose
    sizes differ by at most one. 'auto' is 64 below 4,000 rows, 128 below 20,000, else 256.
learning_rate : {'constant', 'invscaling', 'adaptive', 'cosine', 'one_cycle'}, \
default='constant'
    Schedule. 'invscaling' and 'adaptive' are scikit-learn's and act with 'sgd' only.
    'cosine' falls to zero over ``max_iter`` epochs; 'one_cycle' first rises over 30% of them.
learning_rate_init : float, default=1e-3
    Initial (or, under 'one_cycle', largest) step size.
power_t : float, default=0.5
    Exponent of 'invscaling'.
max_iter : int, default=200
    Largest number of epochs, or of iterations of 'lbfgs'.
shuffle : bool, default=True
    Whether each epoch draws a new order of the rows.
random_state : int, RandomState instance or None, default=None
    Initial weights, splits, orders and dropout masks. The same seed gives the same model bit
    for bit, whatever the number of threads.
tol : float, default=1e-4
    Improvement of the loss or score that counts; under 'lbfgs' the largest entry of the
    gradient at which training ends, if the objective has not stopped falling before.
verbose : bool, default=False
    Whether to print the loss of each epoch.
warm_start : bool, default=False
    Whether ``fit`` goes on from the weights, the scaling of the columns and the curves of the
    last fit, with a new optimizer. A loss with another link is refused.
momentum : float, default=0.9
    Momentum of 'sgd', in [0, 1].
nesterovs_momentum : bool, default=True
    Whether that is Nesterov's.
early_stopping : bool or 'auto', default='auto'
    Whether to hold out ``validation_fraction`` of the rows, to stop when their score no longer
    improves, and to keep the weights of the best epoch. 'auto' does so above 2,000 rows, rounded
    to hundreds.
validation_fraction : float, CV splitter or iterable, default=0.1
    Share of rows held out, in [0, 1), whole ``groups`` at a time where ``fit`` was given some; or
    a splitter; or the held-out rows as indices or as a mask, or (training, held-out) pairs of
    indices. The first split or pair counts, but the last of those in time, such as
    TimeSeriesSplit's.
beta_1, beta_2 : float, default=0.9, 0.999
    Decay rates of Adam's moments.
epsilon : float, default=1e-8
    Numerical stability of Adam.
n_iter_no_change : int or inf, default=10
    Epochs without improvement before a network has converged; ``numpy.inf`` never ends training.
    'cosine' and 'one_cycle' go on to ``max_iter`` all the same.
max_fun : int, default=15000
    Largest number of evaluations of the objective by 'lbfgs'.
normalization : {'batch', 'ghost', 'layer'} or None, default='batch'
    Norm between each hidden Linear and its activation: batch norm (Ioffe and Szegedy, 2015),
    ghost batch norm with statistics over sub-batches (Hoffer et al., 2017), layer norm (Ba et
    al., 2016), or none. Under layer norm, a layer has two units or more.
norm_momentum : float, default=0.1
    Weight of a new batch in the running statistics, in (0, 1], as in PyTorch.
norm_epsilon : float, default=1e-5
    Added to the variance before its root.
norm_affine : bool, default=True
    Whether norms learn a scale and a shift.
norm_statistics : {'running', 'cumulative', 'population'}, default='running'
    What standardizes at prediction: the exponential average over batches, the plain average
    over the batches of the last epoch, or the exact statistics of the training rows under the
    final weights.
ghost_batch_size : int, default=64
    Largest number of rows of a sub-batch under 'ghost'.
dropout : float, default=0.0
    Probability with which hidden units are dropped in training, in [0, 1).
input_dropout : float, default=0.0
    Probability with which inputs are dropped in training, in [0, 1).
input_noise : float, default=0.0
    Standard deviation of the normal noise that training adds to the inputs, after their
    standardization.
mixup_alpha : float, default=0.0
    Training on convex combinations of pairs of rows, with shares of a beta distribution whose
    parameters are both this (Zhang et al., 2018, mixup); 0 is none, 0.1 to 0.4 is usual.
residual : bool, default=False
    Whether a hidden layer's input is added to its output where their widths agree (He et al.,
    2016, Deep residual learning).
swa_fraction : float, default=0.0
    Share of the epochs, at the end, whose weights are averaged (Izmailov et al., 2018,
    Averaging weights leads to wider optima). With it training uses up ``max_iter``; with early
    stopping the average is taken where it scores at least as well as the best epoch.
{penalties}
l1_ratio : float, default=0.0
    Share of the L1 norm in the elastic net, in [0, 1].
"""

TAIL = """
scoring : str, callable or None, default='loss'
    What early stopping watches: the loss of the held-out rows, a scikit-learn scorer, or the
    estimator's ``score`` (None). Scorers that take no ``sample_weight`` score without. Without any
    score that is a finite number, training goes by the training loss and keeps the last weights.
max_grad_norm : float or None, default=None
    Euclidean norm to which the gradient is clipped.
n_members : int, default=1
    Number of differently seeded networks that are trained together and averaged.
backend : {'auto', 'numpy', 'cupy'}, default='auto'
    Where to compute: where X is, with the kernels of its array library ('auto'), on the host, or
    with CuPy on a CUDA device, to which tables of the host are uploaded once a call. CuPy also
    computes where X is a tensor of PyTorch or JAX on a CUDA device, without a copy of it. Methods
    return arrays of the library and on the device of what they are given.
matmul_precision : {'highest', 'high'}, default='highest'
    Precision of products of float32 matrices on CUDA devices: with all their digits, or, under
    'high', of operands rounded to TF32 (10 bits after the first), for which newer devices have
    faster units. Without effect on float64 and on the host.
dtype : {'auto', 'float32', 'float64'}, default='auto'
    Precision of training and prediction. 'auto' is float32, but float64 where X is float64
    and holds fewer than 100,000 values, so that it costs nothing.
"""

ATTRIBUTES = """
network_ : Network
    The fitted stack: weights as trained, and the statistics of its norms.
coefs_ : list of ndarray of shape (fan_in, fan_out)
    Weights of the equivalent plain network: norms and scalings folded in (not under layer
    norm; with ``residual``, each such layer's input is to be added to its output). Arrays of
    shape (n_members, fan_in, fan_out) with several members.
intercepts_ : list of ndarray of shape (fan_out,)
    Biases of the equivalent plain network.
feature_importances_ : ndarray of shape (n_features,)
    Norm of each feature's outgoing weights in the first layer, norm folded in, for inputs as the
    network sees them; scaled to a sum of one, exactly zero for features that are switched off.
sparsity_ : ndarray of shape (n_layers - 1,)
    Share of exact zeros among the weights of each layer.
history_ : dict of list
    Per epoch: 'loss' (J), 'penalty' (its second term), 'validation' (the score watched by
    early stopping, higher is better), 'learning_rate', 'gradient_norm' (mean over the batches,
    after clipping) and 'seconds'. Floats, or arrays of shape (n_members,) with several
    members.
loss_ : float
    J in the last epoch, averaged over the members.
loss_curve_ : list of float
    J in each epoch.
best_loss_ : float or None
    Lowest J; None with early stopping.
validation_scores_ : list of float or None
    Scores on the held-out rows; None without any.
best_validation_score_ : float or None
    Highest of them, or that of the averaged weights if it is higher; NaN if none is finite.
n_iter_ : int
    Epochs trained.
t_ : int
    Training rows seen.
n_layers_, n_outputs_ : int
    Number of layers, input and output included, and of outputs.
out_activation_ : str
    Output activation.
input_mean_, input_scale_ : ndarray of shape (n_features,)
    What inputs are shifted by and divided by: mean and deviation, or lower value and
    difference of a column of two values; zeros and ones without a norm.
member_seeds_ : ndarray of shape (n_members,)
    ``random_state`` with which each member alone would become the same network; only with
    several members.
n_features_in_ : int
    Number of features.
feature_names_in_ : ndarray of shape (n_features,)
    Names of the features, where X had any that are strings.
"""


def documented(cls: Class) -> Class:
    """Fill the shared parts into a class's docstring."""
    parts = {
        "{algorithm}": ALGORITHM,
        "{parameters}": PARAMETERS.replace("{penalties}", _penalties()),
        "{losses}": _losses(),
        "{tail}": TAIL,
        "{attributes}": ATTRIBUTES,
    }
    text = cls.__doc__ or ""
    for mark, part in parts.items():
        text = text.replace(" " * 4 + mark, indent(part.strip("\n"), " " * 4))
    cls.__doc__ = text
    return cls


def _losses() -> str:
    """The parameter that chooses a loss, by what each of them learns."""
    learned = "; ".join(f"{kind.summary} ({name!r})" for name, kind in REGRESSION.items())
    text = fill(f"What is learned of the targets: {learned}.", 88)
    return f"loss : {_options(REGRESSION)}, default='squared_error'\n{indent(text, ' ' * 4)}"


def _penalties() -> str:
    """The parameter that chooses a penalty, by what each of them is."""
    *most, last = (penalty.summary for penalty in PENALTIES.values())
    text = fill(f"What alpha multiplies: {'; '.join(most)}; or {last}.", 92)
    return f"penalty : {_options(PENALTIES)}, default='elasticnet'\n{indent(text, ' ' * 4)}"


def _options(names: Iterable[str]) -> str:
    return "{" + ", ".join(repr(name) for name in names) + "}"
