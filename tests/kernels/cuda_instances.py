"""All instantiations of the CUDA kernels that their wrappers ask for, by source."""

import itertools

from sknorm.kernels import codes

REALS = ("float", "double")
HELD = (1, 2, 4, 8, 16)
WIDTHS = {"float": (1, 4), "double": (1, 2)}


def instances(kernel: str, *axes: tuple) -> list[str]:
    """Name expressions of a kernel for all combinations of template arguments."""
    return [f"{kernel}<{', '.join(map(str, types))}>" for types in itertools.product(*axes)]


def vectors(kernel: str, *axes: tuple) -> list[str]:
    """Those of a kernel whose first arguments are a type and the width of its accesses."""
    return [e for real in REALS for e in instances(kernel, (real,), WIDTHS[real], *axes)]


ACTIVATIONS = tuple(codes.ACTIVATIONS.values())

INSTANCES: dict[str, list[str]] = {
    "affine_block": [
        *vectors("affine_forward", ACTIVATIONS),
        *vectors("affine_backward", ACTIVATIONS),
    ],
    "augmentation": vectors("mixup"),
    "batch_block": [
        *vectors("forward_held", ACTIVATIONS),
        *vectors("backward_held", ACTIVATIONS),
    ],
    "batch_chunks": [
        *vectors("moments"),
        *vectors("normalize", ACTIVATIONS),
        *vectors("gradient_sums", ACTIVATIONS),
        *vectors("gradient", ACTIVATIONS),
    ],
    "categories": [
        "take_codes<int>",
        "drop_codes<int>",
        *vectors("category_rows_forward"),
        *vectors("category_rows_backward"),
        *instances("embedding_forward", REALS),
        *instances("embedding_backward", REALS),
    ],
    "column_statistics": [
        *vectors("column_extremes"),
        *vectors("column_moments"),
    ],
    "group_steps": [
        *vectors("group_norms"),
        *vectors("sgd_group_step"),
        *vectors("adam_group_step"),
    ],
    "layer_block": [
        *vectors("layer_forward", ACTIVATIONS),
        *vectors("layer_forward_wide", ACTIVATIONS),
        *vectors("layer_backward", ACTIVATIONS),
        *vectors("layer_backward_wide", ACTIVATIONS),
        *instances("layer_sums", REALS),
    ],
    "losses": [
        *instances("terms", REALS, ("BinaryLogLoss", "SquaredError")),
        *instances("add_chunks", REALS),
        *(e for real in REALS for e in instances("softmax", (real,), ("long long", real), HELD)),
        *(e for real in REALS for e in instances("wide_softmax", (real,), ("long long", real))),
    ],
    "numbers": [
        *instances("number_embedding_sums", REALS),
        *instances("number_embedding_forward", REALS),
        *instances("number_embedding_backward", REALS),
    ],
    "regression_losses": [
        *instances("terms", REALS, ("AbsoluteError", "Huber", "Pinball", "Poisson", "Gamma")),
        *instances("add_chunks", REALS),
    ],
    "rows": [
        *vectors("dropout"),
        *vectors("noise"),
        *vectors("squash"),
        "begin_step<double>",
        *(
            expression
            for source, real in itertools.product(REALS, REALS)
            for expression in instances(
                "gather",
                (source,),
                (real,),
                (real, "long long"),
                (1, min(WIDTHS[source][1], WIDTHS[real][1])),
            )
        ),
    ],
    "steps": [
        *vectors("sgd_step"),
        *vectors("adam_step"),
        *vectors("norms"),
        *vectors("clip_gradient"),
        *vectors("restore_norms"),
        *instances("restore_columns", REALS),
    ],
}
