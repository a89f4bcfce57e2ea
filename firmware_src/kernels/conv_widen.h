// Pixels and weights of dense convolutions widened to 16 bits, as the loops with dual multiplies read them.
#ifndef CONV_WIDEN_H
#define CONV_WIDEN_H

#include "conv_layer.h"

#if HIL_DSP
// Sixteen bytes at a time to halfwords, in the order 0 2 1 3 of each four; count is a multiple of 16 and not 0.
ALWAYS_INLINE void conv_widen_sixteens(const uint8_t *from, uint32_t count, type_t type, int16_t *to)
{
    register const uint8_t *end __asm__("r10") = from + count;
    register const uint8_t *bytes __asm__("r0") = from;
    register int16_t *halves __asm__("r1") = to;
    __asm__ volatile(
        ".macro conv_extend even, odd\n\t"
        ".if %c[is_signed]\n\t"
        "sxtb16 \\odd, \\even, ror #8\n\t"
        "sxtb16 \\even, \\even\n\t"
        ".else\n\t"
        "uxtb16 \\odd, \\even, ror #8\n\t"
        "uxtb16 \\even, \\even\n\t"
        ".endif\n\t"
        ".endm\n\t"
        ".p2align 2\n\t"
        "1:\n\t"
        "ldmia r0!, {r2, r4, r6, r8}\n\t"
        "conv_extend r2, r3\n\t"
        "conv_extend r4, r5\n\t"
        "conv_extend r6, r7\n\t"
        "conv_extend r8, r9\n\t"
        "stmia r1!, {r2, r3, r4, r5, r6, r7, r8, r9}\n\t"
        "cmp r0, %[end]\n\t"
        "bne 1b\n\t"
        ".purgem conv_extend"
        : "+r"(bytes), "+r"(halves)
        : [end] "r"(end), [is_signed] "i"(type == TYPE_S8)
        : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "cc", "memory");
}

// Any multiple of four bytes, aligned or not.
ALWAYS_INLINE void conv_widen(const uint8_t *from, uint32_t count, type_t type, int16_t *to)
{
    const uint32_t sixteens = (uintptr_t)from % 4 == 0 ? count / 16 * 16 : 0;
    if (sixteens != 0) {
        conv_widen_sixteens(from, sixteens, type, to);
    }
#pragma GCC unroll 1
    for (uint32_t i = sixteens; i < count; i += 4) {
        const uint32_t bytes = load_word(from + i);
        int16x2_t *words = (int16x2_t *)(void *)(to + i);
        words[0] = widen_even(bytes, type == TYPE_S8);
        words[1] = widen_odd(bytes, type == TYPE_S8);
    }
}

// The weights of three or two outputs with `taps` each, word by word beside each other as conv_pairs reads them. Low registers
// for the pointers, because 32-bit instructions in a row behind loads and stores run the fetch queue dry.
ALWAYS_INLINE void conv_widen_weights(const int8_t *weights, uint32_t taps, uint32_t outputs, int16_t *to)
{
    register uint32_t even0 __asm__("r0"), even1 __asm__("r1"), even2 __asm__("r2");
    register uint32_t odd0 __asm__("r3"), odd1 __asm__("r4"), odd2 __asm__("r5");
    register const int8_t *from __asm__("r6") = weights;
    register int16_t *out __asm__("r7") = to;
    const bool is_far = 2 * taps >= 4096;  // for an offset
    register const int8_t *from1 __asm__("r9") = is_far ? weights + taps : 0;
    register const int8_t *from2 __asm__("r12") = is_far ? weights + 2 * taps : 0;
    register const int8_t *end __asm__("r8") = weights + taps;
    __asm__ volatile(
        "1:\n\t"
        ".rept %c[unroll]\n\t"
        "ldr %[odd0], [%[w]]\n\t"
        ".if !%c[is_far]\n\t"
        "ldr %[odd1], [%[w], #%c[taps]]\n\t"
        ".if %c[outputs] == 3\n\t"
        "ldr %[odd2], [%[w], #2 * %c[taps]]\n\t"
        ".endif\n\t"
        ".else\n\t"
        "ldr %[odd1], [%[w1]], #4\n\t"
        ".if %c[outputs] == 3\n\t"
        "ldr %[odd2], [%[w2]], #4\n\t"
        ".endif\n\t"
        ".endif\n\t"
        "adds %[w], %[w], #4\n\t"
        "sxtb16 %[even0], %[odd0]\n\t"
        "sxtb16 %[even1], %[odd1]\n\t"
        ".if %c[outputs] == 3\n\t"
        "sxtb16 %[even2], %[odd2]\n\t"
        ".endif\n\t"
        "sxtb16 %[odd0], %[odd0], ror #8\n\t"
        "sxtb16 %[odd1], %[odd1], ror #8\n\t"
        ".if %c[outputs] == 3\n\t"
        "sxtb16 %[odd2], %[odd2], ror #8\n\t"
        "stmia %[to]!, {%[even0], %[even1], %[even2], %[odd0], %[odd1], %[odd2]}\n\t"
        ".else\n\t"
        "stmia %[to]!, {%[even0], %[even1], %[odd0], %[odd1]}\n\t"
        ".endif\n\t"
        ".endr\n\t"
        "cmp %[w], %[end]\n\t"
        "bne 1b" EMPTY_LINES_64
        : [w] "+r"(from), [w1] "+r"(from1), [w2] "+r"(from2), [to] "+r"(out), [even0] "=&r"(even0), [even1] "=&r"(even1), [even2] "=&r"(even2),
          [odd0] "=&r"(odd0), [odd1] "=&r"(odd1), [odd2] "=&r"(odd2)
        : [end] "r"(end), [taps] "i"(taps), [is_far] "i"(is_far), [outputs] "i"(outputs),
          [unroll] "i"(taps % 16 == 0 ? 4 : taps % 8 == 0 ? 2 : 1)
        : "cc", "memory");
}

// The weights of four outputs with `taps` each, word by word beside each other: of four taps first 0 and 2, then 1 and 3.
ALWAYS_INLINE void conv_widen_fours(const int8_t *weights, uint32_t taps, int16_t *to)
{
    register const int8_t *from __asm__("r6") = weights;
    register int16_t *out __asm__("r7") = to;
    register const int8_t *end __asm__("r10") = weights + taps;
    __asm__ volatile(
        ".p2align 2\n\t"
        "1:\n\t"
        ".rept %c[unroll]\n\t"
        "ldr r4, [r6]\n\t"
        "ldr r5, [r6, #%c[taps]]\n\t"
        "ldr.w r8, [r6, #2 * %c[taps]]\n\t"
        "ldr.w r9, [r6, #3 * %c[taps]]\n\t"
        "adds r6, r6, #4\n\t"
        "sxtb16 r0, r4\n\t"
        "sxtb16 r1, r5\n\t"
        "sxtb16 r2, r8\n\t"
        "sxtb16 r3, r9\n\t"
        "sxtb16 r4, r4, ror #8\n\t"
        "sxtb16 r5, r5, ror #8\n\t"
        "sxtb16 r8, r8, ror #8\n\t"
        "sxtb16 r9, r9, ror #8\n\t"
        "stmia r7!, {r0, r1, r2, r3, r4, r5, r8, r9}\n\t"
        ".endr\n\t"
        "cmp r6, r10\n\t"
        "bne 1b" EMPTY_LINES_64
        : "+r"(from), "+r"(out)
        : "r"(end), [taps] "i"(taps), [unroll] "i"(taps % 16 == 0 ? 4 : taps % 8 == 0 ? 2 : 1)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r8", "r9", "cc", "memory");
}
#endif

#endif
