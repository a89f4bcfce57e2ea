// Stops the core at what a real chip answers with a fault and Renode lets pass: an access where nothing is, a store to
// flash, a jump outside code. Renode reads 0 there and goes on, or aborts the core and waits for ever.
//
// It works through the core's external MMU: pages are opened one by one, on their first use, to what the platform has
// there; everything else ends the run, with the core halted at the instruction that did it.
using System.Linq;

using Antmicro.Renode.Core;
using Antmicro.Renode.Logging;
using Antmicro.Renode.Peripherals;
using Antmicro.Renode.Peripherals.Bus;
using Antmicro.Renode.Peripherals.CPU;
using Antmicro.Renode.Peripherals.Memory;

namespace Antmicro.Renode.Peripherals.Miscellaneous
{
    public static class AccessGuardCommand
    {
        // In the monitor: machine GuardAccesses
        public static void GuardAccesses(this IMachine machine)
        {
            new AccessGuard(machine);
        }
    }

    public sealed class AccessGuard
    {
        public AccessGuard(IMachine machine)
        {
            bus = machine.SystemBus;
            Cpu = (TranslationCPU)machine["sysbus.cpu"];
            code = machine["sysbus.flash"];
            data = bus.WhatIsAt(CcmOrigin, Cpu)?.Peripheral;
            system = bus.WhatIsAt(SystemMemory, Cpu)?.Peripheral;
            Cpu.EnableExternalWindowMmu(true);
            Cpu.AddHookOnMmuFault(Check);
            Cpu.Halted += NoteAbort;
        }

        public TranslationCPU Cpu { get; }

        // "read", "write", "execute", "abort", or what ExceptionWatch.cs finds, once the core was stopped, else null.
        public string Stopped { get; private set; }

        // Whether the core, once stopped, waits for a debugger at that instruction, until Finish() is called.
        public bool WaitsWhenStopped { get; set; }

        public bool IsOver { get; private set; }

        public ulong Address { get; private set; }

        public bool IsCode { get; private set; }  // Address is in memory that the core cannot store to

        // r0 to r15 and the status: at that time, since a halted core's are no longer those of the instruction that did it;
        // as they are now, while nothing has stopped it.
        public ulong[] Registers => Stopped != null ? atStop : Enumerable.Range(0, CoreRegisters).Append(ProgramStatus)
            .Select(number => Cpu.GetRegister(number).RawValue).ToArray();

        // Puts a stopped core back to the instruction that did it, for a snapshot.
        public void Rewind()
        {
            if(Stopped != null)
            {
                Cpu.PC = atStop[ProgramCounter];
            }
        }

        // Ends the run of a core that waits: after such a stop Renode lets it execute nothing.
        public void Finish()
        {
            IsOver = Stopped != null;
        }

        // Ends the run at the instruction that the core is at.
        public void Stop(string why, ulong address)
        {
            if(Stopped == null)
            {
                Address = address;
                IsCode = bus.WhatIsAt(address, Cpu)?.Peripheral == code;
                atStop = Registers;
                Stopped = why;
                Cpu.Log(LogLevel.Error, "stopped: {0} at 0x{1:X8}, PC 0x{2:X8}", why, address, atStop[ProgramCounter]);
                if(WaitsWhenStopped && why != "abort")
                {
                    Cpu.ExecutionMode = ExecutionMode.SingleStep;
                    return;
                }
            }
            IsOver = true;
            Cpu.IsHalted = true;
        }

        private ExternalMmuResult Check(ulong address, AccessType access, ulong? window, bool isFirstTry)
        {
            if(isFirstTry)
            {
                return window == null && TryOpen(address) ? ExternalMmuResult.NoFault : ExternalMmuResult.Fault;
            }
            Stop(access == AccessType.Read ? "read" : access == AccessType.Write ? "write" : "execute", address);
            return ExternalMmuResult.Fault;
        }

        private bool TryOpen(ulong address)
        {
            var found = bus.WhatIsAt(address, Cpu);
            if(found == null)
            {
                return false;
            }
            var range = found.RegistrationPoint.Range;
            var window = Cpu.AcquireExternalMmuWindow(ExternalMmuBase.Privilege.All);
            Cpu.SetMmuWindowStart(window, range.StartAddress);
            Cpu.SetMmuWindowEnd(window, range.EndAddress + 1);
            Cpu.SetMmuWindowPrivileges(window, Rights(found.Peripheral));
            return true;
        }

        private ExternalMmuBase.Privilege Rights(IBusPeripheral peripheral)
        {
            if(peripheral == code)
            {
                return ExternalMmuBase.Privilege.Read | ExternalMmuBase.Privilege.Execute;
            }
            if(peripheral == system)
            {
                return ExternalMmuBase.Privilege.Read;
            }
            var runs = peripheral is IMemory && peripheral != data;
            return runs ? ExternalMmuBase.Privilege.All : ExternalMmuBase.Privilege.ReadAndWrite;
        }

        private void NoteAbort(HaltArguments halt)
        {
            if(halt.Reason == HaltReason.Abort)
            {
                Stop("abort", Cpu.PC.RawValue);
            }
        }

        private readonly IBusController bus;
        private readonly IPeripheral code;  // memory that the core cannot store to
        private readonly IPeripheral system;  // memory that it can only read
        private readonly IPeripheral data;  // memory that it cannot run from: the CCM, where the chip has one
        private ulong[] atStop;

        private const ulong CcmOrigin = 0x10000000;  // on every STM32F4 that has one (RM0090, 2.3)
        private const ulong SystemMemory = 0x1FFF7A10;  // the unique id (RM0090, 39.1)
        private const int CoreRegisters = 16, ProgramCounter = 15, ProgramStatus = 25;
    }
}
