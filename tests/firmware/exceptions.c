// Exceptions in all the ways that can go wrong. Each test calls one function and reads the log of what ran.
#include "chip.h"

volatile char events[64];  // a letter for each thing that happened, in order
volatile uint32_t events_length, faults_seen, ipsr_seen, exc_return_seen;
static volatile float carried;

static void note(char letter) { events[events_length++] = letter; }

static uint32_t ipsr(void) {
    uint32_t value;
    __asm volatile("mrs %0, ipsr" : "=r"(value));
    return value;
}

static void prepare(uint8_t priority0, uint8_t priority1, uint8_t priority2) {
    events_length = 0;
    NVIC_IPR8(0) = priority0;
    NVIC_IPR8(1) = priority1;
    NVIC_IPR8(2) = priority2;
    NVIC_ISER(0) = 7;
}

// irq0 sets the other two pending from within.
void irq0_handler(void) {
    note('a');
    NVIC_ISPR(0) = 1u << 1 | 1u << 2;
    BARRIER();
    note('A');
}
void irq1_handler(void) { note('b'); }
void irq2_handler(void) { note('c'); }
void svc_handler(void) {
    note('s');
    ipsr_seen = ipsr();
    __asm volatile("mov %0, lr" : "=r"(exc_return_seen));
    ICSR = 1u << 28;
    BARRIER();
    note('S');
}
void pend_sv_handler(void) { note('p'); }
void sys_tick_handler(void) { note('t'); }

uint32_t nest(uint32_t priority0, uint32_t priority1, uint32_t priority2, uint32_t group);
uint32_t nest(uint32_t priority0, uint32_t priority1, uint32_t priority2, uint32_t group) {
    AIRCR = 0x05FA0000u | group << 8;
    prepare((uint8_t)priority0, (uint8_t)priority1, (uint8_t)priority2);
    NVIC_ISPR(0) = 1;
    BARRIER();
    note('.');
    return events_length;
}

uint32_t call_supervisor(void);
uint32_t call_supervisor(void) {
    prepare(0, 0, 0);
    SHPR8(11) = 0x40;
    SHPR8(14) = 0xF0;
    __asm volatile("svc #0" ::: "memory");
    note('.');
    return ipsr_seen;
}

uint32_t mask_with_primask(void);
uint32_t mask_with_primask(void) {
    prepare(0, 0, 0);
    __asm volatile("cpsid i");
    NVIC_ISPR(0) = 1u << 1;
    BARRIER();
    note('.');
    __asm volatile("cpsie i\n isb");
    note('!');
    return events_length;
}

uint32_t mask_with_basepri(uint32_t level);
uint32_t mask_with_basepri(uint32_t level) {
    prepare(0, 0x40, 0x80);
    __asm volatile("msr basepri, %0" ::"r"(level));
    NVIC_ISPR(0) = 1u << 1 | 1u << 2;
    BARRIER();
    note('.');
    __asm volatile("msr basepri, %0\n isb" ::"r"(0));
    note('!');
    return events_length;
}

// An interrupt that computes with floats must leave the floats it interrupts alone.
void dma1_stream5_handler(void) {
    carried = carried * 3.0f + 1.0f;
    __asm volatile("vmov.f32 s0, #7.0\n vmov.f32 s15, #7.0\n vmov.f32 s16, s16\n vcmp.f32 s0, #0.0" ::: "s0", "s15");
    note('f');
}

uint32_t keep_floats(void);
uint32_t keep_floats(void) {
    prepare(0, 0, 0);
    NVIC_ISER(0) = 1u << 16;
    uint32_t sum, status;
    __asm volatile(
        "vmov.f32 s0, #2.0\n vmov.f32 s15, #5.0\n vmov.f32 s31, #9.0\n vcmp.f32 s15, s0\n"
        "ldr r0, =0xE000E200\n mov r1, #0x10000\n str r1, [r0]\n dsb\n isb\n"
        "vadd.f32 s0, s0, s15\n vadd.f32 s0, s0, s31\n vcvt.s32.f32 s0, s0\n vmov %0, s0\n vmrs %1, fpscr"
        : "=r"(sum), "=r"(status)::"r0", "r1", "s0", "s15", "s31", "memory");
    return sum | status >> 28 << 8;
}

uint32_t integer_frame(void);
uint32_t integer_frame(void) {  // CONTROL.FPCA cleared: the frame must be the short one
    prepare(0, 0, 0);
    __asm volatile("mov r0, #0\n msr control, r0\n isb" ::: "r0");
    __asm volatile("svc #0" ::: "memory");
    return exc_return_seen;
}

uint32_t on_process_stack(void);
__attribute__((naked)) uint32_t on_process_stack(void) {  // r0: where the process stack is to be
    __asm volatile(
        "push {r4, lr}\n msr psp, r0\n mov r4, r0\n mov r0, #2\n msr control, r0\n isb\n"
        "svc #0\n"
        "mrs r0, psp\n subs r0, r4, r0\n mrs r1, control\n orr r0, r0, r1, lsl #8\n"  // PSP must be where it was
        "mov r1, #0\n msr control, r1\n isb\n pop {r4, pc}");
}

uint32_t tick(uint32_t reload, uint32_t times);
uint32_t tick(uint32_t reload, uint32_t times) {
    prepare(0, 0, 0);
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1u;
    SYST_RVR = reload;
    SYST_CVR = 0;
    SYST_CSR = 7;
    uint32_t start = DWT_CYCCNT;
    while (events_length < times) {
        __asm volatile("wfi");
    }
    uint32_t cycles = DWT_CYCCNT - start;
    SYST_CSR = 0;
    return cycles;
}

uint32_t sleep_with_interrupts_masked(void);
uint32_t sleep_with_interrupts_masked(void) {
    prepare(0, 0, 0);
    __asm volatile("cpsid i");
    SYST_RVR = 1000;
    SYST_CVR = 0;
    SYST_CSR = 7;
    __asm volatile("wfi");
    SYST_CSR = 0;
    note('.');
    __asm volatile("cpsie i\n isb");
    return events_length;
}

uint32_t wait_for_events(void);
uint32_t wait_for_events(void) {  // the exception leaves an event behind, YIELD takes none
    prepare(0, 0, 0);
    ICSR = 1u << 28;
    BARRIER();
    SYST_RVR = 5000;
    SYST_CVR = 0;
    SYST_CSR = 7;
    __asm volatile("yield\n wfe");
    note('1');
    __asm volatile("sev\n wfe");
    note('2');
    __asm volatile("wfe");
    SYST_CSR = 0;
    note('3');
    return events_length;
}

uint32_t sys_tick_flag(void);
uint32_t sys_tick_flag(void) {  // COUNTFLAG: set once by a wrap, cleared by reading
    SYST_RVR = 100;
    SYST_CVR = 0;
    SYST_CSR = 5;
    while (!(SYST_CSR & 1u << 16)) {
    }
    uint32_t again = SYST_CSR >> 16 & 1u;
    SYST_CSR = 0;
    return again;
}

// A vector table and a handler in RAM.
static handler_t ram_vectors[16 + 82] __attribute__((aligned(512)));
static uint32_t ram_code[] = {0x49012042u, 0x47706008u, 0};  // movs r0, #0x42; ldr r1, [pc, #4]; str r0, [r1]; bx lr
volatile uint32_t from_ram;

uint32_t vectors_in_ram(void);
uint32_t vectors_in_ram(void) {
    for (uint32_t n = 0; n < 16 + 82; n++) {
        ram_vectors[n] = ((handler_t *)0x08000000)[n];
    }
    ram_code[2] = (uint32_t)&from_ram;
    ram_vectors[14] = (handler_t)((uint32_t)ram_code | 1u);
    VTOR = (uint32_t)ram_vectors;
    ICSR = 1u << 28;
    BARRIER();
    VTOR = 0x08000000u;
    return from_ram;
}

// A fault that the firmware mends: the handler steps over the instruction.
__attribute__((used)) void step_over(uint32_t *frame) {
    faults_seen = CFSR;
    CFSR = faults_seen;
    ipsr_seen = ipsr();
    frame[6] += *(uint16_t *)frame[6] >> 11 >= 0x1Du ? 4 : 2;
}
__attribute__((naked)) void usage_fault_handler(void) {
    __asm volatile("mrs r0, msp\n b step_over");
}
__attribute__((naked)) void hard_fault_handler(void) {
    __asm volatile("mrs r0, msp\n b step_over");
}

uint32_t mend(uint32_t enabled);
uint32_t mend(uint32_t enabled) {
    SHCSR = enabled ? 1u << 18 : 0;
    CCR |= 1u << 4;
    uint32_t one = 1, zero = 0;
    __asm volatile("udiv %0, %0, %1\n add %0, %0, #10" : "+r"(one) : "r"(zero));
    return one | ipsr_seen << 8;
}

uint32_t late_divisor(uint32_t n);
uint32_t late_divisor(uint32_t n) {  // the divisor is computed in the same block as the division
    SHCSR = 1u << 18;
    CCR |= 1u << 4;
    faults_seen = 0;
    uint32_t result = 7;
    __asm volatile("eor r1, %1, #5\n udiv %0, %0, r1" : "+r"(result) : "r"(n) : "r1");
    return faults_seen ? 0xFFFFFFFFu : result;
}
