"""Hooks: functions that native code calls by their address, and calls from them to native functions known by address.

A ctypes function object would do for the latter, but numba cannot cache a function on disk that holds one: the address
may differ next time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from hil import caches
from hil.machine_code import cfunc, is_kept

# of functions that only compiled functions call: half of the time to compile goes into the wrappers left out
INTERNAL: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
# otherwise every call of a hook would test whether Python has an exception to raise: 5 % of the simulated board's speed
_HOOK: dict[str, Any] = {"error_model": "numpy", "forceinline": True}


class Hook:
    """A function for native code to call: compiled, or loaded from the cache, when it is first asked for."""

    def __init__(self, signature: Any, function: Callable[..., Any]) -> None:
        self.function = function
        self._signature = signature
        self.process: subprocess.Popen[bytes] | None = None  # that compiles it, too

    @property
    def is_cached(self) -> bool:
        """Whether its code is there already; if that is of another machine, it will be compiled here."""
        return is_kept(self.function)

    @cached_property
    def compiled(self) -> Any:
        """What numba made of it; a second process that compiles it is waited for."""
        if self.process is not None:
            self.process.wait()
        return cfunc(self._signature, **_HOOK)(self.function)

    @property
    def address(self) -> int:
        return int(self.compiled.address)

    @property
    def ctypes(self) -> Any:
        """For Python to call it."""
        return self.compiled.ctypes


def compile_meanwhile(*hooks: Hook) -> None:
    """Have a second process compile into the cache what is not yet there, if there is a core to spare."""
    wanted = [one for one in hooks if one.process is None and not one.is_cached]
    if wanted and (os.cpu_count() or 1) > 1:
        names = [(one.function.__module__, one.function.__name__) for one in wanted]
        order = "; ".join(f"from {module} import {name}; {name}.compiled" for module, name in names)
        process = subprocess.Popen(
            [sys.executable, "-c", order], env=os.environ | {caches.VARIABLE: str(caches.root())},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for one in wanted:
            one.process = process


def hook(signature: Any) -> Callable[[Callable[..., Any]], Hook]:
    """Makes a Hook of a function of that signature."""
    return lambda function: Hook(signature, function)


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
def load_word(typingctx: Any, address: Any) -> Any:
    """The uint32 at an address, as int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = builder.load(builder.inttoptr(args[0], _I32.as_pointer()))
        return builder.zext(word, _I64)

    return types.int64(types.int64), codegen


@intrinsic
def store_word(typingctx: Any, address: Any, value: Any) -> Any:
    """Put the low half of an int64 at an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = builder.trunc(args[1], _I32)
        builder.store(word, builder.inttoptr(args[0], _I32.as_pointer()))
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), codegen


@intrinsic
def trailing_zeros(typingctx: Any, value: Any) -> Any:
    """The number of the lowest bit that is 1; of 0 it is not known."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


@intrinsic
def prefetch(typingctx: Any, address: Any) -> Any:
    """Have this computer's cache fetch the line at an address, which is about to be read."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        to_read, keep, data = (ir.Constant(_I32, value) for value in (0, 3, 1))
        builder.call(function, [builder.inttoptr(args[0], byte), to_read, keep, data])
        return context.get_dummy_value()

    return types.none(types.int64), codegen


@intrinsic
def call_start(typingctx: Any, function: Any, uc: Any, begin: Any, until: Any) -> Any:
    """uc_emu_start(uc, begin, until, 0, 0)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I32, [_I64] * 5).as_pointer()
        none = ir.Constant(_I64, 0)
        return builder.call(builder.inttoptr(args[0], kind), [args[1], args[2], args[3], none, none])

    return types.int32(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def call_mem_read(typingctx: Any, function: Any, uc: Any, address: Any) -> Any:
    """The uint32 that uc_mem_read(uc, address, &value, 4) gives, as int64; 0 where it fails."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I32, [_I64, _I64, _I64.as_pointer(), _I64]).as_pointer()
        with builder.goto_entry_block():
            value = builder.alloca(_I64)
        builder.store(ir.Constant(_I64, 0), value)
        builder.call(builder.inttoptr(args[0], kind), [args[1], args[2], value, ir.Constant(_I64, 4)])
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
def call_clock(typingctx: Any, function: Any, state: Any, pc: Any) -> Any:
    """int64 function(int64 state, int64 pc)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I64, [_I64, _I64]).as_pointer()
        return builder.call(builder.inttoptr(args[0], kind), [args[1], args[2]])

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def call_read(typingctx: Any, function: Any, uc: Any, offset: Any, size: Any, data: Any) -> Any:
    """uc_cb_mmio_read_t: uint64 function(uc*, uint64 offset, uint32 size, void* data)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I64, [_I64, _I64, _I32, _I64]).as_pointer()
        size = builder.trunc(args[3], _I32)
        return builder.call(builder.inttoptr(args[0], kind), [args[1], args[2], size, args[4]])

    return types.int64(types.int64, types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def call_write(typingctx: Any, function: Any, uc: Any, offset: Any, size: Any, value: Any, data: Any) -> Any:
    """uc_cb_mmio_write_t: void function(uc*, uint64 offset, uint32 size, uint64 value, void* data)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_I64, _I64, _I32, _I64, _I64]).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), args[1:])
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64, types.uint32, types.int64, types.int64), codegen


@intrinsic
def call_look(typingctx: Any, function: Any, uc: Any, row: Any, arena: Any) -> Any:
    """hooks.look(uc, row, arena): a call by address is not inlined, and so keeps its caller short."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_I64, _I64, _I64]).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), [args[1], args[2], args[3]])
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def call_hook(typingctx: Any, function: Any, uc: Any, address: Any, size: Any, data: Any) -> Any:
    """A hook on code: void(uc*, uint64 address, uint32 size, void* data)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_I64, _I64, _I32, _I64]).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), [args[1], args[2], args[3], args[4]])
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64, types.uint32, types.int64), codegen


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
