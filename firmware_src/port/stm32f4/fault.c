// The last words of a board that has gone wrong: what, where, over the link and kept over the reset.
#include <string.h>

#include "frame.h"
#include "internal.h"
#include "port.h"
#include "stm32f4.h"

#define IS_KEPT 0x6661756cu  // "faul"

// Not zeroed at start-up (memory.ld, .noinit): survives the reset, and holds anything at all after power-on.
__attribute__((section(".noinit"))) static struct {
    uint32_t mark;
    link_fault_t fault;
    uint32_t crc;
    uint16_t boots;
} kept;

static uint8_t reset_cause;

static bool is_kept(void)
{
    return kept.mark == IS_KEPT && kept.crc == crc32_update(0, &kept.fault, sizeof kept.fault);
}

// The exception frame of a stack overflow never reached memory. What did are return addresses further up: the newest
// names the function that dug too deep, or its caller.
static uint32_t newest_return_address(void)
{
    for (const uint32_t *word = _stack_limit; word < _stack_top; word++)
        if ((*word & 1) && *word > (uint32_t)_text_start && *word < (uint32_t)_text_end)
            return *word;
    return 0;
}

static bool is_on_stack(const exception_frame_t *frame)
{
    return (uint32_t)frame >= (uint32_t)_stack_limit && (uint32_t)(frame + 1) <= (uint32_t)_stack_top;
}

// Where sp was before the exception: above the frame, the FPU's part of it, and the word that aligned it.
static uint32_t sp_before(const exception_frame_t *frame, uint32_t exc_return, bool has_frame)
{
    uint32_t sp = (uint32_t)frame + ((exc_return & BIT(4)) ? 32 : 104);
    return has_frame && (frame->psr & BIT(9)) ? sp + 4 : sp;
}

static void keep(const link_fault_t *fault)
{
    kept.fault = *fault;
    kept.crc = crc32_update(0, fault, sizeof *fault);
    kept.mark = IS_KEPT;
}

_Noreturn void fault_report(const exception_frame_t *frame, uint32_t exc_return, uint32_t kind)
{
    static uint8_t wire[sizeof(link_fault_t) + 16];
    bool has_frame = is_on_stack(frame) && !(SCB->CFSR & SCB_CFSR_STACKING);
    uint32_t guess = has_frame ? 0 : newest_return_address();
    link_fault_t fault = {
        .kind = has_frame ? kind : LINK_FAULT_STACK_OVERFLOW,
        .exception = SCB->ICSR & 0x1ff,
        .pc = has_frame ? frame->pc : guess,
        .lr = has_frame ? frame->lr : guess,
        .sp = sp_before(frame, exc_return, has_frame),
        .psr = has_frame ? frame->psr : 0,
        .cfsr = SCB->CFSR,
        .hfsr = SCB->HFSR,
        .mmfar = SCB->MMFAR,
        .bfar = SCB->BFAR,
    };
    keep(&fault);
    frame_span_t head = {&fault, sizeof fault};
    uart_send_polled(wire, frame_encode(wire, LINK_FAULT, 0, head, (frame_span_t){0}));
    port_reset();
}

__attribute__((used, noreturn)) static void report_exception(const exception_frame_t *frame, uint32_t exc_return)
{
    fault_report(frame, exc_return, LINK_FAULT_EXCEPTION);
}

// Naked: the compiler must push nothing before it is known that there is room. After an overflow (or with sp anywhere)
// the stack's top serves once more; nobody comes back to what lies there.
__attribute__((naked)) void fault_handler(void)
{
    __asm volatile(
        "cpsid i\n"
        "mov r0, sp\n"
        "mov r1, lr\n"
        "ldr r2, =_stack_limit + 512\n"
        "ldr r3, =_stack_top\n"
        "cmp r0, r2\n"
        "it lo\n"
        "movlo sp, r3\n"
        "cmp r0, r3\n"
        "it hi\n"
        "movhi sp, r3\n"
        "b report_exception\n"
        ".ltorg");
}

bool port_kept_fault(link_fault_t *fault)
{
    if (!is_kept())
        return false;
    *fault = kept.fault;
    return true;
}

void port_forget_fault(void)
{
    kept.mark = 0;
}

void reset_cause_read(void)
{
    uint32_t cause = RCC->CSR;
    reset_cause = (uint8_t)(cause >> 24) & 0xfe;
    if (cause & RCC_CSR_POWER)
        memset(&kept, 0, sizeof kept);
    RCC->CSR |= RCC_CSR_RMVF;
    kept.boots++;
}

uint8_t port_reset_cause(void)
{
    return reset_cause;
}

uint16_t port_boots(void)
{
    return kept.boots;
}

_Noreturn void port_reset(void)
{
    __asm volatile("dsb");
    SCB->AIRCR = SCB_AIRCR_RESET;
    for (;;)
        __asm volatile("dsb");
}
