"""The shape of a network."""

from dataclasses import dataclass

import numpy as np

NORMALIZATIONS = ("batch", "ghost", "layer")


@dataclass(frozen=True)
class Categories:
    """What networks make of the code columns of a table.

    A level of a column with few of them has a row of the first layer's weights, the last ones;
    a level of a column with many has a vector in a table, which stands among the inputs.

    Attributes
    ----------
    count : int
        Code columns of the table.
    columns : tuple of (int, int)
        Those whose levels have rows of weights, and how many rows.
    embeddings : tuple of (int, int, int)
        Code column, number of vectors, and their width, of each of the others.
    """

    count: int
    columns: tuple[tuple[int, int], ...]
    embeddings: tuple[tuple[int, int, int], ...]

    @property
    def rows(self) -> int:
        """Rows of weights that levels have."""
        return sum(rows for _, rows in self.columns)

    @property
    def width(self) -> int:
        """Inputs that are embeddings."""
        return sum(width for _, _, width in self.embeddings)

    @property
    def table_size(self) -> int:
        """Numbers in the table of vectors."""
        return sum(levels * width for _, levels, width in self.embeddings)

    def plan(self, first: int) -> np.ndarray:
        """Rows (code column, input, width, place in the table, vectors), for kernels.

        Inputs are counted from ``first`` on.
        """
        made, begin = [], 0
        for column, levels, width in self.embeddings:
            made.append((column, first, width, begin, levels))
            first, begin = first + width, begin + levels * width
        return np.array(made, dtype=np.int64).reshape(-1, 5)


@dataclass(frozen=True)
class Embedding:
    """What networks make of the numbers of a table that have bins.

    Attributes
    ----------
    bins : tuple of int
        Bins of each column of numbers; one without any is an input itself.
    width : int
        Inputs of each of the others.
    """

    bins: tuple[int, ...]
    width: int

    @property
    def widths(self) -> list[int]:
        """Inputs of each column."""
        return [self.width if count else 1 for count in self.bins]

    @property
    def table_size(self) -> int:
        """Numbers in the table of vectors: one of each column with bins, and one of each bin."""
        return sum((1 + count) * self.width for count in self.bins if count)

    @property
    def plan(self) -> np.ndarray:
        """Rows (input, width, place in the table, first bin, bins) of the columns, for kernels."""
        made, first, begin, start = [], 0, 0, 0
        for count, inputs in zip(self.bins, self.widths, strict=True):
            width = self.width if count else 0
            made.append((first, width, begin, start, count))
            first, begin, start = first + inputs, begin + (1 + count) * width, start + count
        return np.array(made, dtype=np.int64).reshape(-1, 5)


@dataclass(frozen=True)
class Architecture:
    """What all networks of a stack have in common.

    Attributes
    ----------
    sizes : tuple of int
        Widths of the input, the hidden layers and the output.
    activation : str
        Name of the hidden activation.
    normalization : {"batch", "ghost", "layer"} or None
        Norm between each hidden Linear and its activation.
    norm_epsilon : float
        Added to the variance before its root.
    norm_affine : bool
        Whether norms have a learned scale and shift.
    ghost_batch_size : int
        Rows whose statistics are taken together under ghost norm.
    residual : bool
        Whether a hidden block's input is added to its output where their widths agree.
    embedding : Embedding or None
        Of numbers; None if they are inputs themselves.
    categories : Categories or None
        Of the table, if there are any; their rows of weights count among the inputs.
    """

    sizes: tuple[int, ...]
    activation: str
    normalization: str | None
    norm_epsilon: float
    norm_affine: bool
    ghost_batch_size: int
    residual: bool = False
    embedding: Embedding | None = None
    categories: Categories | None = None

    @property
    def dense(self) -> int:
        """Inputs that are multiplied with weights: all but rows that are picked out."""
        return self.sizes[0] - (self.categories.rows if self.categories else 0)

    @property
    def numbers(self) -> int:
        """Inputs that are numbers of the table, or their embeddings."""
        return self.dense - (self.categories.width if self.categories else 0)

    @property
    def groups(self) -> np.ndarray:
        """Where columns of the table begin among the inputs, and the end, int64 (g + 1,).

        A number is an input, or one for each number of its vectors, a category one for each level
        or number of its vectors.
        """
        sizes = self.embedding.widths if self.embedding else [1] * self.numbers
        if self.categories:
            sizes += [width for _, _, width in self.categories.embeddings]
            sizes += [rows for _, rows in self.categories.columns]
        return np.cumsum([0, *sizes], dtype=np.int64)

    @property
    def hidden(self) -> int:
        """Number of hidden blocks."""
        return len(self.sizes) - 2

    @property
    def keeps_statistics(self) -> bool:
        """Whether inference needs statistics gathered in training."""
        return self.normalization in ("batch", "ghost")
