// Values moved, not computed.
#ifndef RESHAPE_H
#define RESHAPE_H

#include "tensor.h"

// Each of `count` values so many times.
ALWAYS_INLINE void repeat_values(const uint8_t *in, uint32_t count, uint32_t times, uint8_t *out)
{
    for (uint32_t i = 0; i < count; i++) {
#pragma GCC unroll 8
        for (uint32_t k = 0; k < times; k++) {
            *out++ = in[i];
        }
    }
}

typedef struct {
    uint16_t width;     // of the input
    uint16_t channels;  // of the output
    bool is_shuffle;    // a pixel of input is 2 x 2 pixels of output, row by row; otherwise each of those is a copy of it
} upsample_t;

// Row `row` of output from row `row` / 2 of input.
ALWAYS_INLINE void upsample_row(const upsample_t *u, uint32_t row, const uint8_t *in, uint8_t *out)
{
    const uint32_t channels = u->channels;
    for (uint32_t x = 0; x < u->width; x++, out += 2 * channels) {
        if (u->is_shuffle) {
            memcpy(out, in + (4 * x + 2 * (row % 2)) * channels, 2 * channels);
        } else {
            memcpy(out, in + x * channels, channels);
            memcpy(out + channels, in + x * channels, channels);
        }
    }
}

#endif
