"""Calls from compiled hooks to native functions known by address.

A ctypes function object would do, but numba cannot cache a function on disk that holds one: the address may differ next
time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

# of functions that only compiled functions call: half of the time to compile goes into the wrappers left out
INTERNAL: dict[str, Any] = {"cache": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def as_integer(typingctx: Any, pointer: Any) -> Any:
    """A pointer as int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], _I64)

    return types.int64(types.voidptr), codegen


@intrinsic
def call_stop(typingctx: Any, function: Any, uc: Any) -> Any:
    """uc_emu_stop(uc)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I32, [_I64]).as_pointer()
        return builder.call(builder.inttoptr(args[0], kind), [args[1]])

    return types.int32(types.int64, types.int64), codegen


@intrinsic
def call_reg_read(typingctx: Any, function: Any, uc: Any, register: Any) -> Any:
    """The uint32 that uc_reg_read(uc, register, &value) gives, as int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I32, [_I64, _I32, _I64.as_pointer()]).as_pointer()
        with builder.goto_entry_block():
            value = builder.alloca(_I64)
        builder.store(ir.Constant(_I64, 0), value)
        builder.store(ir.Constant(_I64, 0), value)  # of a core register only the low half is written
        register = builder.trunc(args[2], _I32)
        builder.call(builder.inttoptr(args[0], kind), [args[1], register, value])
        return builder.load(value)

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def call_reg_write(typingctx: Any, function: Any, uc: Any, register: Any, value: Any) -> Any:
    """uc_reg_write(uc, register, &value)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I32, [_I64, _I32, _I64.as_pointer()]).as_pointer()
        with builder.goto_entry_block():
            value = builder.alloca(_I64)
        builder.store(args[3], value)
        register = builder.trunc(args[2], _I32)
        return builder.call(builder.inttoptr(args[0], kind), [args[1], register, value])

    return types.int32(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def call_block(typingctx: Any, function: Any, address: Any, size: Any) -> Any:
    """A callback void(int64 address, int64 size)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_I64, _I64]).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), [args[1], args[2]])
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), codegen


@intrinsic
def call_look(typingctx: Any, function: Any, uc: Any, row: Any, arena: Any) -> Any:
    """hooks.look(uc, row, arena): a call by address is not inlined, and so keeps its caller short."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_I64, _I64, _I64]).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), [args[1], args[2], args[3]])
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def call_hook(typingctx: Any, function: Any, uc: Any, address: Any, data: Any) -> Any:
    """A hook on one instruction: void(uc*, uint64 address, uint32 size, void* data); the size is not told."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_I64, _I64, _I32, _I64]).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), [args[1], args[2], ir.Constant(_I32, 0), args[3]])
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def as_words(typingctx: Any, address: Any) -> Any:
    """An int64 as a pointer to int64."""
    pointer = types.CPointer(types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(pointer))

    return pointer(types.int64), codegen


@intrinsic
def as_pointer(typingctx: Any, address: Any) -> Any:
    """An int64 as a pointer to anything, for carray."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), codegen
