// Between the files of this port.
#ifndef INTERNAL_H
#define INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "messages.h"

// memory.ld's marks
extern uint32_t _stack_limit[], _stack_top[], _text_start[], _text_end[];

#define STACK_PAINT 0xc5c5c5c5u  // what start-up fills the stack with: the lowest word that differs is the mark

void clock_start(void);
void tick_rarely(bool is_rare);
void tick_for(bool is_line_busy);
void uart_quiet(bool is_quiet);
void sdram_start(void);
void reset_cause_read(void);
void interrupt_enable(uint32_t irq, bool on);
// For the last words: no interrupts, no DMA, returns when the last bit is out.
void uart_send_polled(const uint8_t *bytes, uint32_t count);

// What an exception pushes (ARMv7-M B1.5.6).
typedef struct {
    uint32_t r0, r1, r2, r3, r12, lr, pc, psr;
} exception_frame_t;

// Reports over the link, keeps the report over the reset, and resets. Runs on a stack of its own.
_Noreturn void fault_report(const exception_frame_t *frame, uint32_t exc_return, uint32_t kind);

void reset_handler(void);
void fault_handler(void);
void systick_handler(void);
void uart_handler(void);
void send_dma_handler(void);

int main(void);

#endif
