// Layers without weights to speak of: residual sums, L2Norm, the mean over all pixels.
#ifndef ELEMENTWISE_H
#define ELEMENTWISE_H

#include "tensor.h"

typedef struct {
    uint32_t length;  // values in a row
    type_t input_a;
    type_t input_b;
    int16_t multiplier_a;
    int16_t multiplier_b;
    uint8_t shift;
} add_t;

ALWAYS_INLINE void add_row(const add_t *c, const uint8_t *a, const uint8_t *b, int8_t *out)
{
    const int32_t half = 1 << (c->shift - 1);
    for (uint32_t i = 0; i < c->length; i++) {
        const int32_t sum = load_8bit(a, i, c->input_a) * c->multiplier_a + load_8bit(b, i, c->input_b) * c->multiplier_b;
        out[i] = saturate_s8((sum + half) >> c->shift);
    }
}

typedef struct {
    uint16_t width;
    uint16_t channels;
    type_t input;
    const int32_t *gain;  // [channels]
} l2norm_t;

// The whole root of n, 2^30 <= n < 2^32: its 16 bits from the top.
static inline uint32_t square_root(uint32_t n)
{
    uint32_t root = 0;
    for (uint32_t bit = 1u << 15; bit != 0; bit >>= 1) {
        const uint32_t trial = root | bit;
        if (trial * trial <= n) {
            root = trial;
        }
    }
    return root;
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

ALWAYS_INLINE void l2norm_row(const l2norm_t *c, const uint8_t *in, int8_t *out)
{
    for (uint32_t x = 0; x < c->width; x++, in += c->channels, out += c->channels) {
        uint32_t squares = 0;
        for (uint32_t i = 0; i < c->channels; i++) {
            const int32_t v = load_8bit(in, i, c->input);
            squares += (uint32_t)(v * v);
        }
        const int32_t inverse = inverse_square_root(squares);
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
