// The instructions the kernels lean on, and their portable twins. Both give the same bits.
// HIL_DSP is 1 where the Cortex-M4's DSP extension is used; the kernels choose their inner loops by it.
#ifndef DSP_H
#define DSP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_DSP) && !defined(HIL_PORTABLE_KERNELS)
#define HIL_DSP 1
#include <arm_acle.h>
#else
#define HIL_DSP 0
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

// gcc takes an asm statement to have as many instructions as lines, and puts constants where it thinks they are in reach.
// A statement with .rept ends in so many empty lines as its repetitions are instructions that gcc does not see.
#define EMPTY_LINES_16 "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
#define EMPTY_LINES_192 EMPTY_LINES_64 EMPTY_LINES_64 EMPTY_LINES_64
#define EMPTY_LINES_64 EMPTY_LINES_16 EMPTY_LINES_16 EMPTY_LINES_16 EMPTY_LINES_16

// round(a * b / 2^32), half up.
ALWAYS_INLINE int32_t multiply_high_rounded(int32_t a, int32_t b)
{
#if HIL_DSP
    int32_t result;
    __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
#else
    return (int32_t)(((int64_t)a * b + 0x80000000LL) >> 32);
#endif
}

ALWAYS_INLINE int32_t clamp(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : x > high ? high : x;
}

ALWAYS_INLINE uint8_t saturate_u8(int32_t x)
{
#if HIL_DSP
    return (uint8_t)__usat(x, 8);
#else
    return (uint8_t)clamp(x, 0, 255);
#endif
}

ALWAYS_INLINE int8_t saturate_s8(int32_t x)
{
#if HIL_DSP
    return (int8_t)__ssat(x, 8);
#else
    return (int8_t)clamp(x, -128, 127);
#endif
}

ALWAYS_INLINE int16_t saturate_s16(int32_t x)
{
#if HIL_DSP
    return (int16_t)__ssat(x, 16);
#else
    return (int16_t)clamp(x, -32768, 32767);
#endif
}

// The value shifted right by a constant, then clamped to a constant number of bits: one SSAT.
#if HIL_DSP
#define SATURATE_SHIFTED(value, shift, bits)                                                      \
    ({                                                                                            \
        int32_t result_;                                                                          \
        __asm__("ssat %0, %2, %1, asr %3" : "=r"(result_) : "r"(value), "I"(bits), "I"(shift)); \
        result_;                                                                                  \
    })
#else
#define SATURATE_SHIFTED(value, shift, bits) clamp((value) >> (shift), -(1 << ((bits)-1)), (1 << ((bits)-1)) - 1)
#endif

#if HIL_DSP
// Four bytes, or two halfwords, from any address in one LDR.
ALWAYS_INLINE uint32_t load_word(const void *address)
{
    uint32_t word;
    memcpy(&word, address, sizeof word);
    return word;
}

// Bytes 0 and 2, or 1 and 3, of a word as two halfwords: the order in which SMLAD multiplies them does not matter.
ALWAYS_INLINE int16x2_t widen_even(uint32_t bytes, bool is_signed)
{
    return is_signed ? __sxtb16(bytes) : (int16x2_t)__uxtb16(bytes);
}

ALWAYS_INLINE int16x2_t widen_odd(uint32_t bytes, bool is_signed)
{
    // gcc 12 does not fold a rotation into the intrinsic.
    int16x2_t halves;
    if (is_signed) {
        __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(bytes));
    } else {
        __asm__("uxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(bytes));
    }
    return halves;
}

// Bytes 0 and 2 of a word added to two halfwords, and bytes 1 and 3 to two others.
ALWAYS_INLINE void add_bytes(uint32_t bytes, bool is_signed, uint32_t *even, uint32_t *odd)
{
    if (is_signed) {
        __asm__("sxtab16 %0, %0, %1" : "+r"(*even) : "r"(bytes));
        __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(*odd) : "r"(bytes));
    } else {
        __asm__("uxtab16 %0, %0, %1" : "+r"(*even) : "r"(bytes));
        __asm__("uxtab16 %0, %0, %1, ror #8" : "+r"(*odd) : "r"(bytes));
    }
}

// The lower halves of two words, or their upper halves, as one word. gcc 12 does not make one instruction of shifts and masks.
ALWAYS_INLINE int16x2_t lower_halves(int16x2_t low, int16x2_t high)
{
    int16x2_t halves;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(halves) : "r"(low), "r"(high));
    return halves;
}

ALWAYS_INLINE int16x2_t upper_halves(int16x2_t low, int16x2_t high)
{
    int16x2_t halves;
    __asm__("pkhtb %0, %2, %1, asr #16" : "=r"(halves) : "r"(low), "r"(high));
    return halves;
}
#endif

#endif
