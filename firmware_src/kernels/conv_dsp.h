// Dense convolutions with dual multiplies: pixels and weights are widened to 16 bits once, then multiplied four, three or two
// outputs by two pixels at a time.
#ifndef CONV_DSP_H
#define CONV_DSP_H

#include "conv_fours.h"
#include "conv_pairs.h"
#include "conv_streamed.h"
#include "conv_widen.h"

#if HIL_DSP
// Columns of input that `pixels` neighbouring outputs look at.
ALWAYS_INLINE uint32_t conv_columns(const conv_t *c, uint32_t pixels)
{
    return (pixels - 1) * c->stride + c->kernel;
}

// Widened rows of input with `count` outputs a row of them, two at least, and where the weights are widened to.
typedef struct {
    int16_t *weights;
    const int16_t *pixels;
    uint32_t columns;
    uint32_t count;
} conv_wide_t;

// Four, three or two outputs of all pixels of a chunk. Of an odd number the last one is made by itself where there is a loop
// for that, else the last two reach back over one that is done already.
ALWAYS_INLINE void conv_outputs(const conv_t *c, uint32_t output, uint32_t outputs, const conv_wide_t *wide, uint8_t *out)
{
    const uint32_t taps = (uint32_t)c->kernel * c->kernel * c->channels_in;
    const uint32_t itemsize = c->output == TYPE_S16 ? 2 : 1, pitch = c->channels_out * itemsize;
    if (outputs == 4) {
        conv_widen_fours(c->weight + output * taps, taps, wide->weights);
    } else {
        conv_widen_weights(c->weight + output * taps, taps, outputs, wide->weights);
    }
    uint32_t first = 0, end = wide->count / 2 * 2;
    if (outputs == 4 && c->has_single) {
        conv_fours_pairs(c, output, wide->weights, wide->pixels, wide->columns, out + output, out + end * pitch + output);
        if (end < wide->count) {
            const int16_t *last = wide->pixels + end * c->stride * c->channels_in;
            conv_fours_single(c, output, wide->weights, last, out + end * pitch + output);
        }
        return;
    }
#pragma GCC unroll 1
    while (first < end) {
        const int16_t *pixels = wide->pixels + first * c->stride * c->channels_in;
        uint8_t *from = out + first * pitch + output * itemsize, *to = out + end * pitch + output * itemsize;
        if (outputs == 4) {
            conv_fours_pairs(c, output, wide->weights, pixels, wide->columns, from, to);
        } else {
            conv_pairs(c, output, outputs, wide->weights, pixels, wide->columns, from, to);
        }
        first = wide->count - 2;
        end = end == wide->count ? 0 : wide->count;
    }
}

// Outputs `begin` to `end`, four at a time or three, and what is left two at a time: of a single one more, four at the end.
ALWAYS_INLINE void conv_all_outputs(const conv_t *c, uint32_t begin, uint32_t end, const conv_wide_t *wide, uint8_t *out)
{
    if (c->loop == CONV_FOURS) {
#pragma GCC unroll 1
        for (uint32_t o = begin; o < end; o += 4) {
            conv_outputs(c, o, 4, wide, out);
        }
        return;
    }
    const uint32_t count = end - begin, threes = count % 3 == 1 ? count / 3 - 1 : count / 3;
#pragma GCC unroll 1
    for (uint32_t o = begin; o < begin + 3 * threes; o += 3) {
        conv_outputs(c, o, 3, wide, out);
    }
#pragma GCC unroll 1
    for (uint32_t o = begin + 3 * threes; o < end; o += 2) {
        conv_outputs(c, o, 2, wide, out);
    }
}

// The outputs before the scores, of each pair of pixels of which one passes.
ALWAYS_INLINE void conv_gated_outputs(const conv_t *c, const conv_wide_t *wide, uint8_t *out)
{
    const uint32_t taps = (uint32_t)c->kernel * c->kernel * c->channels_in, pitch = c->channels_out * 2u;
#pragma GCC unroll 1
    for (uint32_t o = 0; o < c->scores; o += 2) {
        bool is_widened = false;
#pragma GCC unroll 1
        for (uint32_t i = 0; i < wide->count; i += 2) {
            const uint32_t pixel = i + 2 > wide->count ? wide->count - 2 : i;
            uint8_t *to = out + pixel * pitch;
            if (!conv_passes(c, to) && !conv_passes(c, to + pitch)) {
                continue;
            }
            if (!is_widened) {
                conv_widen_weights(c->weight + o * taps, taps, 2, wide->weights);
                is_widened = true;
            }
            conv_pairs(c, o, 2, wide->weights, wide->pixels + pixel * c->stride * c->channels_in, wide->columns, to + o * 2,
                       to + o * 2 + 2 * pitch);
        }
    }
}

// Outputs `first` to `first` + `count` of a part of a row, two at least.
ALWAYS_INLINE void conv_chunk(const conv_t *c, const uint8_t *const rows[], uint32_t first, uint32_t count, uint8_t *out)
{
    const uint32_t taps = (uint32_t)c->kernel * c->kernel * c->channels_in, columns = conv_columns(c, count);
    int16_t *pixels = (int16_t *)c->scratch + (c->loop == CONV_FOURS ? 4 : 3) * taps;
    for (uint32_t k = 0; k < c->kernel; k++) {
        const uint8_t *row = rows[k] + first * c->stride * c->channels_in;
        conv_widen(row, columns * c->channels_in, c->input, pixels + k * columns * c->channels_in);
    }
    out += first * c->channels_out * (c->output == TYPE_S16 ? 2 : 1);
    const conv_wide_t wide = {c->scratch, pixels, columns, count};
    conv_all_outputs(c, c->scores, c->channels_out, &wide, out);
    if (c->scores != 0) {
        conv_gated_outputs(c, &wide, out);
    }
}
#endif

#endif
