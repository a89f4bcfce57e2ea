// Renode's RCC of the STM32F4 with reset flags that are removed and set again (RM0090, 7.3.21). In Renode 1.16.1 alone
// RCC_CSR shows power-on for ever, so that a firmware takes every reset for one.
using Antmicro.Renode.Core;
using Antmicro.Renode.Peripherals.Bus;
using Antmicro.Renode.Peripherals.Timers;

namespace Antmicro.Renode.Peripherals.Miscellaneous
{
    public sealed class Stm32f4Rcc : IDoubleWordPeripheral, IKnownSize
    {
        public Stm32f4Rcc(IMachine machine, STM32F4_RTC rtcPeripheral)
        {
            renodes = new STM32F4_RCC(machine, rtcPeripheral);
            machine.SystemBus.AddWatchpointHook(Aircr, SysbusAccessWidth.DoubleWord, Access.Write,
                (_, __, ___, value) => isWanted |= (value & SystemReset) != 0);
        }

        // Of the machine, not at power-on: the firmware wants it, or the button. Either way the chip pulls its pin low.
        public void Reset()
        {
            renodes.Reset();
            flags |= PinReset | (isWanted ? SoftwareReset : 0);
            isWanted = false;
        }

        public uint ReadDoubleWord(long offset)
        {
            var value = renodes.ReadDoubleWord(offset);
            return offset == ControlStatus ? (value & ~AllFlags) | flags : value;
        }

        public void WriteDoubleWord(long offset, uint value)
        {
            if(offset == ControlStatus && (value & RemoveFlags) != 0)
            {
                flags = 0;
            }
            renodes.WriteDoubleWord(offset, offset == ControlStatus ? value & ~(AllFlags | RemoveFlags) : value);
        }

        public long Size => renodes.Size;

        private bool isWanted;
        private uint flags = BrownOutReset | PinReset | PowerOnReset;

        private readonly STM32F4_RCC renodes;

        private const long ControlStatus = 0x74;
        private const uint RemoveFlags = 1u << 24, AllFlags = 0x7fu << 25;
        private const uint BrownOutReset = 1u << 25, PinReset = 1u << 26, PowerOnReset = 1u << 27;
        private const uint SoftwareReset = 1u << 28;
        private const ulong Aircr = 0xE000ED0C, SystemReset = 1ul << 2;
    }
}
