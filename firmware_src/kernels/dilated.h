// Convolutions whose taps lie `dilation` pixels apart, a few pixels of a row at a time.
#ifndef DILATED_H
#define DILATED_H

#include "chain.h"
#include "conv.h"
#include "depthwise.h"

typedef struct {
    conv_t conv;        // of taps that lie side by side: its stride is its kernel
    uint8_t stride;
    uint8_t dilation;
    uint16_t group;     // pixels that are gathered at once, or one more
    uint8_t *gathered;  // [kernel][group + 1][kernel][channels_in]
} dilated_conv_t;

// The taps of `count` pixels side by side, so that a convolution without gaps can take them.
ALWAYS_INLINE void dilated_conv_pixels(const dilated_conv_t *d, const uint8_t *const rows[], uint32_t pixels, uint8_t *out)
{
    const conv_t *c = &d->conv;
    const uint32_t channels = c->channels_in, pitch = (d->group + 1u) * c->kernel * channels;
    const uint32_t pixel_out = c->channels_out * (c->output == TYPE_S16 ? 2u : 1u);
    for (uint32_t first = 0, count; first < pixels; first += count) {
        const uint32_t left = pixels - first;
        count = left <= d->group + 1u ? left : d->group;
        const uint8_t *gathered[CHAIN_MAX_KERNEL];
        for (uint32_t i = 0; i < c->kernel; i++) {
            uint8_t *to = d->gathered + i * pitch;
            gathered[i] = to;
            for (uint32_t x = first; x < first + count; x++) {
                const uint8_t *from = rows[i * d->dilation] + x * d->stride * channels;
                for (uint32_t j = 0; j < c->kernel; j++, to += channels) {
                    memcpy(to, from + j * d->dilation * channels, channels);
                }
            }
        }
        conv_pixels(c, gathered, count, out + first * pixel_out);
    }
}

typedef struct {
    depthwise_t depthwise;  // of `dilation` times the channels where the stride is 1: neighbours that share no tap are one pixel
    uint8_t dilation;
    uint16_t channels;      // of the map
} dilated_depthwise_t;

ALWAYS_INLINE void dilated_depthwise_value(const dilated_depthwise_t *d, const uint8_t *const rows[], void *out,
                                           uint32_t pixel, uint32_t ch)
{
    const depthwise_t *c = &d->depthwise;
    int32_t acc = depthwise_bias(c, ch);
    for (uint32_t i = 0; i < c->kernel; i++) {
        for (uint32_t j = 0; j < c->kernel; j++) {
            const uint32_t x = (pixel * c->stride + j * d->dilation) * d->channels + ch;
            acc += depthwise_weight(c, i, j, ch) * load_8bit(rows[i * d->dilation], x, c->input);
        }
    }
    const int32_t sum = requantise(acc, depthwise_multiplier(c, ch), c->shift);
    store_saturated(out, pixel * d->channels + ch, sum, c->output);
}

ALWAYS_INLINE void dilated_depthwise_pixels(const dilated_depthwise_t *d, const uint8_t *const rows[], uint32_t pixels,
                                            void *out)
{
    uint32_t pixel = 0;
#if HIL_DSP
    const uint32_t wide = pixels / d->dilation;
    if (d->depthwise.each != 0) {
        const uint8_t *taps[3] = {rows[0], rows[d->dilation], rows[2 * d->dilation]};
        depthwise_pixels(&d->depthwise, taps, wide, out);
        pixel = wide * d->dilation;
    }
#endif
    for (; pixel < pixels; pixel++) {
        for (uint32_t ch = 0; ch < d->channels; ch++) {
            dilated_depthwise_value(d, rows, out, pixel, ch);
        }
    }
}

#endif
