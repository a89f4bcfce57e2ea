// Renode's own GDB server at a port of this machine alone: by itself it listens on all of the machine's addresses.
using System;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Threading;

using Antmicro.Migrant;
using Antmicro.Renode.Core;
using Antmicro.Renode.Peripherals.CPU;
using Antmicro.Renode.Peripherals.Miscellaneous;
using Antmicro.Renode.Utilities;
using Antmicro.Renode.Utilities.GDB;

namespace Antmicro.Renode.Hil
{
    [Transient]
    public sealed class GdbPort : SocketServerProvider
    {
        // atStart: the core waits for GDB before its first instruction; else where it crashes, be it that the guard stops
        // it or that it enters a handler of faults. port 0: any free one.
        public GdbPort(IMachine machine, AccessGuard guard, int port, bool atStart) : base(false, serverName: "GDB")
        {
            this.machine = machine;
            this.guard = guard;
            guard.WaitsWhenStopped = true;
            guard.Cpu.Halted += Report;
            Await();
            Listen(port);
            if(atStart)
            {
                guard.Cpu.ExecutionMode = ExecutionMode.SingleStep;
                return;
            }
            foreach(var handler in Faults.Select(number => machine.SystemBus.ReadDoubleWord(Flash + 4 * number)).Distinct())
            {
                guard.Cpu.AddHook(handler & ~1u, Wait);
            }
        }

        // Whether the core stands still until GDB comes and lets it go on.
        public bool IsWaiting => stub == null && guard.Cpu.ExecutionMode == ExecutionMode.SingleStep;

        public void Close()
        {
            guard.WaitsWhenStopped = false;
            guard.Cpu.Halted -= Report;
            guard.Cpu.RemoveHooks(Wait);
            Detach();
            ClearConnectionEvents();
            guard.Cpu.IsHalted |= guard.Stopped != null;
            guard.Cpu.ExecutionMode = ExecutionMode.Continuous;
            listener.Close();
            Stop();
        }

        // As Start() does, but for the address.
        private void Listen(int port)
        {
            listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
            listener.Listen(1);
            var body = typeof(SocketServerProvider).GetMethod("ListenerThreadBody", Inner);
            Set("server", listener);
            var thread = new Thread(() => body.Invoke(this, null)) { IsBackground = true, Name = "GDB" };
            Set("listenerThread", thread);
            thread.Start();
        }

        private void Set(string field, object value)
        {
            typeof(SocketServerProvider).GetField(field, Inner).SetValue(this, value);
        }

        // A stub for the connection that is there. It is told of halts by Report alone.
        private void Attach()
        {
            var attached = new GdbStub(machine, new ICpuSupportingGdb[] { guard.Cpu }, this);
            var halted = typeof(GdbStub).GetMethod("OnHalted", Inner);
            tell = (Action<HaltArguments>)Delegate.CreateDelegate(typeof(Action<HaltArguments>), attached, halted);
            guard.Cpu.Halted -= tell;
            ConnectionClosed += Detach;
            stub = attached;
        }

        private void Detach()
        {
            stub?.DisconnectState();
            stub?.Dispose();
            stub = null;
            guard.Finish();
            Await();
        }

        private void Await()
        {
            isTold = true;
            ConnectionAccepted += _ => Attach();
            DataReceived += Notice;
        }

        // A packet that lets the core go on is answered once it has stopped.
        private void Notice(int value)
        {
            packet = value == '$' ? "" : packet.Length < 8 ? packet + (char)value : packet;
            if(Resuming.Contains(packet))
            {
                isTold = false;
                guard.Finish();
            }
        }

        // GDB is to see the instruction that was stopped, and to be told of it once: Renode reports steps and breakpoints
        // as steps again.
        private void Report(HaltArguments halt)
        {
            if(guard.Stopped != null && !guard.IsOver)
            {
                guard.Rewind();
            }
            if(stub != null && !(isTold && halt.Reason == HaltReason.Step))
            {
                isTold = true;
                tell(halt);
            }
        }

        private void Wait(ICpuSupportingGdb cpu, ulong address)
        {
            cpu.EnterSingleStepModeSafely(
                new HaltArguments(HaltReason.Breakpoint, cpu, breakpointType: BreakpointType.HardwareBreakpoint));
        }

        private Socket listener;
        private volatile GdbStub stub;
        private Action<HaltArguments> tell;
        private string packet = "";
        private bool isTold;
        private readonly IMachine machine;
        private readonly AccessGuard guard;

        private const BindingFlags Inner = BindingFlags.Instance | BindingFlags.NonPublic;
        private static readonly string[] Resuming = { "c", "C", "s", "S", "vCont;" };
        private const ulong Flash = 0x08000000;
        private static readonly ulong[] Faults = { 3, 4, 5, 6 };  // HardFault, MemManage, BusFault, UsageFault
    }
}
