// A map times a number a channel.
#ifndef SCALING_H
#define SCALING_H

#include "tensor.h"

typedef struct {
    uint16_t width;
    uint16_t channels;
    type_t input;
    type_t factors;
    type_t output;
    int16_t multiplier;
    uint8_t shift;
} scaling_t;

#if HIL_DSP
// Four channels of a row, from channel `first` on: their factors stay in registers.
ALWAYS_INLINE void scale_four(const scaling_t *s, uint32_t first, const uint8_t *in, const uint8_t *factors, uint8_t *out)
{
    const uint8_t *const end = in + (uint32_t)s->width * s->channels;
    const int32_t half = 1 << (s->shift - 1);
    int32_t by[4];
    for (uint32_t k = 0; k < 4; k++) {
        by[k] = load_8bit(factors, first + k, s->factors) * s->multiplier;
    }
    for (in += first, out += first; in < end; in += s->channels, out += s->channels) {
        const uint32_t word = load_word(in);
        const int16x2_t even = widen_even(word, s->input == TYPE_S8), odd = widen_odd(word, s->input == TYPE_S8);
        const int32_t values[4] = {(int16_t)even, (int16_t)odd, even >> 16, odd >> 16};
        for (uint32_t k = 0; k < 4; k++) {
            const int32_t scaled = values[k] * by[k] + half;
            if (s->output == TYPE_S8) {
                out[k] = (uint8_t)SATURATE_SHIFTED(scaled, s->shift, 8);
            } else {
                out[k] = saturate_u8(scaled >> s->shift);
            }
        }
    }
}
#endif

// One row. Channel by channel, so that a factor is multiplied once a row.
ALWAYS_INLINE void scale_row(const scaling_t *s, const uint8_t *in, const uint8_t *factors, uint8_t *out)
{
    const int32_t half = 1 << (s->shift - 1);
    uint32_t i = 0;
#if HIL_DSP
    for (; i + 4 <= s->channels; i += 4) {
        scale_four(s, i, in, factors, out);
    }
#endif
    for (; i < s->channels; i++) {
        const int32_t factor = load_8bit(factors, i, s->factors) * s->multiplier;
        for (uint32_t x = i; x < (uint32_t)s->width * s->channels; x += s->channels) {
            store_saturated(out, x, (load_8bit(in, x, s->input) * factor + half) >> s->shift, s->output);
        }
    }
}

#endif
