// A bit of memory that changes as by a cosmic ray: when the core comes to an address for the n-th time, and only then.
using Antmicro.Renode.Core;
using Antmicro.Renode.Peripherals.CPU;

namespace Antmicro.Renode.Hil
{
    public sealed class BitFlip
    {
        public BitFlip(IMachine machine, TranslationCPU cpu, ulong address, int bit, ulong at, int call)
        {
            cpu.AddHook(at, (core, pc) =>
            {
                Calls++;
                if(Calls == call)
                {
                    var bus = machine.SystemBus;
                    bus.WriteByte(address, (byte)(bus.ReadByte(address) ^ 1 << bit));
                }
            });
        }

        public int Calls { get; private set; }
    }
}
