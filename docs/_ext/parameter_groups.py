"""The estimators' parameters under headings, and signatures that leave room for the first sentence.

Headings and parameters have addresses, such as ``sknorm.MLPClassifier.html#alpha``.
"""

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

GROUPS = {
    "Architecture": "preset hidden_layer_sizes activation residual n_members member_space",
    "Columns and targets": (
        "scaling n_bins categorical_features min_frequency standardize_target class_weight"
    ),
    "Loss": "loss quantile huber_delta calibration",
    "Normalization": (
        "normalization norm_momentum norm_epsilon norm_affine norm_statistics ghost_batch_size"
    ),
    "Regularization": (
        "alpha penalty l1_ratio dropout input_dropout input_noise mixup_alpha label_smoothing "
        "swa_fraction"
    ),
    "Optimization": (
        "solver learning_rate learning_rate_init batch_size max_iter shuffle max_grad_norm "
        "momentum nesterovs_momentum power_t beta_1 beta_2 epsilon max_fun"
    ),
    "Early stopping": "early_stopping validation_fraction scoring tol n_iter_no_change",
    "Time and checkpoints": "max_time checkpoint checkpoint_every stale_checkpoint",
    "Run": "random_state warm_start verbose backend matmul_precision dtype",
}
ESTIMATORS = ("sknorm.MLPClassifier", "sknorm.MLPRegressor")
SHOWN = 4  # parameters in the signature of an estimator; the list below it has them all

logger = logging.getLogger(__name__)


def shorten(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Cut the signatures of the estimators, which would fill the screen."""
    if name not in ESTIMATORS:
        return None
    first = signature.removeprefix("(").split(", ")[:SHOWN]
    return f"({', '.join(first)}, ...)", returned


def group(app: Sphinx, domain: str, objtype: str, content: Any) -> None:
    """Put headings into an estimator's list of parameters, and links to them before the text."""
    if not set(content.parent[0]["ids"]) & set(ESTIMATORS):
        return
    field = next(each for each in content.findall(nodes.field) if each[0].astext() == "Parameters")
    items = {item[0][0].astext(): item for item in field[1][0]}
    groups = {heading: names.split() for heading, names in GROUPS.items()}
    for name in items.keys() - {name for names in groups.values() for name in names}:
        logger.warning("the parameter %s has no heading in parameter_groups.py", name)
    shown = {
        heading: [items[name] for name in names if name in items]
        for heading, names in groups.items()
    }
    field[1][:] = list(sections({heading: found for heading, found in shown.items() if found}))
    content.insert(1, links([heading for heading, found in shown.items() if found]))


def sections(groups: dict[str, list[Any]]) -> Iterator[nodes.Node]:
    """A heading and a list for each group."""
    for heading, items in groups.items():
        yield nodes.rubric("", heading, ids=[address(heading)], classes=["parameter-group"])
        for item in items:
            item[0]["ids"].append(item[0][0].astext())
        yield nodes.definition_list("", *items)


def links(headings: list[str]) -> nodes.paragraph:
    """A line that leads to the groups."""
    line = nodes.paragraph("", "Parameters: ", classes=["parameter-groups"])
    for heading in headings:
        line += nodes.reference("", heading, refid=address(heading), internal=True)
        line += nodes.Text(" · " if heading != headings[-1] else "")
    return line


def address(heading: str) -> str:
    """What follows the number sign in a link to a heading."""
    return f"parameters-{nodes.make_id(heading)}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the handlers; called by Sphinx."""
    app.connect("autodoc-process-signature", shorten)
    app.connect("object-description-transform", group)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
