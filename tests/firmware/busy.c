// Programs that use registers very often and neither sleep nor speak meanwhile, and yet come to an end.
// The byte received says which.
#include "chip.h"

#define GPIOD_BSRR REGISTER(0x40020C18u)
#define GPIOD_ODR REGISTER(0x40020C14u)
#define IWDG_KR REGISTER(0x40003000u)
enum { DATA_PIN = 1, CLOCK_PIN = 2, PIXELS = 2000, TICKS = 20 };

static volatile uint32_t ticks;

void sys_tick_handler(void) { ticks++; }

// A display's interface, bit by bit.
static void draw_pin_by_pin(void) {
    for (uint32_t pixel = 0; pixel < PIXELS; pixel++) {
        for (uint32_t bit = 0; bit < 16; bit++) {
            GPIOD_BSRR = pixel >> bit & 1u ? DATA_PIN : DATA_PIN << 16;
            GPIOD_BSRR = CLOCK_PIN;
            GPIOD_BSRR = CLOCK_PIN << 16;
        }
    }
}

static void blink_until_a_timer_has_ticked(void) {
    SYST_RVR = 20000u;
    SYST_CVR = 0;
    SYST_CSR = 7u;
    while (ticks < TICKS) {
        GPIOD_ODR ^= DATA_PIN;
    }
    SYST_CSR = 0;
}

static void feed_the_watchdog_until_the_host_speaks(void) {
    while (!(USART2_SR & 1u << 5)) {
        IWDG_KR = 0xAAAAu;
    }
    (void)USART2_DR;
}

static void count_beside_slow_registers(void) {
    for (;;) {
        ticks += RCC_CR & RCC_CSR;
        ticks++;
    }
}

static void (*const programs[])(void) = {
    draw_pin_by_pin, blink_until_a_timer_has_ticked, feed_the_watchdog_until_the_host_speaks,
    count_beside_slow_registers,
};

void main_program(void) {
    run_at_168_mhz();
    RCC_AHB1ENR |= 1u << 3;
    open_usart();
    for (;;) {
        while (!(USART2_SR & 1u << 5)) {
        }
        programs[USART2_DR]();
        send("done", 4);
    }
}
