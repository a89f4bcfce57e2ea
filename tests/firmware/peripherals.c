// Functions that use the chip's registers in ways the tests can check.
#include "chip.h"

#define SRAM_BIT(address, bit) REGISTER(0x22000000u + ((address) - 0x20000000u) * 32u + (bit) * 4u)
#define PERIPHERAL_BIT(address, bit) REGISTER(0x42000000u + ((address) - 0x40000000u) * 32u + (bit) * 4u)

static uint32_t word;

uint32_t set_bit(uint32_t start, uint32_t bit, uint32_t value);
uint32_t set_bit(uint32_t start, uint32_t bit, uint32_t value) {
    volatile uint32_t *cell = &word;
    *cell = start;
    SRAM_BIT((uint32_t)cell, bit) = value;
    return *cell;
}

uint32_t get_bit(uint32_t start, uint32_t bit);
uint32_t get_bit(uint32_t start, uint32_t bit) {
    volatile uint32_t *cell = &word;
    *cell = start;
    return SRAM_BIT((uint32_t)cell, bit);
}

uint32_t switch_gpio_on_by_bit(void);
uint32_t switch_gpio_on_by_bit(void) {
    PERIPHERAL_BIT(0x40023830u, 3) = 1;  // RCC_AHB1ENR.GPIODEN
    REGISTER(0x40020C00u) = 0x55000000u;  // GPIOD_MODER: the four LEDs are outputs
    REGISTER(0x40020C18u) = 0x5000u;      // set two
    REGISTER(0x40020C18u) = 0x10002000u;  // clear one of them, set another
    return REGISTER(0x40020C10u);
}

uint32_t write_without_clock(void);
uint32_t write_without_clock(void) {
    REGISTER(0x40020C14u) = 0xFFFFu;
    return REGISTER(0x40020C14u);
}

uint32_t read_word(uint32_t address);
uint32_t read_word(uint32_t address) { return REGISTER(address); }
uint32_t read_byte(uint32_t address);
uint32_t read_byte(uint32_t address) { return *(volatile uint8_t *)address; }
void write_word(uint32_t address, uint32_t value);
void write_word(uint32_t address, uint32_t value) { REGISTER(address) = value; }
void write_byte(uint32_t address, uint32_t value);
void write_byte(uint32_t address, uint32_t value) { *(volatile uint8_t *)address = (uint8_t)value; }

uint32_t start_clock(void);
uint32_t start_clock(void) {
    run_at_168_mhz();
    return RCC_CFGR;
}

uint32_t start_clock_without_wait_states(void);
uint32_t start_clock_without_wait_states(void) {
    RCC_CR |= 1u << 16;
    RCC_PLLCFGR = 8u | 336u << 6 | 1u << 22;
    RCC_CR |= 1u << 24;
    RCC_CFGR = 2u;
    return RCC_CFGR;
}

uint32_t start_pll_without_crystal(void);
uint32_t start_pll_without_crystal(void) {
    FLASH_ACR = 5;
    RCC_PLLCFGR = 8u | 336u << 6 | 1u << 22;
    RCC_CR |= 1u << 24;
    RCC_CFGR = 2u;
    return (RCC_CR >> 25 & 1u) << 4 | RCC_CFGR;
}

// The cycle counter read in the middle of straight-line code: the time between the two loads.
#define STRAIGHT(name, code)                                                                   \
    __attribute__((naked, used)) void straight_##name(void) {                                  \
        __asm volatile("push {r4, r5, r6, lr}\n ldr r0, =0xE0001004\n ldr r1, [r0]\n" code     \
                       "\n ldr r2, [r0]\n subs r0, r2, r1\n pop {r4, r5, r6, pc}\n .ltorg");   \
    }
STRAIGHT(nothing, "")
STRAIGHT(five_nops, "nop\n nop\n nop\n nop\n nop")
STRAIGHT(loads, "ldr r3, [sp]\n ldr r4, [sp, #4]")
STRAIGHT(multiple, "push {r3, r4, r5}\n pop {r3, r4, r5}")
STRAIGHT(divide, "mov r3, #7\n udiv r3, r3, r3")
STRAIGHT(float_work, "vmov.f32 s0, #1.0\n vadd.f32 s0, s0, s0\n vdiv.f32 s1, s0, s0\n vmla.f32 s0, s0, s1")
STRAIGHT(loop, "mov r3, #10\n 1: subs r3, r3, #1\n bne 1b")
STRAIGHT(skipped_branch, "cmp r0, r0\n bne 1f\n nop\n 1: nop")
STRAIGHT(under_it, "cmp r0, r0\n it eq\n ldreq r3, [sp]\n nop")

STRAIGHT(read_under_it, "cmp r0, r0\n it eq\n ldreq r2, [r0]\n subs r0, r2, r1\n pop {r4, r5, r6, pc}")

void start_counter(void);
void start_counter(void) {
    DEMCR |= 1u << 24;
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1u;
}

uint32_t stop_counter(void);
uint32_t stop_counter(void) {
    DWT_CTRL &= ~1u;
    uint32_t stopped = DWT_CYCCNT;
    for (volatile uint32_t n = 0; n < 100; n++) {
    }
    return DWT_CYCCNT - stopped;
}

uint32_t count_from(uint32_t start);
uint32_t count_from(uint32_t start) {
    DWT_CYCCNT = start;
    return DWT_CYCCNT - start;
}

__attribute__((section(".ccm"))) static volatile uint8_t out_of_reach[64];
static volatile uint8_t within_reach[64];

uint32_t receive_into(uint32_t ccm);
uint32_t receive_into(uint32_t ccm) {  // DMA1_HISR of stream 5 once it has stopped or has taken eight bytes
    run_at_168_mhz();
    open_usart();
    USART2_CR3 = 1u << 6;
    DMA1_S5PAR = 0x40004404u;
    DMA1_S5M0AR = ccm ? (uint32_t)out_of_reach : (uint32_t)within_reach;
    DMA1_S5NDTR = 8;
    DMA1_S5CR = 4u << 25 | 1u << 10 | 1u;
    while (DMA1_S5CR & 1u) {
    }
    return DMA1_HISR >> 6 & 0x3Du;
}

__attribute__((naked, used)) void descend(void) {  // r0 more calls, 16 bytes of stack each, of which 8 are written
    __asm volatile(
        "push {r4, lr}\n sub sp, sp, #8\n cbz r0, 1f\n sub r0, r0, #1\n bl descend\n"
        "1: add sp, sp, #8\n pop {r4, pc}");
}
