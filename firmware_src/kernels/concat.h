// Maps side by side, channel after channel: one input's share of a row.
#ifndef CONCAT_H
#define CONCAT_H

#include "tensor.h"

typedef struct {
    uint16_t width;
    uint16_t channels;      // of this input
    uint16_t channels_out;  // of all
    type_t input;
    type_t output;
    bool is_copy;           // the input is in the output's scale
    int16_t multiplier;
    uint8_t shift;
} concat_t;

// Puts the input's channels into each pixel of a row, from `out` on.
ALWAYS_INLINE void concat_row(const concat_t *c, const uint8_t *in, uint8_t *out)
{
    for (uint32_t x = 0; x < c->width; x++, in += c->channels, out += c->channels_out) {
        if (c->is_copy) {
            memcpy(out, in, c->channels);
            continue;
        }
#pragma GCC unroll 4
        for (uint32_t i = 0; i < c->channels; i++) {
            const int32_t scaled = load_8bit(in, i, c->input) * c->multiplier + (1 << (c->shift - 1));
            store_saturated(out, i, scaled >> c->shift, c->output);
        }
    }
}

#endif
