// Computes without interrupts, sends one byte and sleeps: two simulators must count the same instructions.
#include "chip.h"

#define ROUNDS 100000u

static uint32_t table[64];
volatile uint32_t result;

static uint32_t mix(uint32_t value) {
    for (uint32_t i = 0; i < 64; i++) {
        value = value * 1664525u + 1013904223u;
        table[i] += value >> (i & 7u);
        if (value & 1u) {
            value ^= table[value >> 26];
        }
    }
    return value;
}

static float smooth(float state, uint32_t value) {
    return 0.75f * state + 0.25f * (float)(value & 0xFFFFu);
}

void main_program(void) {
    run_at_168_mhz();
    open_usart();
    uint32_t value = 1;
    float state = 0;
    for (uint32_t i = 0; i < ROUNDS / 64; i++) {
        value = mix(value);
        state = smooth(state, value);
    }
    result = value ^ (uint32_t)state;
    send("!", 1);
    for (;;) {
        __asm volatile("wfi");
    }
}
