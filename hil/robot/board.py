"""Keywords that start, stop and crash the board."""

from __future__ import annotations

from typing import Literal

from robot.api import SkipExecution, logger
from robot.api.deco import keyword

from hil.bench.bit_flips import BitFlips
from hil.bench.device_faults import DeviceFaults
from hil.link import Hello, LinkError
from hil.link.messages import Provoke
from hil.robot.log import table
from hil.robot.stage import Stage
from hil.targets.base import TargetFault


class BoardKeywords:
    """The board itself."""

    stage: Stage

    @keyword
    def boot_board(self) -> Hello:
        """Starts the firmware anew and checks its answer: board, model and build must be those that were built.

        Builds the firmware where that is needed; flashes a real board that runs another one. Returns what the board
        said of itself, with attributes such as ``build_id``, ``clock_hz``, ``unique_id`` and ``boots``.

        | ${board} =    Boot Board
        | Log           ${board.build_id}
        """
        self.stage.raise_curtain()
        hello = self.stage.bench.hello
        assert hello is not None, "boot() fills it in"
        logger.info(table([(name, value) for name, value in vars(hello).items()]), html=True)
        return hello

    @keyword
    def reset_board(self) -> None:
        """Resets the board as its button does, and sends HELLO again."""
        self.stage.bench.target.reset()
        self.stage.bench.hello = self.stage.bench.client.hello()

    @keyword
    def switch_board_off(self) -> None:
        """Releases the target for the next suite, and a real board for the next run."""
        self.stage.drop_curtain()

    @keyword
    def flip_bit_at(self, place: str, bit: int = 0, function: str = "model_finish", call: int = 1) -> None:
        """A bit of the board's memory changes when a function is called: on the emulators, sim and renode.

        ``place``: a buffer of plan.json, such as ``rnnpool_rows+12``, or a symbol, such as ``head0_weight``. ``call``:
        at which call from now on. ``function`` may be an instruction in one, such as ``conv0_part+0x1c``. Any other
        target skips the test.

        | Flip Bit At     image_rows+100    bit=7    function=conv0_part    call=20
        | Run Keyword And Expect Error    *differed from the reference*    Stream Image    astronaut
        """
        if not self.stage.bench.target.capabilities.flips_bits:
            raise SkipExecution(f"target {self.stage.target} changes no bits of memory: use sim or renode")
        BitFlips(self.stage.firmware, self.stage.bench.target).flip_bit(place, bit, function=function, call=call)

    @keyword
    def stall_dma(self, direction: Literal["rx", "tx"]) -> None:
        """The DMA stream of the board's link, to memory (``rx``) or from it (``tx``), moves nothing until a reset.

        On the emulators, sim and renode; any other target skips the test. Without ``tx`` the firmware's watchdog
        reports an endless loop, without ``rx`` the board no longer answers.

        | Stall Dma                   tx
        | Run Keyword And Expect Error    *endless loop in port_send_wait*    Stream Image    astronaut
        """
        _faults(self.stage).stall_dma(direction)

    @keyword
    def overrun_uart(self, count: int = 1) -> None:
        """The next bytes to the board are lost in its UART; the frame that contains them is sent again.

        | Overrun Uart            3
        | Stream Image            astronaut
        | Frames Should Have Been Repeated
        """
        _faults(self.stage).overrun_uart(count)

    @keyword
    def board_should_be(self, name: str) -> None:
        """Fails unless this board answered, by its name in platforms/; on the target native, ``native``."""
        hello = self.stage.bench.hello
        found = hello.board if hello else None
        if found != name:
            raise AssertionError(f"the board says it is {found}, expected {name}")

    @keyword
    def provoke_crash(self, kind: Provoke) -> TargetFault:
        """Makes the firmware crash. Returns the report of the crash; fails if there is none.

        The result has the attributes ``kind``, ``symbol``, ``line``, ``pc``, ``lr``, ``sp`` and ``address``. What a
        target does not model skips the test. Afterwards the board has started again: use `Boot Board` to go on.

        | ${crash} =         Provoke Crash    divide by zero
        | Should Be Equal    ${crash.symbol}    divide_by_zero
        """
        name = kind.name.lower()
        if name in self.stage.bench.target.capabilities.unmodelled:
            raise SkipExecution(f"target {self.stage.target} does not model {name}: use TARGET:sim")
        try:
            self.stage.bench.provoke(name)
        except TargetFault as fault:
            self.stage.crash = fault
            logger.info(table(_facts(fault)), html=True)
            return fault
        except LinkError as error:
            if "survived" in str(error):
                raise SkipExecution(f"target {self.stage.target}: {error}") from None
            raise
        raise AssertionError(f"the firmware survived {name}")

    @keyword
    def crash_should_be_in(self, function: str, file: str | None = None) -> None:
        """Fails unless the latest crash was in this function, and in this file where one is given.

        | Provoke Crash         null call
        | Crash Should Be In    null_call    provoke.c
        """
        crash = self.stage.crash
        if crash is None:
            raise AssertionError("nothing has crashed: use the keyword `Provoke Crash` first")
        if crash.symbol != function or (file is not None and not (crash.line or "").startswith(f"{file}:")):
            where = f"{function} ({file})" if file else function
            raise AssertionError(f"the crash was in {crash.symbol} ({crash.line}), expected {where}: {crash}")


def _faults(stage: Stage) -> DeviceFaults:
    target = stage.bench.target
    if not target.capabilities.breaks_peripherals:
        raise SkipExecution(f"target {stage.target} breaks no peripherals: use sim or renode")
    return DeviceFaults(stage.firmware, target)


def _facts(fault: TargetFault) -> list[tuple[str, object]]:
    registers = [(name, f"{getattr(fault, name):#010x}") for name in ("pc", "lr", "sp", "cfsr", "hfsr")]
    address = "-" if fault.address is None else f"{fault.address:#010x}"
    return [("crash", fault.kind), ("function", fault.symbol), ("line", fault.line), ("address", address), *registers]
