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
        const uint32_t a02 = (uint32_t)widen_even(a4, c->input_a == TYPE_S8), a13 = (uint32_t)widen_odd(a4, c->input_a == TYPE_S8);
        const uint32_t b02 = (uint32_t)widen_even(b4, c->input_b == TYPE_S8), b13 = (uint32_t)widen_odd(b4, c->input_b == TYPE_S8);
        const uint32_t pairs[4] = {(a02 & 0xFFFFu) | b02 << 16, (a13 & 0xFFFFu) | b13 << 16,
                                   a02 >> 16 | (b02 & 0xFFFF0000u), a13 >> 16 | (b13 & 0xFFFF0000u)};
        for (uint32_t k = 0; k < 4; k++) {
            const int32_t sum = __smlad((int16x2_t)pairs[k], multipliers, half);
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
    const int32_t *gain;  // [channels]
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

ALWAYS_INLINE uint32_t sum_of_squares(const uint8_t *in, uint32_t count, type_t type)
{
    int32_t sum = 0;
    uint32_t i = 0;
#if HIL_DSP
    for (; i + 4 <= count; i += 4) {
        const uint32_t bytes = load_word(in + i);
        const int16x2_t even = widen_even(bytes, type == TYPE_S8), odd = widen_odd(bytes, type == TYPE_S8);
        sum = __smlad(odd, odd, __smlad(even, even, sum));
    }
#endif
    for (; i < count; i++) {
        const int32_t value = load_8bit(in, i, type);
        sum += value * value;
    }
    return (uint32_t)sum;
}

ALWAYS_INLINE void l2norm_pixels(const l2norm_t *c, const uint8_t *in, uint32_t pixels, int8_t *out)
{
    for (uint32_t x = 0; x < pixels; x++, in += c->channels, out += c->channels) {
        const int32_t inverse = inverse_square_root(sum_of_squares(in, c->channels, c->input));
#pragma GCC unroll 4
        for (uint32_t i = 0; i < c->channels; i++) {
            out[i] = saturate_s8(multiply_high_rounded(load_8bit(in, i, c->input) * c->gain[i], inverse));
        }
    }
}

typedef struct {
    uint16_t width;
    uint16_t height;
    uint16_t channels;
    type_t type;
    int32_t multiplier;
    int32_t *sums;  // [channels]
} mean_t;

// Takes one row; the last one completes the 1 x 1 map in `out`.
ALWAYS_INLINE bool mean_push_row(const mean_t *c, uint32_t row, const uint8_t *in, void *out)
{
    if (row == 0) {
        memset(c->sums, 0, c->channels * sizeof c->sums[0]);
    }
    for (uint32_t x = 0; x < c->width; x++, in += c->channels) {
        for (uint32_t i = 0; i < c->channels; i++) {
            c->sums[i] += load_8bit(in, i, c->type);
        }
    }
    if (row + 1u < c->height) {
        return false;
    }
    for (uint32_t i = 0; i < c->channels; i++) {
        store_saturated(out, i, requantise(c->sums[i], c->multiplier, 0), c->type);
    }
    return true;
}

#endif
