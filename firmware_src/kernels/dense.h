// Fully connected layers of a whole map: a row of input at a time is multiplied into the sums of all outputs.
#ifndef DENSE_H
#define DENSE_H

#include "tensor.h"

typedef struct {
    uint16_t height;            // rows of input
    uint16_t length;            // values of one
    uint16_t outputs;
    type_t input;
    type_t output;
    uint8_t shift;
    const int8_t *weight;       // [height][outputs][length]
    const int32_t *bias;        // [outputs]
    const int32_t *multiplier;  // [outputs]
    int32_t *sums;              // [outputs]
    int16_t *wide;              // [length], of each four values 0, 2, 1, 3
} dense_t;

#if HIL_DSP
ALWAYS_INLINE void dense_widen(const dense_t *d, const uint8_t *in)
{
    for (uint32_t i = 0; i + 4 <= d->length; i += 4) {
        const uint32_t bytes = load_word(in + i);
        const int16x2_t pairs[2] = {widen_even(bytes, d->input == TYPE_S8), widen_odd(bytes, d->input == TYPE_S8)};
        memcpy(d->wide + i, pairs, sizeof pairs);
    }
}

// The row times four outputs' weights.
ALWAYS_INLINE void dense_4(const dense_t *d, const uint8_t *in, const int8_t *w, int32_t *sums)
{
    const uint32_t length = d->length;
    int32_t a0 = sums[0], a1 = sums[1], a2 = sums[2], a3 = sums[3];
    const int16_t *wide = d->wide;
    uint32_t i = 0;
#pragma GCC unroll 2
    for (; i + 4 <= length; i += 4, w += 4, wide += 4) {
        const int16x2_t even = (int16x2_t)load_word(wide), odd = (int16x2_t)load_word(wide + 2);
        const uint32_t w0 = load_word(w), w1 = load_word(w + length);
        const uint32_t w2 = load_word(w + 2 * length), w3 = load_word(w + 3 * length);
        a0 = __smlad(widen_odd(w0, true), odd, __smlad(widen_even(w0, true), even, a0));
        a1 = __smlad(widen_odd(w1, true), odd, __smlad(widen_even(w1, true), even, a1));
        a2 = __smlad(widen_odd(w2, true), odd, __smlad(widen_even(w2, true), even, a2));
        a3 = __smlad(widen_odd(w3, true), odd, __smlad(widen_even(w3, true), even, a3));
    }
    for (; i < length; i++, w++) {
        const int32_t x = load_8bit(in, i, d->input);
        a0 += w[0] * x;
        a1 += w[length] * x;
        a2 += w[2 * length] * x;
        a3 += w[3 * length] * x;
    }
    sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
}
#endif

// Takes one row; the last one completes the 1 x 1 map in `out`.
ALWAYS_INLINE bool dense_push_row(const dense_t *d, uint32_t row, const uint8_t *in, void *out)
{
    if (row == 0) {
        memcpy(d->sums, d->bias, d->outputs * sizeof d->sums[0]);
    }
    const int8_t *weight = d->weight + row * d->outputs * d->length;
    uint32_t o = 0;
#if HIL_DSP
    dense_widen(d, in);
#pragma GCC unroll 1
    for (; o + 4 <= d->outputs; o += 4) {
        dense_4(d, in, weight + o * d->length, d->sums + o);
    }
#endif
    for (; o < d->outputs; o++) {
        for (uint32_t i = 0; i < d->length; i++) {
            d->sums[o] += weight[o * d->length + i] * load_8bit(in, i, d->input);
        }
    }
    if (row + 1u < d->height) {
        return false;
    }
    for (o = 0; o < d->outputs; o++) {
        store_saturated(out, o, requantise(d->sums[o], d->multiplier[o], d->shift), d->output);
    }
    return true;
}

#endif
