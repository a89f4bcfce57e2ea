// How often each block of instructions runs. A block is what the core translates at once: instructions one after another
// up to a branch.
using System.Collections.Generic;
using System.Linq;

using Antmicro.Renode.Peripherals.CPU;

namespace Antmicro.Renode.Hil
{
    public sealed class BlockCounter
    {
        public BlockCounter(TranslationCPU cpu)
        {
            this.cpu = cpu;
            cpu.SetHookAtBlockBegin(Count);
        }

        // Counts no longer. Returns for each block its address, its number of instructions, and how often it ran.
        public ulong[] Take()
        {
            cpu.SetHookAtBlockBegin(null);
            return counts.SelectMany(pair => new[] { pair.Key >> 32, pair.Key & 0xFFFFFFFF, pair.Value.Times }).ToArray();
        }

        private void Count(ulong address, uint instructions)
        {
            var block = address << 32 | instructions;
            if(!counts.TryGetValue(block, out var counter))
            {
                counts[block] = counter = new Counter();
            }
            counter.Times++;
        }

        private readonly TranslationCPU cpu;
        private readonly Dictionary<ulong, Counter> counts = new Dictionary<ulong, Counter>();

        private class Counter
        {
            public ulong Times;
        }
    }
}
