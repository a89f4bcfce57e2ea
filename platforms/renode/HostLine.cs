// The host's end of a serial line: what the firmware sends, collected until somebody takes it, and frames on their way
// to the firmware. A character at a time through Python would be the slowest part of a run.
using System.Collections.Generic;

using Antmicro.Renode.Core;
using Antmicro.Renode.Peripherals.DMA;
using Antmicro.Renode.Peripherals.UART;

namespace Antmicro.Renode.Hil
{
    public sealed class HostLine
    {
        // Names as in the platform ("usart2", "dma1"); stream: the one that receives what the UART does. dma: "" where
        // the firmware takes each byte by an interrupt.
        public HostLine(IMachine machine, string uart, string dma, int stream)
        {
            this.uart = (IUART)machine["sysbus." + uart];
            this.dma = dma == "" ? null : (Stm32f4Dma)machine["sysbus." + dma];
            this.stream = stream;
            this.uart.CharReceived += received.Add;
        }

        // Lets go of the UART, which can then be saved without the host's end of its line.
        public void Detach()
        {
            uart.CharReceived -= received.Add;
        }

        public int Waiting => received.Count;

        public byte[] Take()
        {
            var taken = received.ToArray();
            received.Clear();
            return taken;
        }

        // The next bytes find the one before them still in the UART, and are lost: Renode's has room for all, and no ORE.
        public void Overrun(int count)
        {
            lost += count;
        }

        // Through the UART, as one burst: the caller lets time pass in between.
        public void Send(byte[] data, int first, int count)
        {
            for(var i = first; i < first + count; i++)
            {
                if(lost > 0)
                {
                    lost--;
                }
                else
                {
                    uart.WriteChar(data[i]);
                }
            }
        }

        // Into the memory that the DMA receives to, except for the last byte: it comes through the UART, so that the
        // firmware is woken by the line falling idle as ever. What the DMA does not take goes through the UART too.
        public void HandOver(byte[] data)
        {
            var begin = System.Math.Min(lost, data.Length - 1);
            lost -= begin;
            var body = new byte[data.Length - 1 - begin];
            System.Array.Copy(data, begin, body, 0, body.Length);
            var taken = begin + (dma == null ? 0 : dma.Feed(stream, body));
            Send(data, taken, data.Length - taken);
        }

        private int lost;  // bytes that are yet to be
        private readonly IUART uart;
        private readonly Stm32f4Dma dma;
        private readonly int stream;
        private readonly List<byte> received = new List<byte>();
    }
}
