// Start-up of the self-test programs: vectors, memory, FPU, and a few drivers in their simplest form.
#include "chip.h"

extern uint32_t _stack_top, _data, _data_end, _data_load, _bss, _bss_end;

__attribute__((noreturn)) static void hang(void) {
    for (;;) {
    }
}

void reset_handler(void);

__attribute__((noreturn)) void reset_handler(void) {
    CPACR |= 0xFu << 20;
    BARRIER();
    uint32_t *from = &_data_load;
    for (uint32_t *to = &_data; to < &_data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &_bss; to < &_bss_end;) {
        *to++ = 0;
    }
    main_program();
    hang();
}

#define WEAK(name) \
    __attribute__((weak)) void name(void) { hang(); }
WEAK(nmi_handler)
WEAK(hard_fault_handler)
WEAK(mem_manage_handler)
WEAK(bus_fault_handler)
WEAK(usage_fault_handler)
WEAK(svc_handler)
WEAK(pend_sv_handler)
WEAK(sys_tick_handler)
WEAK(irq0_handler)
WEAK(irq1_handler)
WEAK(irq2_handler)
WEAK(dma1_stream5_handler)
WEAK(dma1_stream6_handler)
WEAK(usart2_handler)
__attribute__((weak)) void main_program(void) {}

__attribute__((section(".vectors"), used)) static const handler_t vectors[16 + 82] = {
    (handler_t)&_stack_top,
    reset_handler,
    nmi_handler,
    hard_fault_handler,
    mem_manage_handler,
    bus_fault_handler,
    usage_fault_handler,
    [11] = svc_handler,
    [14] = pend_sv_handler,
    [15] = sys_tick_handler,
    [16] = irq0_handler,
    [17] = irq1_handler,
    [18] = irq2_handler,
    [16 + 16] = dma1_stream5_handler,
    [16 + 17] = dma1_stream6_handler,
    [16 + 38] = usart2_handler,
};

void run_at_168_mhz(void) {
    FLASH_ACR = 0x705;  // five wait states, caches and prefetch on
    RCC_CR |= 1u << 16;
    while (!(RCC_CR & 1u << 17)) {
    }
    RCC_PLLCFGR = 8u | 336u << 6 | 0u << 16 | 1u << 22 | 7u << 24;
    RCC_CFGR = 5u << 10 | 4u << 13;  // APB1 a quarter, APB2 a half
    RCC_CR |= 1u << 24;
    while (!(RCC_CR & 1u << 25)) {
    }
    RCC_CFGR |= 2u;
    while ((RCC_CFGR >> 2 & 3u) != 2u) {
    }
}

void open_usart(void) {
    RCC_AHB1ENR |= 1u << 0 | 1u << 21;
    RCC_APB1ENR |= 1u << 17;
    USART2_BRR = 46;  // 42 MHz / 921600
    USART2_CR1 = 1u << 13 | 1u << 3 | 1u << 2;
}

void send(const void *data, uint32_t bytes) {
    const uint8_t *next = data;
    while (bytes--) {
        while (!(USART2_SR & 1u << 7)) {
        }
        USART2_DR = *next++;
    }
}
