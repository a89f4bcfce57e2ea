// Values moved, not computed.
#ifndef RESHAPE_H
#define RESHAPE_H

#include "tensor.h"

#if HIL_DSP
// Four values become eight: each word of output is bytes 0 and 1, or 2 and 3, twice.
ALWAYS_INLINE void repeat_twice(const uint8_t *in, uint8_t *out)
{
    const uint32_t word = load_word(in);
    const uint32_t even = (uint32_t)widen_even(word, false), odd = (uint32_t)widen_odd(word, false);
    const int16x2_t evens = (int16x2_t)(even | even << 8), odds = (int16x2_t)(odd | odd << 8);
    const int16x2_t first = lower_halves(evens, odds), second = upper_halves(evens, odds);
    memcpy(out, &first, sizeof first);
    memcpy(out + 4, &second, sizeof second);
}
#endif

// Each of `count` values so many times.
ALWAYS_INLINE void repeat_values(const uint8_t *in, uint32_t count, uint32_t times, uint8_t *out)
{
    if (times == 1) {
        memcpy(out, in, count);
        return;
    }
    uint32_t i = 0;
#if HIL_DSP
    if (times == 2) {
        for (; i + 4 <= count; i += 4, out += 8) {
            repeat_twice(in + i, out);
        }
    } else {
        // Whole words: what the last one has too much of, at most three bytes, is where the next value goes.
        for (; i + 1 < count; i++, out += times) {
            const uint32_t word = in[i] * 0x01010101u;
#pragma GCC unroll 4
            for (uint32_t k = 0; k < times; k += 4) {
                memcpy(out + k, &word, sizeof word);
            }
        }
    }
#endif
    for (; i < count; i++, out += times) {
        memset(out, in[i], times);
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
