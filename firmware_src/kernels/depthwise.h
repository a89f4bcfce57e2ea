// Depthwise convolutions, a row of output at a time.
#ifndef DEPTHWISE_H
#define DEPTHWISE_H

#include "tensor.h"

typedef struct {
    uint16_t channels;
    uint16_t width_out;
    uint8_t kernel;
    uint8_t stride;
    type_t input;
    type_t output;
    uint8_t shift;
    const int8_t *weight;       // [kernel][kernel][channels]
    const int32_t *bias;        // [channels]
    const int32_t *multiplier;  // [channels]
} depthwise_t;

ALWAYS_INLINE void depthwise_channel(const depthwise_t *d, const uint8_t *const rows[], void *out, uint32_t pixel, uint32_t ch)
{
    int32_t acc = d->bias[ch];
    for (uint32_t i = 0; i < d->kernel; i++) {
        for (uint32_t j = 0; j < d->kernel; j++) {
            const uint32_t x = (pixel * d->stride + j) * d->channels + ch;
            acc += d->weight[(i * d->kernel + j) * d->channels + ch] * load_8bit(rows[i], x, d->input);
        }
    }
    store_saturated(out, pixel * d->channels + ch, requantise(acc, d->multiplier[ch], d->shift), d->output);
}

#if HIL_DSP
// Four neighbouring channels of one pixel: one load brings four inputs, one four weights.
ALWAYS_INLINE void depthwise_4(const depthwise_t *d, const uint8_t *const rows[], void *out, uint32_t pixel, uint32_t ch)
{
    int32_t a0 = d->bias[ch], a1 = d->bias[ch + 1], a2 = d->bias[ch + 2], a3 = d->bias[ch + 3];
    for (uint32_t i = 0; i < d->kernel; i++) {
        for (uint32_t j = 0; j < d->kernel; j++) {
            const uint32_t x_4 = load_word(rows[i] + (pixel * d->stride + j) * d->channels + ch);
            const uint32_t w_4 = load_word(d->weight + (i * d->kernel + j) * d->channels + ch);
            const int16x2_t x_even = widen_even(x_4, d->input == TYPE_S8), x_odd = widen_odd(x_4, d->input == TYPE_S8);
            const int16x2_t w_even = widen_even(w_4, true), w_odd = widen_odd(w_4, true);
            a0 = __smlabb(x_even, w_even, a0);
            a1 = __smlabb(x_odd, w_odd, a1);
            a2 = __smlatt(x_even, w_even, a2);
            a3 = __smlatt(x_odd, w_odd, a3);
        }
    }
    const uint32_t first = pixel * d->channels + ch;
    store_saturated(out, first, requantise(a0, d->multiplier[ch], d->shift), d->output);
    store_saturated(out, first + 1, requantise(a1, d->multiplier[ch + 1], d->shift), d->output);
    store_saturated(out, first + 2, requantise(a2, d->multiplier[ch + 2], d->shift), d->output);
    store_saturated(out, first + 3, requantise(a3, d->multiplier[ch + 3], d->shift), d->output);
}
#endif

// One row of output from `kernel` padded rows of input.
ALWAYS_INLINE void depthwise_row(const depthwise_t *d, const uint8_t *const rows[], void *out)
{
    for (uint32_t pixel = 0; pixel < d->width_out; pixel++) {
        uint32_t ch = 0;
#if HIL_DSP
        for (; ch + 4 <= d->channels; ch += 4) {
            depthwise_4(d, rows, out, pixel, ch);
        }
#endif
        for (; ch < d->channels; ch++) {
            depthwise_channel(d, rows, out, pixel, ch);
        }
    }
}

#endif
