"""The part of Unicorn's C interface that its Python binding keeps to itself.

The binding's own hooks and memory-mapped registers go through layers of Python; handing it the address of a native
function is many times faster. The names used are private, so the version is pinned and checked here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from hil.errors import HilError

PINNED = "2.1.4"
try:
    import unicorn
    from unicorn.unicorn_py3.unicorn import uclib
except ImportError as error:  # no package, or one with other insides
    raise HilError(f"the simulated board needs unicorn {PINNED} ({error}): pip install unicorn=={PINNED}") from error
if unicorn.__version__ != PINNED:
    raise HilError(
        f"the simulated board needs unicorn {PINNED}, found {unicorn.__version__}: pip install unicorn=={PINNED}"
    )

READ_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
WRITE_CALLBACK = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p
)
FIRST_SIGHT_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64)


def function_address(function: Any) -> int:
    """The address of a function of the library or of a ctypes callback."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


EMU_START = function_address(uclib.uc_emu_start)
EMU_STOP = function_address(uclib.uc_emu_stop)
REG_READ = function_address(uclib.uc_reg_read)
REG_WRITE = function_address(uclib.uc_reg_write)


def check(code: int, what: str) -> None:
    """Turn the library's return code into an exception."""
    if code:
        raise RuntimeError(f"{what}: {unicorn.UcError(code)}")


def add_native_hook(uc: unicorn.Uc, kind: int, function: int, user_data: int, begin: int = 1, end: int = 0) -> int:
    """uc_hook_add with the address of a native function; begin > end: for every address. Returns its handle."""
    handle = ctypes.c_size_t()
    code = uclib.uc_hook_add(
        uc._uch, ctypes.byref(handle), ctypes.c_int(kind), ctypes.c_void_p(function),
        ctypes.c_void_p(user_data), ctypes.c_uint64(begin), ctypes.c_uint64(end),
    )  # fmt: skip
    check(code, "uc_hook_add")
    return handle.value


def remove_native_hook(uc: unicorn.Uc, handle: int) -> None:
    """uc_hook_del of a native function's hook; code that was translated with it is forgotten."""
    check(uclib.uc_hook_del(uc._uch, ctypes.c_size_t(handle)), "uc_hook_del")
    forget_translations(uc)


def forget_translations(uc: unicorn.Uc) -> None:
    """All code will be translated again, with the hooks that there are by then."""
    uc.ctl_flush_tb()  # type: ignore[attr-defined]


def map_registers(
    uc: unicorn.Uc, origin: int, size: int, read: Callable[..., int], write: Callable[..., None],
    native: tuple[int, int, int] | None = None,
) -> tuple[Any, Any]:  # fmt: skip
    """uc_mmio_map with plain callbacks (uc, offset, size[, value], user data). Keep alive what is returned.

    native: the addresses of native functions that loads and stores come to instead of the two, and their user data.
    """
    on_read, on_write = READ_CALLBACK(read), WRITE_CALLBACK(write)
    loads, stores, data = native or (function_address(on_read), function_address(on_write), 0)
    code = uclib.uc_mmio_map(
        uc._uch, ctypes.c_uint64(origin), ctypes.c_uint64(size), ctypes.c_void_p(loads), ctypes.c_void_p(data),
        ctypes.c_void_p(stores), ctypes.c_void_p(data),
    )  # fmt: skip
    check(code, "uc_mmio_map")
    return on_read, on_write


def read_register(uc: unicorn.Uc, register: int) -> int:
    """A core register as uint32: a third of the binding's time."""
    value = ctypes.c_uint64()
    check(uclib.uc_reg_read(uc._uch, ctypes.c_int(register), ctypes.byref(value)), "uc_reg_read")
    return value.value & 0xFFFF_FFFF


def write_register(uc: unicorn.Uc, register: int, value: int) -> None:
    """A core register, from a uint32."""
    check(uclib.uc_reg_write(uc._uch, ctypes.c_int(register), ctypes.byref(ctypes.c_uint64(value))), "uc_reg_write")


def stop(uc: unicorn.Uc) -> None:
    """uc_emu_stop."""
    uclib.uc_emu_stop(uc._uch)


class Registers:
    """Several registers read or written in one call (uc_reg_read_batch): a fifth of the time of one by one."""

    def __init__(self, uc: unicorn.Uc, ids: list[int]) -> None:
        count = len(ids)
        self._uc, self._count = uc, count
        self._ids = (ctypes.c_int * count)(*ids)
        self._values = (ctypes.c_uint64 * count)()
        step = ctypes.sizeof(ctypes.c_uint64)
        base = ctypes.addressof(self._values)
        self._pointers = (ctypes.c_void_p * count)(*(base + k * step for k in range(count)))

    def read(self) -> list[int]:
        """All their values, in the order of the ids, as uint32."""
        check(uclib.uc_reg_read_batch(self._uc._uch, self._ids, self._pointers, self._count), "uc_reg_read_batch")
        return [value & 0xFFFFFFFF for value in self._values]

    def write(self, values: list[int]) -> None:
        """One value for each id."""
        self._values[:] = values  # type: ignore[assignment]
        check(uclib.uc_reg_write_batch(self._uc._uch, self._ids, self._pointers, self._count), "uc_reg_write_batch")
