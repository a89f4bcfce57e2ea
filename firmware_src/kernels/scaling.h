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

// One row. Channel by channel, so that a factor is multiplied once a row.
ALWAYS_INLINE void scale_row(const scaling_t *s, const uint8_t *in, const uint8_t *factors, uint8_t *out)
{
    const int32_t half = 1 << (s->shift - 1);
    for (uint32_t i = 0; i < s->channels; i++) {
        const int32_t factor = load_8bit(factors, i, s->factors) * s->multiplier;
        for (uint32_t x = i; x < (uint32_t)s->width * s->channels; x += s->channels) {
            store_saturated(out, x, (load_8bit(in, x, s->input) * factor + half) >> s->shift, s->output);
        }
    }
}

#endif
