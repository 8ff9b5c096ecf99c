"""The layers of a network, one file each: shapes, initial values, forward, backward, folding."""

from functools import cache

import numpy as np
from numpy.random import RandomState

from sknorm.network.architecture import Architecture
from sknorm.network.layers.base import Layer
from sknorm.network.layers.batch_norm import BatchNormBlock
from sknorm.network.layers.block import Block
from sknorm.network.layers.categories import CategoryLayer
from sknorm.network.layers.head import Head
from sknorm.network.layers.layer_norm import LayerNormBlock
from sknorm.network.layers.numbers import NumberLayer
from sknorm.network.layers.plain import PlainBlock

__all__ = [
    "Block",
    "CategoryLayer",
    "Head",
    "Layer",
    "NumberLayer",
    "all_layers",
    "categories",
    "draw",
    "layers",
    "numbers",
]

BLOCKS: dict[str | None, type[Block]] = {
    "batch": BatchNormBlock,
    "ghost": BatchNormBlock,
    "layer": LayerNormBlock,
    None: PlainBlock,
}


@cache
def layers(architecture: Architecture) -> tuple[tuple[Block, ...], Head]:
    """The hidden blocks and the head of networks of this architecture."""
    kind = BLOCKS[architecture.normalization]
    blocks = tuple(kind(architecture, index) for index in range(architecture.hidden))
    return blocks, Head(architecture, architecture.hidden)


@cache
def categories(architecture: Architecture) -> CategoryLayer | None:
    """What looks categories up before the first block, if a table has any."""
    return None if architecture.categories is None else CategoryLayer(architecture, 0)


@cache
def numbers(architecture: Architecture) -> NumberLayer | None:
    """What embeds numbers before the first block, if they are embedded."""
    return None if architecture.embedding is None else NumberLayer(architecture, 0)


@cache
def all_layers(architecture: Architecture) -> tuple[Layer, ...]:
    """The layers in the order in which data passes them."""
    first = numbers(architecture), categories(architecture)
    blocks, head = layers(architecture)
    return (*(each for each in first if each is not None), *blocks, head)


def draw(architecture: Architecture, random_state: RandomState) -> dict[str, np.ndarray]:
    """One network's initial parameters in float64, by name."""
    return {
        f"{layer.name}.{kind}": value
        for layer in all_layers(architecture)
        for kind, value in layer.draw(random_state).items()
    }
