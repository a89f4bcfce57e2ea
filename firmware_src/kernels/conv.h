// Dense convolutions, a few pixels of a row at a time: 1x1, 3x3 and larger, any stride.
//
// Every call passes a constant conv_t and the functions are always inlined, so each layer gets loops of its own shape.
#ifndef CONV_H
#define CONV_H

#include "conv_dsp.h"
#include "conv_narrow.h"

// Two weight vectors times two pixel vectors: acc[2 * output + pixel].
#if HIL_DSP
ALWAYS_INLINE void dot_2x2(const int8_t *w0, const int8_t *w1, const uint8_t *x0, const uint8_t *x1, uint32_t length,
                           type_t type, int32_t acc[4])
{
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    uint32_t i = 0;
    for (; i + 4 <= length; i += 4) {
        const uint32_t w0_4 = load_word(w0 + i), w1_4 = load_word(w1 + i);
        const uint32_t x0_4 = load_word(x0 + i), x1_4 = load_word(x1 + i);
        const int16x2_t w0_even = widen_even(w0_4, true), w0_odd = widen_odd(w0_4, true);
        const int16x2_t w1_even = widen_even(w1_4, true), w1_odd = widen_odd(w1_4, true);
        const int16x2_t x0_even = widen_even(x0_4, type == TYPE_S8), x0_odd = widen_odd(x0_4, type == TYPE_S8);
        const int16x2_t x1_even = widen_even(x1_4, type == TYPE_S8), x1_odd = widen_odd(x1_4, type == TYPE_S8);
        a0 = __smlad(w0_even, x0_even, a0);
        a1 = __smlad(w0_even, x1_even, a1);
        a2 = __smlad(w1_even, x0_even, a2);
        a3 = __smlad(w1_even, x1_even, a3);
        a0 = __smlad(w0_odd, x0_odd, a0);
        a1 = __smlad(w0_odd, x1_odd, a1);
        a2 = __smlad(w1_odd, x0_odd, a2);
        a3 = __smlad(w1_odd, x1_odd, a3);
    }
    for (; i < length; i++) {
        const int32_t v0 = load_8bit(x0, i, type), v1 = load_8bit(x1, i, type);
        a0 += w0[i] * v0;
        a1 += w0[i] * v1;
        a2 += w1[i] * v0;
        a3 += w1[i] * v1;
    }
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}
#else
ALWAYS_INLINE int32_t dot(const int8_t *w, const uint8_t *x, uint32_t length, type_t type)
{
    int32_t acc = 0;
    for (uint32_t i = 0; i < length; i++) {
        acc += (int16_t)w[i] * (int16_t)load_8bit(x, i, type);
    }
    return acc;
}

ALWAYS_INLINE void dot_2x2(const int8_t *w0, const int8_t *w1, const uint8_t *x0, const uint8_t *x1, uint32_t length,
                           type_t type, int32_t acc[4])
{
    acc[0] += dot(w0, x0, length, type);
    acc[1] += dot(w0, x1, length, type);
    acc[2] += dot(w1, x0, length, type);
    acc[3] += dot(w1, x1, length, type);
}
#endif

// Two pixels (columns p0 and p1) of two output channels (o0 and o1). An odd row or channel count repeats the last one.
ALWAYS_INLINE void conv_2x2(const conv_t *c, const uint8_t *const rows[], void *out, uint32_t o0, uint32_t o1, uint32_t p0,
                            uint32_t p1)
{
    const uint32_t length = (uint32_t)c->kernel * c->channels_in;
    const uint32_t step = (uint32_t)c->stride * c->channels_in;
    const int8_t *w0 = c->weight + o0 * c->kernel * length, *w1 = c->weight + o1 * c->kernel * length;
    int32_t acc[4] = {c->bias[o0], c->bias[o0], c->bias[o1], c->bias[o1]};
    for (uint32_t k = 0; k < c->kernel; k++) {
        dot_2x2(w0 + k * length, w1 + k * length, rows[k] + p0 * step, rows[k] + p1 * step, length, c->input, acc);
    }
    store_saturated(out, p0 * c->channels_out + o0, requantise(acc[0], c->multiplier[o0], c->shift), c->output);
    store_saturated(out, p1 * c->channels_out + o0, requantise(acc[1], c->multiplier[o0], c->shift), c->output);
    store_saturated(out, p0 * c->channels_out + o1, requantise(acc[2], c->multiplier[o1], c->shift), c->output);
    store_saturated(out, p1 * c->channels_out + o1, requantise(acc[3], c->multiplier[o1], c->shift), c->output);
}

// Takes the outputs before the scores back to 0 where these do not pass.
ALWAYS_INLINE void conv_clear_gated(const conv_t *c, uint32_t pixels, void *out)
{
    int16_t *pixel = out;
    for (uint32_t i = 0; i < pixels; i++, pixel += c->channels_out) {
        if (!conv_passes(c, pixel)) {
            memset(pixel, 0, c->scores * sizeof pixel[0]);
        }
    }
}

// All outputs of `pixels` pixels.
ALWAYS_INLINE void conv_all_pixels(const conv_t *c, const uint8_t *const rows[], uint32_t pixels, void *out)
{
#if HIL_DSP
    if (c->loop == CONV_STREAMED || c->loop == CONV_COLLECTED) {
        conv_streamed(c, rows, pixels, out);
        return;
    }
    if (c->loop == CONV_PAIRS || c->loop == CONV_FOURS) {
        for (uint32_t first = 0, count; first < pixels; first += count) {
            const uint32_t left = pixels - first;
            count = left <= c->chunk + 1u ? left : c->chunk;
            conv_chunk(c, rows, first, count, out);
        }
        return;
    }
    if (c->loop == CONV_NARROW && pixels >= 2) {
        conv_narrow(c, rows, pixels, out);
        return;
    }
#endif
    for (uint32_t o0 = 0; o0 < c->channels_out; o0 += 2) {
        const uint32_t o1 = o0 + 1 < c->channels_out ? o0 + 1 : o0;
        for (uint32_t p0 = 0; p0 < pixels; p0 += 2) {
            conv_2x2(c, rows, out, o0, o1, p0, p0 + 1 < pixels ? p0 + 1 : p0);
        }
    }
}

// `pixels` pixels of output; rows: for each kernel row the first column that they look at.
ALWAYS_INLINE void conv_pixels(const conv_t *c, const uint8_t *const rows[], uint32_t pixels, void *out)
{
    conv_all_pixels(c, rows, pixels, out);
    if (c->scores != 0) {
        conv_clear_gated(c, pixels, out);
    }
}

#endif
