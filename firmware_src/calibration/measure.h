// One measurement: a sequence of instructions, repeated between two reads of the cycle counter.
//
// The sequence may use r0, r1, r3, r8, r9 and s0 to s15. It finds r2 = 0, r4 = words in SRAM, r5 = words in CCM,
// r6 and r7 = what the table gives, r12 = the counter's address. Registers s0 to s15 hold 1.0.
#ifndef MEASURE_H
#define MEASURE_H

#include <stdint.h>

typedef uint32_t measure_t(void *sram, void *ccm, uint32_t r6, uint32_t r7);

#define MEASURE_SETUP                                                                                              \
    "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                                                                 \
    "mov r4, r0\n mov r5, r1\n mov r6, r2\n mov r7, r3\n"                                                           \
    "ldr r12, =0xE0001004\n mov r2, #0\n mov r8, r4\n"                                                              \
    "vmov.f32 s0, #1.0\n vmov.f32 s1, #1.0\n vmov.f32 s2, #1.0\n vmov.f32 s3, #1.0\n"                               \
    "vmov.f32 s4, #1.0\n vmov.f32 s5, #1.0\n"                                                                       \
    "isb\n .balign 16\n"

// Aligned and with eight NOPs first, so that the fetch queue is full and the first word starts a flash line.
#define MEASURE(name, count, setup, body)                                                                          \
    __attribute__((naked, noinline, aligned(16))) static uint32_t name(                                             \
        __attribute__((unused)) void *sram, __attribute__((unused)) void *ccm, __attribute__((unused)) uint32_t r6, \
        __attribute__((unused)) uint32_t r7)                                                                        \
    {                                                                                                               \
        __asm volatile(MEASURE_SETUP setup "\n .balign 16\n .rept 6\n nop\n .endr\n"                                 \
                                           "ldr.w r10, [r12]\n"                                                     \
                                           ".rept " #count "\n" body "\n .endr\n"                                   \
                                           "ldr.w r11, [r12]\n 3: sub r0, r11, r10\n"                                \
                                           "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n"                           \
                                           "2: bx lr\n .ltorg");                                                    \
    }

#endif
