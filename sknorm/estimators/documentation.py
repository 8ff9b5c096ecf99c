"""The parts of the docstrings that the classifier and the regressor share."""

from collections.abc import Callable
from textwrap import indent
from typing import TypeVar

from sknorm.estimators.parameters import parameters_of

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

Inputs are scaled by the statistics of the training rows (see ``scaling``), so that columns of any
scale train alike.

**What 'auto' stands for** is a function of the rows, the numeric columns and the task, by one of
four rules (``preset``). ``resolved_params_`` has the values, and the user guide the rules. Values
that are set stay as they are, and the others keep their rule. ``solver='sgd'`` and ``'lbfgs'``, and
``partial_fit``, go by the rule of 'sklearn'.
"""

ATTRIBUTES = """
network_ : Network
    The fitted stack: weights as trained (those of the last layer times what ``calibration`` has
    found), and the statistics of its norms.
coefs_ : list of ndarray of shape (fan_in, fan_out)
    Weights of the equivalent plain network: norms and scalings folded in (not under layer
    norm; with ``residual``, each such layer's input is to be added to its output). Arrays of
    shape (n_members, fan_in, fan_out) with several members.
intercepts_ : list of ndarray of shape (fan_out,)
    Biases of the equivalent plain network.
feature_importances_ : ndarray of shape (n_features,)
    Norm of each feature's outgoing weights in the first layer, norm folded in, for inputs as the
    network sees them; scaled to a sum of one, exactly zero for features that are switched off,
    or were constant.
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
    Epochs trained, one that ``max_time`` has cut short included.
timed_out_ : bool
    Whether ``max_time`` has ended training.
t_ : int
    Training rows seen.
n_layers_ : int
    Number of layers, input and output included.
n_outputs_ : int
    Number of outputs.
out_activation_ : str
    Output activation.
input_mean_ : ndarray of shape (n_features,)
    What inputs are shifted by: their mean, or the lower value of a column of two values; the
    median under ``scaling='robust'``; zeros without scaling; NaN for categories.
input_scale_ : ndarray of shape (n_features,)
    What inputs are divided by: their deviation, or the difference of a column of two values; the
    interquartile range under ``scaling='robust'``; ones without scaling; NaN for categories.
resolved_params_ : dict
    Values of the parameters that may be 'auto'.
n_bins_ : ndarray of int64, shape (n_features,)
    Bins of each column; 0 of categories, and of numbers that the network takes as they are.
member_weights_ : ndarray of shape (n_members,)
    Shares of the members in predictions.
member_params_ : list of dict
    What each member has drawn from ``member_space``.
member_seeds_ : ndarray of shape (n_members,)
    ``random_state`` with which each member alone would become the same network; only with
    several members.
n_features_in_ : int
    Number of features.
feature_names_in_ : ndarray of shape (n_features,)
    Names of the features, where X had any that are strings.
"""


def documented(cls: Class) -> Class:
    """Fill the shared parts into a network's docstring."""
    parameters = "\n".join(each.docstring for each in parameters_of(cls))
    return filled(algorithm=ALGORITHM, parameters=parameters, attributes=ATTRIBUTES)(cls)


def filled(**parts: str) -> Callable[[Class], Class]:
    """Fill parts into a class's docstring, each where its name stands in braces."""

    def fill(cls: Class) -> Class:
        text = cls.__doc__ or ""
        for name, part in parts.items():
            text = text.replace(f"    {{{name}}}", indent(part.strip("\n"), " " * 4))
        cls.__doc__ = text
        return cls

    return fill
