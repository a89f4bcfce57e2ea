// Crashes on purpose: the byte received says how. Without a fault handler of its own unless built with HANDLER.
#include "chip.h"

volatile uint32_t sink = 1, zero;

__attribute__((noinline)) uint32_t crash_by_recursion(uint32_t depth) {
    volatile uint32_t room[8];
    room[0] = depth;
    uint32_t below = sink ? crash_by_recursion(depth + room[0]) : 0;
    return below + room[0];
}

__attribute__((noinline)) void crash_by_null_call(void) {
    handler_t nothing = (handler_t)zero;
    nothing();
    sink++;
}

__attribute__((noinline)) void crash_by_far_call(void) {
    handler_t nothing = (handler_t)(0x60000001u + zero);
    nothing();
    sink++;
}

__attribute__((noinline)) void crash_by_unaligned_ldrd(void) {
    uint32_t low, high, address = (uint32_t)&sink + 1u;
    __asm volatile("ldrd %0, %1, [%2]" : "=r"(low), "=r"(high) : "r"(address) : "memory");
    sink = low + high;
}

__attribute__((noinline)) void crash_by_unaligned_ldm(void) {
    __asm volatile("ldr r3, =sink\n add r3, r3, #2\n ldmia r3, {r0, r1}" ::: "r0", "r1", "r3", "memory");
}

__attribute__((noinline)) void crash_by_unaligned_vldr(void) {
    uint32_t address = (uint32_t)&sink + 3u;
    __asm volatile("vldr s0, [%0]" : : "r"(address) : "s0", "memory");
}

__attribute__((noinline)) void crash_by_conditional_ldrd(void) {
    uint32_t address = (uint32_t)&sink + 1u;
    __asm volatile("cmp %0, #0\n it ne\n ldrdne r0, r1, [%0]" : : "r"(address) : "r0", "r1", "memory", "cc");
}

__attribute__((noinline)) void crash_by_division(void) {
    CCR |= 1u << 4;
    sink = 100u / zero;
}

__attribute__((noinline)) void crash_by_flash_write(void) { *(volatile uint32_t *)0x08010000u = sink; }

__attribute__((noinline)) void crash_by_wild_read(void) { sink = *(volatile uint32_t *)(0x30000000u + zero); }

__attribute__((noinline)) void crash_past_sram(void) { sink = *(volatile uint32_t *)(0x20020000u + zero); }

__attribute__((noinline)) void crash_by_undefined(void) { __asm volatile("udf #7"); }

__attribute__((noinline)) void crash_without_fpu(void) {
    CPACR = 0;
    BARRIER();
    __asm volatile("nop\n vadd.f32 s0, s0, s0" ::: "s0");
}

__attribute__((noinline)) void crash_by_even_call(void) {
    handler_t even = (handler_t)((uint32_t)crash_by_undefined & ~1u);
    even();
    sink++;
}

__attribute__((noinline)) void crash_in_ccm(void) {
    handler_t code = (handler_t)(0x10000001u + zero);
    code();
    sink++;
}

__attribute__((noinline)) void crash_by_peripheral_call(void) {
    handler_t code = (handler_t)(0x40000001u + zero);
    code();
    sink++;
}

__attribute__((noinline)) void crash_by_breakpoint(void) { __asm volatile("bkpt #1"); }

__attribute__((noinline)) void crash_by_loop(void) {
    while (zero == 0) {
        sink++;
    }
}

__attribute__((noinline)) void crash_by_branch_to_self(void) {
    __asm volatile("cpsid i\n b .");
}

__attribute__((noinline)) void crash_by_bad_return(void) {
    ICSR = 1u << 28;
    BARRIER();
}

void pend_sv_handler(void) { __asm volatile("ldr r0, =0xFFFFFFF5\n bx r0"); }

__attribute__((noinline)) void crash_in_unknown_peripheral(void) { sink = REGISTER(0x40000000u); }

static void (*const crashes[])(void) = {
    0, crash_by_null_call, crash_by_far_call, crash_by_unaligned_ldrd, crash_by_unaligned_ldm, crash_by_unaligned_vldr,
    crash_by_conditional_ldrd, crash_by_division, crash_by_flash_write, crash_by_wild_read, crash_past_sram,
    crash_by_undefined, crash_without_fpu, crash_by_even_call, crash_in_ccm, crash_by_peripheral_call,
    crash_by_breakpoint, crash_by_loop, crash_by_branch_to_self, crash_by_bad_return, crash_in_unknown_peripheral,
};

#ifdef HANDLER
// Says what it sees and resets, as a good handler does; on a stack of its own, for the old one may be gone.
struct report { uint32_t magic, cfsr, hfsr, bfar, pc; };

__attribute__((used)) void report_fault(const uint32_t *frame) {
    struct report report = {0xFA017000u, CFSR, HFSR, BFAR, frame ? frame[6] : 0};
    send(&report, sizeof report);
    while (!(USART2_SR & 1u << 6)) {
    }
    AIRCR = 0x05FA0004u;
    for (;;) {
    }
}

__attribute__((naked)) void hard_fault_handler(void) {
    __asm volatile(
        "mrs r0, msp\n"
        "ldr r1, =_stack_limit\n"
        "cmp r0, r1\n"
        "it lo\n"
        "movlo r0, #0\n"
        "ldr r1, =_stack_top\n"
        "msr msp, r1\n"
        "b report_fault");
}
#endif
#ifdef FAULTING_HANDLER
void hard_fault_handler(void) { crash_by_wild_read(); }
#endif

#ifdef SLOW_HANDLER
void hard_fault_handler(void) {
    for (;;) {
        __asm volatile("wfi");
    }
}
#endif

void main_program(void) {
    run_at_168_mhz();
    open_usart();
    uint32_t hello = 0x0B007000u | (RCC_CSR >> 28 & 1u);  // whether software reset the chip
    send(&hello, 4);
    while (!(USART2_SR & 1u << 5)) {
    }
    uint32_t which = USART2_DR;
    if (which == 0) {
        sink = crash_by_recursion(1);
    } else {
        crashes[which]();
    }
    send("done", 4);
    for (;;) {
        __asm volatile("wfi");
    }
}
