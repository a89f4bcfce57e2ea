// A DMA controller of the STM32F4 (RM0090, chapter 10) as far as a serial link uses one: byte streams between a data
// register and memory, normal and circular. Renode 1.16.1's own STM32DMA never clears EN and never reloads NDTR, so a
// firmware that waits for the one or receives into a ring by the other does not run on it.
using System;
using System.Collections.Generic;
using System.Linq;

using Antmicro.Renode.Core;
using Antmicro.Renode.Logging;
using Antmicro.Renode.Peripherals.Bus;

namespace Antmicro.Renode.Peripherals.DMA
{
    public sealed class Stm32f4Dma : IDoubleWordPeripheral, IKnownSize, IGPIOReceiver, INumberedGPIOOutput
    {
        public Stm32f4Dma(IMachine machine)
        {
            bus = machine.GetSystemBus(this);
            streams = Enumerable.Range(0, StreamCount).Select(number => new Stream(this, number)).ToArray();
            Connections = streams.ToDictionary(stream => stream.Number, stream => (IGPIO)stream.Interrupt);
        }

        public void Reset()
        {
            foreach(var stream in streams)
            {
                stream.Reset();
            }
        }

        // A peripheral has a byte for stream `number`.
        public void OnGPIO(int number, bool requests)
        {
            if(requests)
            {
                streams[number].Receive();
            }
        }

        // Puts bytes where the stream would have put them, without a peripheral: a whole frame at once. Returns how many
        // were taken; fewer when the stream ends, none when it does not receive.
        public int Feed(int number, byte[] data)
        {
            return streams[number].Feed(data);
        }

        // A fault of the controller: the stream stays enabled and moves nothing, until the chip is reset.
        public void Stall(int number)
        {
            streams[number].Stall();
        }

        public uint ReadDoubleWord(long offset)
        {
            if(offset == LowStatus || offset == HighStatus)
            {
                var first = offset == LowStatus ? 0 : 4;
                return (uint)Enumerable.Range(0, 4).Sum(k => (long)streams[first + k].Flags << FlagShifts[k]);
            }
            return offset >= FirstStream && offset < FirstStream + StreamCount * StreamBytes
                ? streams[(offset - FirstStream) / StreamBytes].Registers[(offset - FirstStream) % StreamBytes / 4]
                : 0;
        }

        public void WriteDoubleWord(long offset, uint value)
        {
            if(offset == LowClear || offset == HighClear)
            {
                var first = offset == LowClear ? 0 : 4;
                for(var k = 0; k < 4; k++)
                {
                    streams[first + k].Clear(value >> FlagShifts[k] & AllFlags);
                }
            }
            else if(offset >= FirstStream && offset < FirstStream + StreamCount * StreamBytes)
            {
                streams[(offset - FirstStream) / StreamBytes].Write((int)((offset - FirstStream) % StreamBytes / 4), value);
            }
        }

        public long Size => 0x400;

        public IReadOnlyDictionary<int, IGPIO> Connections { get; }

        private readonly IBusController bus;
        private readonly Stream[] streams;

        private const int StreamCount = 8;
        private const long LowStatus = 0x0, HighStatus = 0x4, LowClear = 0x8, HighClear = 0xC;
        private const long FirstStream = 0x10, StreamBytes = 0x18;
        private const uint AllFlags = 0x3D;
        private static readonly int[] FlagShifts = { 0, 6, 16, 22 };

        private class Stream
        {
            public Stream(Stm32f4Dma dma, int number)
            {
                this.dma = dma;
                Number = number;
                Reset();
            }

            public void Reset()
            {
                Array.Clear(Registers, 0, Registers.Length);
                Registers[Fifo] = 0x21;
                Flags = 0;
                isStalled = false;
                Interrupt.Unset();
            }

            public void Stall()
            {
                isStalled = true;
            }

            public void Write(int register, uint value)
            {
                if(register != Control)
                {
                    if(!IsEnabled || register == Fifo)
                    {
                        Registers[register] = register == Count ? value & 0xFFFF : value;
                    }
                    return;
                }
                var wasEnabled = IsEnabled;
                Registers[Control] = value & 0x0FFFFFFF;
                if(!wasEnabled && IsEnabled)
                {
                    Start();
                }
                else if(wasEnabled && !IsEnabled)
                {
                    Flags |= TransferComplete;  // RM0090, 10.3.14: a stream that software stops reports completion
                }
                Settle();
            }

            public void Clear(uint flags)
            {
                Flags &= ~flags;
                Settle();
            }

            public void Receive()
            {
                if(!IsReceiving)
                {
                    dma.Log(LogLevel.Warning, "stream {0} does not receive: the byte stays where it is", Number);
                    return;
                }
                Feed(new[] { dma.bus.ReadByte(Registers[Peripheral]) });
            }

            public int Feed(byte[] data)
            {
                var taken = 0;
                while(taken < data.Length && IsReceiving)
                {
                    var size = Math.Min(data.Length - taken, UntilMark);
                    if(!Reaches(Position, size))
                    {
                        break;
                    }
                    dma.bus.WriteBytes(data, Position, taken, size);
                    taken += size;
                    Advance(size);
                }
                return taken;
            }

            public int Number { get; }

            public GPIO Interrupt { get; } = new GPIO();

            public uint Flags { get; private set; }

            public readonly uint[] Registers = new uint[6];

            private void Start()
            {
                length = (int)Registers[Count];
                if(length == 0 || (Registers[Control] & (DoubleBuffer | Sizes)) != 0)
                {
                    dma.Log(LogLevel.Error, "stream {0}: CR {1:X} with {2} items is not modelled", Number, Registers[Control], length);
                    Registers[Control] &= ~Enable;
                }
                else if(Direction == FromMemory && !isStalled)
                {
                    Send();
                }
            }

            // At once: Renode's UART sends a character in no time.
            private void Send()
            {
                if(!Reaches(Position, length))
                {
                    return;
                }
                foreach(var value in dma.bus.ReadBytes(Position, length))
                {
                    dma.bus.WriteByte(Registers[Peripheral], value);
                }
                Advance(length);
            }

            // The CCM hangs on the core's data bus alone (RM0090, 2.3.1).
            private bool Reaches(ulong address, int size)
            {
                if(address + (ulong)size <= CoreCoupled || address >= CoreCoupled + CoreCoupledBytes)
                {
                    return true;
                }
                dma.Log(LogLevel.Error, "stream {0}: the DMA does not reach 0x{1:X}", Number, address);
                Registers[Control] &= ~Enable;
                Flags |= TransferError;
                Settle();
                return false;
            }

            private void Advance(int size)
            {
                Registers[Count] -= (uint)size;
                if(Registers[Count] == (uint)length / 2)
                {
                    Flags |= HalfTransfer;
                }
                if(Registers[Count] == 0)
                {
                    Flags |= TransferComplete;
                    if((Registers[Control] & Circular) != 0)
                    {
                        Registers[Count] = (uint)length;
                    }
                    else
                    {
                        Registers[Control] &= ~Enable;
                    }
                }
                Settle();
            }

            private void Settle()
            {
                // TEIE, HTIE and TCIE lie one bit below the flags they enable
                var enabled = Registers[Control] << 1 & (TransferError | HalfTransfer | TransferComplete);
                Interrupt.Set((Flags & enabled) != 0);
            }

            private bool IsEnabled => (Registers[Control] & Enable) != 0;

            private bool IsReceiving => IsEnabled && Direction == ToMemory && !isStalled;

            private uint Direction => Registers[Control] >> 6 & 3;

            private ulong Position => Registers[Memory] + ((Registers[Control] & Increment) != 0 ? (ulong)length - Registers[Count] : 0);

            private int UntilMark => Registers[Count] > length / 2 ? (int)Registers[Count] - length / 2 : (int)Registers[Count];

            private bool isStalled;
            private int length;  // NDTR when the stream was enabled

            private readonly Stm32f4Dma dma;

            private const int Control = 0, Count = 1, Peripheral = 2, Memory = 3, Fifo = 5;
            private const uint Enable = 1, Circular = 1 << 8, Increment = 1 << 10, Sizes = 0xF << 11, DoubleBuffer = 1 << 18;
            private const uint TransferError = 1 << 3, HalfTransfer = 1 << 4, TransferComplete = 1 << 5;
            private const uint ToMemory = 0, FromMemory = 1;
            private const ulong CoreCoupled = 0x10000000, CoreCoupledBytes = 0x10000;
        }
    }
}
