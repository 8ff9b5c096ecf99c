"""Checks of a model that is to go on training."""

from dataclasses import fields
from typing import Any


def check_continues(previous: Any, architecture: Any, members: int) -> None:
    """Raise a ValueError if a network cannot go on under other parameters.

    ``previous`` is a Network, ``architecture`` what the parameters ask for now.
    """
    if previous.members != members:
        raise ValueError(
            f"n_members={members}, but the model to go on with has {previous.members}. Keep it, "
            "or fit a new estimator (warm_start=False)."
        )
    old = previous.architecture
    changed = [f.name for f in fields(old) if getattr(old, f.name) != getattr(architecture, f.name)]
    if changed:
        names = ["hidden_layer_sizes" if name == "sizes" else name for name in changed]
        found = ", ".join(
            f"{name} was {getattr(old, field)}, is {getattr(architecture, field)}"
            for name, field in zip(names, changed, strict=True)
        )
        raise ValueError(
            f"The model cannot go on training under other layers: {found}. Keep {names[0]} and "
            "the kind of target, or fit a new estimator (warm_start=False)."
        )
