"""What the engine needs of an array library."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import ModuleType, SimpleNamespace
from typing import Any, Protocol

from sknorm.backends.program import Halt, Operation
from sknorm.kernels import reference


class Recorder(Protocol):
    """Records what kernels launch, so that one call launches it all."""

    def launch(self, work: Callable[[], None]) -> None:
        """Call ``work``, which must happen once before it is recorded."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """What launches again what ``work`` launches, which itself has no effect here.

        Numbers and arrays are those of now; what the arrays hold may change.
        """


class Backend(Protocol):
    """Arrays of one library on one device, and the kernels that compute on them."""

    @property
    def name(self) -> str:
        """Name of the array library."""

    @property
    def xp(self) -> Any:
        """Its array-API namespace."""

    @property
    def device(self) -> Any:
        """Where the arrays live."""

    @property
    def chunk_bytes(self) -> int:
        """Activations to hold at once where rows are independent: a cache, or a device's due."""

    @property
    def allocates(self) -> bool:
        """Whether the kernels make arrays in passing, beside those that they write into."""

    @property
    def cuts_layers(self) -> bool:
        """Whether large layers are cut into pieces that may run side by side."""

    @property
    def keeps_masks(self) -> bool:
        """Whether the kernels can note what dropout keeps, rather than find it out anew."""

    @property
    def compiles(self) -> bool:
        """Whether the steps of a member can run as machine code, without the interpreter."""

    @property
    def threads(self) -> int:
        """How many threads the calling one may use, itself included."""

    @property
    def kernels(self) -> SimpleNamespace:
        """The kernels, by name."""

    def dtype(self, dtype: Any) -> Any:
        """The library's own dtype of the name of a NumPy dtype, or a dtype of its own."""

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> Any:
        """Zeros in C order, placed as kernels and products like it best."""

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        """``array`` as a C-contiguous array of this backend, without a copy where possible."""

    def to_numpy(self, array: Any) -> Any:
        """``array`` on the host."""

    def session(self) -> AbstractContextManager[None]:
        """The thread limits and the precision under which training and prediction run."""

    def free_bytes(self) -> int | None:
        """Bytes that may still be allocated where the arrays live; None where no one says."""

    def bind(self, kernel: str, arguments: Mapping[str, Any]) -> Operation:
        """The kernel of this name with those of the arguments that it takes, but for ``step``.

        The numbers and arrays are those given, whenever it is called.
        """

    def product(self, a: Any, b: Any, out: Any) -> Operation:
        """What writes the product of these stacks of matrices whenever it is called."""

    def recorder(self) -> Recorder | None:
        """What records launches, where they cost enough and can be recorded."""

    def run(self, task: Callable[..., None], arguments: list[tuple], halt: Halt = None) -> None:
        """Call ``task`` with each tuple of arguments, side by side where threads are free.

        The tasks must not depend on each other, unless there are no more than threads. Their number
        does not depend on the number of threads, so neither does any result. ``halt`` ends those
        that have begun where the caller is interrupted while they take long.
        """


def join_kernels(overrides: ModuleType | None) -> SimpleNamespace:
    """The reference kernels, replaced by name by those of ``overrides``."""
    table = {name: getattr(reference, name) for name in reference.__all__}
    if overrides is not None:
        table.update((name, getattr(overrides, name)) for name in overrides.__all__)
    return SimpleNamespace(**table)
