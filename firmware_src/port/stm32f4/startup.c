// From reset to main: the vector table, memory as C expects it, a painted stack.
#include "board.h"
#include "internal.h"
#include "port.h"
#include "stm32f4.h"

extern uint32_t _data_load[], _sdata[], _edata[], _sbss[], _ebss[];
extern uint32_t _ccm_data_load[], _ccm_data_start[], _ccm_data_end[], _ccm_start[], _ccm_end[];

// In a loop, keeps the compiler from making it a call of memcpy or memset, which would use what is about to be set up.
#define PLAIN_LOOP() __asm volatile("" ::: "memory")

static void copy(uint32_t *to, const uint32_t *end, const uint32_t *from)
{
    while (to < end) {
        *to++ = *from++;
        PLAIN_LOOP();
    }
}

static void fill(uint32_t *to, const uint32_t *end, uint32_t value)
{
    while (to < end) {
        *to++ = value;
        PLAIN_LOOP();
    }
}

void reset_handler(void)
{
    SCB_CPACR |= SCB_CPACR_FPU;
    __asm volatile("dsb\n isb");
    const uint32_t *used = (const uint32_t *)__builtin_frame_address(0) - 16;
    fill(_stack_limit, used, STACK_PAINT);
    copy(_sdata, _edata, _data_load);
    copy(_ccm_data_start, _ccm_data_end, _ccm_data_load);
    fill(_sbss, _ebss, 0);
    fill(_ccm_start, _ccm_end, 0);
    SCB->CCR |= SCB_CCR_DIV_0_TRP;
    SCB->SHCSR |= SCB_SHCSR_FAULTS;
    reset_cause_read();
    clock_start();
    sdram_start();
    main();
}

typedef void (*vector_t)(void);

#define FIRST_IRQ 16

// RM0090, 12.2. An interrupt that nobody asked for is a fault, with a report; ours then take their places.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
__attribute__((section(".vectors"), used)) static const vector_t vectors[FIRST_IRQ + BOARD_INTERRUPTS] = {
    (vector_t)_stack_top,
    reset_handler,
    [2 ... FIRST_IRQ + BOARD_INTERRUPTS - 1] = fault_handler,
    [15] = systick_handler,
    [FIRST_IRQ + BOARD_UART_IRQ] = uart_handler,
#ifdef BOARD_DMA
    [FIRST_IRQ + BOARD_TX_DMA_IRQ] = send_dma_handler,
#endif
};
#pragma GCC diagnostic pop
