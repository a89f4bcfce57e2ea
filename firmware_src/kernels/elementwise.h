// Layers without weights to speak of: residual sums, L2Norm, the mean over all pixels.
#ifndef ELEMENTWISE_H
#define ELEMENTWISE_H

#include "tensor.h"

typedef struct {
    uint16_t channels;
    type_t input_a;
    type_t input_b;
    type_t output;  // TYPE_U8 behind a ReLU
    int16_t multiplier_a;
    int16_t multiplier_b;
    uint8_t shift;
} add_t;

ALWAYS_INLINE void add_pixels(const add_t *c, const uint8_t *a, const uint8_t *b, uint32_t pixels, uint8_t *out)
{
    const uint32_t length = pixels * c->channels;
    const int32_t half = 1 << (c->shift - 1);
    uint32_t i = 0;
#if HIL_DSP
    // Four values at a time: the multipliers of a and b side by side are one operand of SMLAD.
    const int16x2_t multipliers = (int16x2_t)((uint16_t)c->multiplier_a | (uint32_t)c->multiplier_b << 16);
    for (; i + 4 <= length; i += 4) {
        const uint32_t a4 = load_word(a + i), b4 = load_word(b + i);
        const int16x2_t a02 = widen_even(a4, c->input_a == TYPE_S8), a13 = widen_odd(a4, c->input_a == TYPE_S8);
        const int16x2_t b02 = widen_even(b4, c->input_b == TYPE_S8), b13 = widen_odd(b4, c->input_b == TYPE_S8);
        const int16x2_t pairs[4] = {lower_halves(a02, b02), lower_halves(a13, b13), upper_halves(a02, b02), upper_halves(a13, b13)};
        for (uint32_t k = 0; k < 4; k++) {
            const int32_t sum = __smlad(pairs[k], multipliers, half);
            if (c->output == TYPE_S8) {
                out[i + k] = (uint8_t)SATURATE_SHIFTED(sum, c->shift, 8);
            } else {
                out[i + k] = saturate_u8(sum >> c->shift);
            }
        }
    }
#endif
    for (; i < length; i++) {
        const int32_t sum = load_8bit(a, i, c->input_a) * c->multiplier_a + load_8bit(b, i, c->input_b) * c->multiplier_b;
        store_saturated(out, i, (sum + half) >> c->shift, c->output);
    }
}

typedef struct {
    uint16_t channels;
    type_t input;
    bool is_wide;
    const int16_t *gain;       // [channels], or, where it is wide,
    const int32_t *wide_gain;  // [channels]
} l2norm_t;

// The whole root of n, n < 2^32. The float's root is off by at most one: 24 bits of n, rounded, and an exact VSQRT.
static inline uint32_t square_root(uint32_t n)
{
    uint32_t root = (uint32_t)__builtin_sqrtf((float)n);
    if (root > 0xFFFFu || root * root > n) {
        root--;
    }
    return root < 0xFFFFu && (root + 1) * (root + 1) <= n ? root + 1 : root;
}

// 2^26 / sqrt(n); 0 for n = 0.
static inline int32_t inverse_square_root(uint32_t n)
{
    if (n == 0) {
        return 0;
    }
    const unsigned exponent = (unsigned)__builtin_clz(n) / 2;
    const uint32_t root = square_root(n << (2 * exponent));
    return (int32_t)((((1u << 30) / root) << exponent) >> 4);
}

#if HIL_DSP
#define ADD_SQUARES(word)                               \
    ".if %c[is_signed]\n\t"                            \
    "sxtb16 r6, " word ", ror #8\n\t"                  \
    "sxtb16 " word ", " word "\n\t"                    \
    ".else\n\t"                                        \
    "uxtb16 r6, " word ", ror #8\n\t"                  \
    "uxtb16 " word ", " word "\n\t"                    \
    ".endif\n\t"                                       \
    "smlad r1, r6, r6, r1\n\t"                         \
    "smlad r1, " word ", " word ", r1\n\t"

// Of sixteen values at a time, or eight; count is a multiple of 8 and not 0, the address one of 4.
ALWAYS_INLINE int32_t sum_of_eights(const uint8_t *in, uint32_t count, type_t type)
{
    register const uint8_t *from __asm__("r0") = in, *end __asm__("r7") = in + count;
    register int32_t sum __asm__("r1") = 0;
    __asm__ volatile(
        ".p2align 2\n\t"
        "1:\n\t"
        ".if %c[is_sixteen]\n\t"
        "ldmia r0!, {r2, r3, r4, r5}\n\t"
        ADD_SQUARES("r4")
        ADD_SQUARES("r5")
        ".else\n\t"
        "ldmia r0!, {r2, r3}\n\t"
        ".endif\n\t"
        ADD_SQUARES("r2")
        ADD_SQUARES("r3")
        "cmp r0, %[end]\n\t"
        "bne 1b" EMPTY_LINES_16
        : "+r"(from), "+r"(sum)
        : [end] "r"(end), [is_signed] "i"(type == TYPE_S8), [is_sixteen] "i"(count % 16 == 0)
        : "r2", "r3", "r4", "r5", "r6", "cc", "memory");
    return sum;
}
#undef ADD_SQUARES
#endif

ALWAYS_INLINE uint32_t sum_of_squares(const uint8_t *in, uint32_t count, type_t type)
{
    int32_t sum = 0;
    uint32_t i = 0;
#if HIL_DSP
    if (count % 8 == 0) {
        return (uint32_t)sum_of_eights(in, count, type);
    }
#endif
    for (; i < count; i++) {
        const int32_t value = load_8bit(in, i, type);
        sum += value * value;
    }
    return (uint32_t)sum;
}

#if HIL_DSP
// Four values of the word r3: times their gains, times the inverse root, saturated, stored from `place` on.
#define L2NORM_FOUR(gains01, gains23, place)                     \
    ".if %c[is_signed]\n\t"                                      \
    "sxtb16 r9, r3, ror #8\n\t"                                  \
    "sxtb16 r3, r3\n\t"                                          \
    ".else\n\t"                                                  \
    "uxtb16 r9, r3, ror #8\n\t"                                  \
    "uxtb16 r3, r3\n\t"                                          \
    ".endif\n\t"                                                 \
    "smulbb r12, r3, " gains01 "\n\t"                            \
    "smulbt lr, r9, " gains01 "\n\t"                             \
    "smultb " gains01 ", r3, " gains23 "\n\t"                    \
    "smultt " gains23 ", r9, " gains23 "\n\t"                    \
    "smmulr r12, r12, r10\n\t"                                   \
    "smmulr lr, lr, r10\n\t"                                     \
    "smmulr " gains01 ", " gains01 ", r10\n\t"                   \
    "smmulr " gains23 ", " gains23 ", r10\n\t"                   \
    "ssat r12, #8, r12\n\t"                                      \
    "ssat lr, #8, lr\n\t"                                        \
    "ssat " gains01 ", #8, " gains01 "\n\t"                      \
    "ssat " gains23 ", #8, " gains23 "\n\t"                      \
    "strb.w r12, [r2, #" place "]\n\t"                           \
    "strb.w lr, [r2, #" place " + 1]\n\t"                        \
    "strb.w " gains01 ", [r2, #" place " + 2]\n\t"               \
    "strb.w " gains23 ", [r2, #" place " + 3]\n\t"

// Eight values at a time; how many there are is a multiple of eight, and not 0, the addresses are of 4.
ALWAYS_INLINE void l2norm_eights(const l2norm_t *c, const uint8_t *in, int32_t inverse, int8_t *out)
{
    register const uint8_t *from __asm__("r0") = in;
    register const int16_t *gain __asm__("r1") = c->gain;
    register int8_t *to __asm__("r2") = out;
    register int32_t factor __asm__("r10") = inverse;
    register const int8_t *end __asm__("r11") = out + c->channels;
    __asm__ volatile(
        ".p2align 2\n\t"
        "1:\n\t"
        "ldmia r0!, {r3, r4}\n\t"
        "ldmia r1!, {r5, r6, r7, r8}\n\t"
        L2NORM_FOUR("r5", "r6", "0")
        "mov.w r3, r4\n\t"
        L2NORM_FOUR("r7", "r8", "4")
        "add.w r2, r2, #8\n\t"
        "cmp r2, r11\n\t"
        "bne.w 1b"
        : "+r"(from), "+r"(gain), "+r"(to)
        : "r"(factor), "r"(end), [is_signed] "i"(c->input == TYPE_S8)
        : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r12", "lr", "cc", "memory");
}
#endif

#if HIL_DSP
// A pixel of four channels.
ALWAYS_INLINE void l2norm_four(const l2norm_t *c, const uint8_t *in, int8_t *out)
{
    const uint32_t bytes = load_word(in);
    const int16x2_t even = widen_even(bytes, c->input == TYPE_S8), odd = widen_odd(bytes, c->input == TYPE_S8);
    const int32_t inverse = inverse_square_root((uint32_t)__smlad(even, even, __smuad(odd, odd)));
    const int32_t values[4] = {(int16_t)even, (int16_t)odd, even >> 16, odd >> 16};
    for (uint32_t i = 0; i < 4; i++) {
        out[i] = saturate_s8(multiply_high_rounded(values[i] * c->gain[i], inverse));
    }
}
#endif

ALWAYS_INLINE void l2norm_pixels(const l2norm_t *c, const uint8_t *in, uint32_t pixels, int8_t *out)
{
#pragma GCC unroll 1
    for (uint32_t x = 0; x < pixels; x++, in += c->channels, out += c->channels) {
#if HIL_DSP
        if (!c->is_wide && c->channels == 4) {
            l2norm_four(c, in, out);
            continue;
        }
#endif
        const int32_t inverse = inverse_square_root(sum_of_squares(in, c->channels, c->input));
#if HIL_DSP
        if (!c->is_wide && c->channels % 8 == 0) {
            l2norm_eights(c, in, inverse, out);
            continue;
        }
#endif
        if (!c->is_wide) {
            for (uint32_t i = 0; i < c->channels; i++) {
                out[i] = saturate_s8(multiply_high_rounded(load_8bit(in, i, c->input) * c->gain[i], inverse));
            }
        } else {
            for (uint32_t i = 0; i < c->channels; i++) {
                out[i] = saturate_s8(multiply_high_rounded(load_8bit(in, i, c->input) * c->wide_gain[i], inverse));
            }
        }
    }
}

enum { MEAN_PIXELS = 128 };  // whose sums of 8-bit values 16 bits hold

typedef struct {
    uint16_t width;
    uint16_t height;
    uint16_t channels;
    type_t type;
    int32_t multiplier;
    int32_t *sums;  // [channels]
} mean_t;

#if HIL_DSP
// Adds four neighbouring channels of a row's pixels, MEAN_PIXELS at most, to their sums.
ALWAYS_INLINE void mean_add_four(const mean_t *c, const uint8_t *in, int32_t *sums)
{
    uint32_t even = 0, odd = 0;
    for (uint32_t x = 0; x < c->width; x++, in += c->channels) {
        add_bytes(load_word(in), c->type == TYPE_S8, &even, &odd);
    }
    sums[0] += half_of(even, false, c->type);
    sums[1] += half_of(odd, false, c->type);
    sums[2] += half_of(even, true, c->type);
    sums[3] += half_of(odd, true, c->type);
}
#endif

ALWAYS_INLINE void mean_add_row(const mean_t *c, const uint8_t *in)
{
#if HIL_DSP
    if (c->channels % 4 == 0 && c->width <= MEAN_PIXELS) {
        for (uint32_t i = 0; i < c->channels; i += 4) {
            mean_add_four(c, in + i, c->sums + i);
        }
        return;
    }
#endif
    for (uint32_t x = 0; x < c->width; x++, in += c->channels) {
        for (uint32_t i = 0; i < c->channels; i++) {
            c->sums[i] += load_8bit(in, i, c->type);
        }
    }
}

// Takes one row; the last one completes the 1 x 1 map in `out`.
ALWAYS_INLINE bool mean_push_row(const mean_t *c, uint32_t row, const uint8_t *in, void *out)
{
    if (row == 0) {
        memset(c->sums, 0, c->channels * sizeof c->sums[0]);
    }
    mean_add_row(c, in);
    if (row + 1u < c->height) {
        return false;
    }
    for (uint32_t i = 0; i < c->channels; i++) {
        store_saturated(out, i, requantise(c->sums[i], c->multiplier, 0), c->type);
    }
    return true;
}

#endif
