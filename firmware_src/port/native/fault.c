// A signal's last words: the same frame that the board sends for a fault, then the process ends.
// Linked without PIE, so that addresses are the ELF file's.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "frame.h"
#include "port.h"

#define WATCHDOG_TICK_MS 250
#define OVERFLOW_REACH 65536  // a fault this near to sp is the stack's

extern const char __executable_start[], etext[];  // the linker's

static volatile sig_atomic_t silent_ms;

void port_alive(void)
{
    silent_ms = 0;
}

static uintptr_t program_counter(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return context->uc_mcontext.pc;
#else
    return 0;
#endif
}

static uintptr_t stack_pointer(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return context->uc_mcontext.sp;
#else
    return 0;
#endif
}

// Where a call that went astray came from.
static uintptr_t return_address(const ucontext_t *context)
{
#if defined(__x86_64__)
    uintptr_t pc = program_counter(context);
    if (pc < (uintptr_t)__executable_start || pc >= (uintptr_t)etext)
        return *(const uintptr_t *)stack_pointer(context);
#elif defined(__aarch64__)
    return context->uc_mcontext.regs[30];
#endif
    return 0;
}

static uint32_t kind_of(int number, const siginfo_t *info, const ucontext_t *context)
{
    if (number == SIGVTALRM)
        return LINK_FAULT_WATCHDOG;
    uintptr_t distance = (uintptr_t)info->si_addr - stack_pointer(context) + OVERFLOW_REACH;
    return number == SIGSEGV && distance < 2 * OVERFLOW_REACH ? LINK_FAULT_STACK_OVERFLOW : LINK_FAULT_SIGNAL;
}

static void report(int number, siginfo_t *info, void *raw)
{
    const ucontext_t *context = raw;
    static uint8_t wire[sizeof(link_fault_t) + 16];
    link_fault_t fault = {
        .kind = kind_of(number, info, context),
        .exception = (uint32_t)number,
        .pc = (uint32_t)program_counter(context),
        .lr = (uint32_t)return_address(context),
        .sp = (uint32_t)stack_pointer(context),
        .bfar = number == SIGVTALRM ? 0 : (uint32_t)(uintptr_t)info->si_addr,
    };
    frame_span_t head = {&fault, sizeof fault};
    port_send(wire, frame_encode(wire, LINK_FAULT, 0, head, (frame_span_t){0}));
    _exit(128 + number);
}

static void tick(int number, siginfo_t *info, void *raw)
{
    silent_ms = silent_ms + WATCHDOG_TICK_MS;
    if (silent_ms > PORT_WATCHDOG_MS)
        report(number, info, raw);
}

// Has signals reported over the link as the board reports faults; the pipes are there already.
void port_start(void)
{
    static uint8_t reserve[65536];  // signals are handled here: after an overflow the stack has no room
    sigaltstack(&(stack_t){.ss_sp = reserve, .ss_size = sizeof reserve}, NULL);
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    struct sigaction action = {.sa_sigaction = report, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
    action.sa_sigaction = tick;
    action.sa_flags |= SA_RESTART;
    sigaction(SIGVTALRM, &action, NULL);
    // CPU time of this process alone: waiting for the host is no endless loop.
    struct itimerval period = {{0, WATCHDOG_TICK_MS * 1000}, {0, WATCHDOG_TICK_MS * 1000}};
    setitimer(ITIMER_VIRTUAL, &period, NULL);
}
