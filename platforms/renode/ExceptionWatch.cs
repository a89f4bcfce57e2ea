// Counts exceptions, so that a storm of them can be told from work, and stops the core at breakpoints and at vectors that
// lead nowhere: Renode ignores a VTOR outside memory, goes on at address 0 after a vector that is none, and waits for ever
// for a debugger.
using Antmicro.Renode.Core;
using Antmicro.Renode.Peripherals.Bus;
using Antmicro.Renode.Peripherals.CPU;

namespace Antmicro.Renode.Peripherals.Miscellaneous
{
    public sealed class ExceptionWatch
    {
        public ExceptionWatch(IMachine machine, AccessGuard guard)
        {
            bus = machine.SystemBus;
            this.guard = guard;
            guard.Cpu.AddHookAtInterruptBegin(Enter);
            bus.AddWatchpointHook(Vtor, SysbusAccessWidth.DoubleWord, Access.Write, CheckTable);
            bus.AddWatchpointHook(Aircr, SysbusAccessWidth.DoubleWord, Access.Write, NoteReset);
        }

        // Exceptions entered since the board was switched on.
        public ulong Count { get; private set; }

        // The number of one of the latest, and the address of its handler.
        public uint Latest { get; private set; }

        public ulong Handler { get; private set; }

        // Where the firmware was when it last asked for a reset.
        public ulong ResetAt { get; private set; }

        // The number of the exception that would be taken if nothing masked it, 0 where none would: Renode then says that it
        // is IRQ 0, whether that is pending or not.
        public uint Pending
        {
            get
            {
                var number = bus.ReadDoubleWord(Icsr) >> 12 & 0x1FF;
                return number == Irq0 && (bus.ReadDoubleWord(Ispr) & 1) == 0 ? 0 : number;
            }
        }

        private void Enter(ulong index)
        {
            if(index == Breakpoint && bus.ReadByte(guard.Cpu.PC.RawValue) != Semihosting)
            {
                guard.Stop("breakpoint", guard.Cpu.PC.RawValue);
            }
            if(index != Interrupt)
            {
                return;  // a fault is made pending, and entered afterwards
            }
            Count++;
            if(Count > looksUntil && Count % SomeOf != 0)
            {
                return;
            }
            var number = Pending;
            if(number == 0)
            {
                return;
            }
            Latest = number;
            var at = bus.ReadDoubleWord(Vtor) + 4 * number;
            Handler = bus.ReadDoubleWord(at);
            if(!IsCode(Handler))
            {
                guard.Stop(IsCode(bus.ReadDoubleWord(at - 4 * (number - HardFault))) ? "vector" : "lock-up", at);
            }
        }

        private static bool IsCode(ulong vector)
        {
            return (vector & 1) == 1;  // Thumb code
        }

        private void CheckTable(ICpuSupportingGdb cpu, ulong address, SysbusAccessWidth width, ulong table)
        {
            looksUntil = Count + Looks;
            if(!bus.IsMemory(table, guard.Cpu))
            {
                guard.Stop("table", table);
            }
        }

        private void NoteReset(ICpuSupportingGdb cpu, ulong address, SysbusAccessWidth width, ulong value)
        {
            ResetAt = guard.Cpu.PC.RawValue;
        }

        private ulong looksUntil = Looks;
        private readonly IBusController bus;
        private readonly AccessGuard guard;

        private const ulong Interrupt = 5, Breakpoint = 7;  // tlib's EXCP_IRQ, EXCP_BKPT
        private const byte Semihosting = 0xAB;  // the immediate of BKPT, a byte
        private const ulong Ispr = 0xE000E200, Icsr = 0xE000ED04, Vtor = 0xE000ED08, Aircr = 0xE000ED0C;
        private const ulong Looks = 1000, SomeOf = 16;  // exceptions whose vectors are looked at: the look is slow
        private const uint HardFault = 3, Irq0 = 16;
    }
}
