// Lets virtual time pass in steps. Renode's own RunFor starts and joins the core's thread each time, which costs
// milliseconds, and never returns when the core aborts; here the emulation runs in the background and is held between
// two quanta while nobody wants time to pass.
using System.Diagnostics;
using System.Threading;

using Antmicro.Renode.Core;
using Antmicro.Renode.Peripherals.Miscellaneous;
using Antmicro.Renode.Time;

namespace Antmicro.Renode.Hil
{
    public sealed class Stepper
    {
        public Stepper(IMachine machine, HostLine line, AccessGuard guard, ExceptionWatch exceptions)
        {
            var emulation = EmulationManager.Instance.CurrentEmulation;
            time = emulation.MasterTimeSource;
            this.line = line;
            this.guard = guard;
            this.exceptions = exceptions;
            this.machine = machine;
            machine.MachineReset += CountReset;
            time.SinksReportedHook += Hold;
            emulation.StartAll();
        }

        // Lets the emulation run until `microseconds` of virtual time have passed since its start, until the firmware has
        // sent something or until the core was stopped; or less far, where that much time brings more exceptions or resets,
        // or takes longer, than whoever asked wants to wait for before looking at them.
        public void RunUntil(ulong microseconds)
        {
            var wanted = TimeInterval.FromMicroseconds(microseconds);
            if(wanted == target && !held.WaitOne(0))
            {
                return;  // it is under way
            }
            target = wanted;
            mostExceptions = exceptions.Count + ExceptionsAStep;
            mostResets = Resets + ResetsAStep;
            working.Restart();
            if(IsDue)
            {
                held.Set();
                return;
            }
            held.Reset();
            go.Set();
        }

        // Whether the emulation is held again, after `patience` milliseconds of ours at most.
        public bool Wait(int patience)
        {
            return held.WaitOne(patience);
        }

        public int Resets { get; private set; }

        public double Microseconds => time.ElapsedVirtualTime.TotalMicroseconds;

        // Never holds again, so that the emulation can be paused, saved or cleared.
        public void Release()
        {
            isReleased = true;
            time.SinksReportedHook -= Hold;
            machine.MachineReset -= CountReset;
            go.Set();
        }

        // On the time source's thread, after each quantum: the core waits.
        private void Hold()
        {
            if(!isReleased && IsDue)
            {
                held.Set();
                go.WaitOne();
            }
        }

        private void CountReset(IMachine _)
        {
            Resets++;
        }

        private bool IsDue => time.ElapsedVirtualTime >= target || line.Waiting > 0 || guard.IsOver
            || exceptions.Count >= mostExceptions || Resets >= mostResets || working.ElapsedMilliseconds >= MostMilliseconds;

        private TimeInterval target = TimeInterval.Empty;
        private volatile bool isReleased;
        private readonly IMachine machine;
        private readonly MasterTimeSource time;
        private readonly HostLine line;
        private readonly AccessGuard guard;
        private readonly ExceptionWatch exceptions;
        private readonly Stopwatch working = new Stopwatch();
        private ulong mostExceptions;
        private int mostResets;
        private readonly AutoResetEvent go = new AutoResetEvent(false);
        private readonly ManualResetEvent held = new ManualResetEvent(false);

        private const int ExceptionsAStep = 10000, ResetsAStep = 10, MostMilliseconds = 1000;
    }
}
