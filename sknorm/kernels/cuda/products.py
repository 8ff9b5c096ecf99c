"""Products of stacks of matrices, by cuBLAS."""

from sknorm.kernels.cuda import launcher
from sknorm.kernels.cuda.launcher import Array, c_type


def matmul(a: Array, b: Array, out: Array) -> None:
    """Product of stacks of matrices; see :func:`sknorm.kernels.reference.matmul`.

    CuPy's own product of stacks copies operands that are transposed, and works by tables of
    addresses, which it fills each time, where one operand is broadcast. cuBLAS needs neither.

    Raises
    ------
    ValueError
        If neither the rows nor the columns of an argument's matrices lie in a row each, or, of
        ``out``, not the rows.
    """
    count, rows, columns = out.shape
    # cuBLAS stores columns, so that it sees transposes: (a b)' = b' a'.
    first, second = _operand("b", b, count), _operand("a", a, count)
    transposed, *target = _operand("out", out, count)
    if transposed:
        raise ValueError("The rows of out must lie in a row each.")
    sizes = (columns, rows, a.shape[2])
    launcher.runtime.multiply(c_type(out), sizes, first, second, target, count)


def _operand(name: str, matrices: Array, count: int) -> tuple[int, int, int, int]:
    """Whether a matrix is transposed, its address, its stride, and that between matrices."""
    each, rows, columns = matrices.shape
    size = matrices.dtype.itemsize
    step, down, right = (stride // size for stride in matrices.strides)
    step = 0 if each < count else step
    address = launcher.runtime.pointer(matrices)
    # From a matrix's only row or column no one steps to the next, so that any step may stand there.
    if right == 1:
        return 0, address, max(columns, down), step
    if down == 1:
        return 1, address, max(rows, right), step
    raise ValueError(f"Neither rows nor columns of {name} lie in a row each.")
