"""Calls of machine code by address; all that is taken from Numba's inside stands here.

A call that repeats is a *record*, words of 64 bits: the address of the code, then its arguments.
An *adapter* reads them and calls the code. It depends on the types of the arguments alone, so that
few adapters serve all kernels, and each kernel has one code, wherever it is called from.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from sknorm.kernels.cpu.compiler import c_function, kernel, scalar

WORD = ir.IntType(64)
_ADAPTER = ir.FunctionType(ir.VoidType(), [WORD, WORD])
# Contiguous in C or Fortran order, aligned, writable: not who owns the memory.
LAYOUT = 0x1 | 0x2 | 0x100 | 0x400


@cache
def address(dispatcher: Any, signature: tuple) -> int:
    """Where the code of a kernel for arguments of these types begins; compiled if it must be."""
    return _place(dispatcher, signature, "mangled_name")


def _place(dispatcher: Any, signature: tuple, name: str) -> int:
    """Where the code begins that Numba's description of a function has under some name."""
    dispatcher.compile(signature)
    compiled = dispatcher.overloads[signature]
    return compiled.library.get_pointer_to_function(getattr(compiled.fndesc, name))


@cache
def adapter(signature: tuple, step: int | None = None) -> int:
    """Address of what reads a record of arguments of these types, and calls the code.

    Parameters
    ----------
    signature : tuple of Numba types
        Arrays have a word for the place and one for each axis, and, unless they are contiguous
        in C order, one for each stride.
    step : int or None
        Place of the argument that is not in the record: the number of the step.
    """
    invoke = _invocation(signature, step)

    def adapt(record, number):
        invoke(record, number)

    return _address_of_adapter(adapt, repr((signature, step)))


@cache
def adapter_of_pointers(count: int, result: str | None = None) -> int:
    """Address of what calls a C function of so many pointers, which are the record's words.

    What it returns, a float (``s``) or a double (``d``), is written where a last word says.
    """
    returned = {None: ir.VoidType(), "s": ir.FloatType(), "d": ir.DoubleType()}[result]

    def call(typing: Any, record: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            read = _Reader(builder, given[0])
            function = ir.FunctionType(returned, [WORD] * count)
            target = builder.inttoptr(read.word(), function.as_pointer())
            value = builder.call(target, [read.word() for _ in range(count)])
            if result is not None:
                builder.store(value, builder.inttoptr(read.word(), returned.as_pointer()))
            return context.get_dummy_value()

        return types.void(types.int64), generate

    invoke: Any = intrinsic(call)

    def adapt(record, number):
        invoke(record)

    return _address_of_adapter(adapt, f"pointers {count} {result}")


def _address_of_adapter(adapt: Callable, key: str) -> int:
    adapt.__qualname__ = "adapter_" + hashlib.sha256(key.encode()).hexdigest()[:24]
    # C calls it without the status that Numba's own code returns.
    return _place(c_function(adapt), (types.int64, types.int64), "llvm_cfunc_wrapper_name")


class _Reader:
    """Reads the words of a record, one after another."""

    def __init__(self, builder: Any, record: Any) -> None:
        self.builder, self.at = builder, 0
        self.words = builder.inttoptr(record, WORD.as_pointer())

    def word(self) -> Any:
        found = self.builder.gep(self.words, [ir.Constant(WORD, self.at)])
        self.at += 1
        return self.builder.load(found)


def _invocation(argument_types: tuple, step: int | None) -> Any:
    """The call of the code in a record, for compiled functions."""

    def invoke(typing: Any, record: Any, number: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            read = _Reader(builder, given[0])
            function = context.call_conv.get_function_type(types.none, argument_types)
            target = builder.inttoptr(read.word(), function.as_pointer())
            values = [
                given[1] if place == step else _argument(context, builder, read, each)
                for place, each in enumerate(argument_types)
            ]
            context.call_conv.call_function(builder, target, types.none, argument_types, values)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    return intrinsic(invoke)


def _argument(context: Any, builder: Any, read: _Reader, each: Any) -> Any:
    """The next argument, of some Numba type."""
    if isinstance(each, types.Array):
        return _array(context, builder, read, each)
    if isinstance(each, types.Boolean):
        return builder.trunc(read.word(), ir.IntType(1))
    if isinstance(each, types.Float):
        return builder.bitcast(read.word(), ir.DoubleType())
    return read.word()


def _array(context: Any, builder: Any, read: _Reader, each: Any) -> Any:
    item = context.get_data_type(each.dtype)
    size = context.get_constant(types.intp, context.get_abi_sizeof(item))
    data = builder.inttoptr(read.word(), item.as_pointer())
    shape = [read.word() for _ in range(each.ndim)]
    if each.layout == "C":
        strides = [size]
        for length in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], length))
    else:
        strides = [read.word() for _ in range(each.ndim)]
    made = make_array(each)(context, builder)
    populate_array(made, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return made._getvalue()


def _call(typing: Any, code: Any, record: Any, number: Any) -> Any:
    """Call an adapter."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        target = builder.inttoptr(given[0], _ADAPTER.as_pointer())
        builder.call(target, [given[1], given[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


call_adapter: Any = intrinsic(_call)


def _write(typing: Any, place: Any, value: Any) -> Any:
    """Write a word at an address."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        builder.store(given[1], builder.inttoptr(given[0], WORD.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


write_word: Any = intrinsic(_write)


@kernel
def make_calls(members, words, strides, calls, records):
    """Make some calls for one member of a stack after another.

    Parameters
    ----------
    members : int
    words, strides : int64 arrays of shape (W,)
        The records of the first member, and what each word of the next has more.
    calls : int64 array of shape (C, 2)
        Addresses of adapters, and where among the words their records begin.
    records : int64 array of shape (W,)
        Written: the records of a member.
    """
    place = records.ctypes.data
    for member in range(members):
        for i in range(words.size):
            records[i] = words[i] + member * strides[i]
        for i in range(calls.shape[0]):
            call_adapter(calls[i, 0], place + 8 * calls[i, 1], 0)


@scalar
def begin_step(batch, rows, order, start, table, step, numbers, member):
    """Write the rows of a batch, and the quantities of a step, where its calls read them."""
    for i in range(rows):
        write_word(batch + 8 * i, order[start + i])
    for q in range(table.shape[1]):
        numbers[q, member] = table[step, q, member]


@kernel
def take_steps(
    member, first, stop, number, starts, sizes, order, table, words, strides, calls, bounds,
    rows, numbers, records,
):  # fmt: skip
    """Take the steps ``first`` to ``stop`` of an epoch with one member of a stack.

    Parameters
    ----------
    member, first, stop : int
    number : int
        That of the epoch's first step.
    starts, sizes : int64 arrays of shape (S,)
        Where each batch begins in the order, and which of the B sizes it has.
    order : int64 array of shape (R, N)
        Rows of the epoch; R is K or 1.
    table : float64 array of shape (S, Q, K)
        The quantities of each step.
    words, strides : int64 arrays of shape (W,)
        The records of the first member, and what each word of the next has more.
    calls : int64 array of shape (C, 2)
        Addresses of adapters, and where among the words their records begin.
    bounds : int64 array of shape (B + 1,)
        Where the calls for batches of each size begin.
    rows : int64 array of shape (B, 2)
        Address and number of the rows of a batch, which are written there.
    numbers : float64 array of shape (Q, K)
        Written: the quantities of the step.
    records : int64 array of shape (W,)
        Written: the records of the member.
    """
    for i in range(words.size):
        records[i] = words[i] + member * strides[i]
    place, own = records.ctypes.data, order[member if order.shape[0] > 1 else 0]
    for step in range(first, stop):
        size = sizes[step]
        batch = rows[size]
        begin_step(batch[0], batch[1], own, starts[step], table, step, numbers, member)
        for i in range(bounds[size], bounds[size + 1]):
            call_adapter(calls[i, 0], place + 8 * calls[i, 1], number + step)
