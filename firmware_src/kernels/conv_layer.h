// What a dense convolution is to the kernels.
#ifndef CONV_LAYER_H
#define CONV_LAYER_H

#include "tensor.h"

// Which inner loop a convolution has where there are dual multiplies (hil/compiler/kernels/memory.py).
typedef enum {
    CONV_PLAIN,     // conv_2x2
    CONV_NARROW,    // conv_narrow.h: input channels that are no multiple of four
    CONV_PAIRS,     // conv_pairs.h: any kernel, any output
    CONV_FOURS,     // conv_fours.h: a multiple of four outputs; 1x1 to 8 bits, or kernel rows of 16 words at most
    CONV_STREAMED,  // conv_streamed.h: 1x1 to 8 bits with few input channels
    CONV_COLLECTED, // the same of few taps, which are collected from their rows for each pixel
} conv_loop_t;

typedef struct {
    uint16_t channels_in;
    uint16_t channels_out;
    uint8_t kernel;
    uint8_t stride;
    type_t input;
    type_t output;
    uint8_t shift;
    const int8_t *weight;       // [channels_out][kernel][kernel][channels_in]
    const int32_t *bias;        // [channels_out]
    const int32_t *multiplier;  // [channels_out]
    const int16_t *narrow;      // CONV_NARROW: [channels_out / 4][kernel][words][4][4]
    const int8_t *collected;    // CONV_COLLECTED: [channels_out][conv_collected_taps], as conv_collect orders them
    uint8_t scores;             // 0, or: the first output that is a score; those before it are made where the scores pass
    uint8_t background;         // scores that the last one has to surpass by more than the threshold
    int32_t threshold;
    conv_loop_t loop;
    bool is_bounded;            // no sum leaves 16 bits when it is requantised
    bool has_single;            // CONV_FOURS: rows have an odd number of pixels, and channels_in is a multiple of eight
    uint16_t chunk;             // CONV_PAIRS, CONV_FOURS: pixels that are widened at once, or one more; CONV_STREAMED, CONV_COLLECTED: outputs
    void *scratch;              // int16_t [kernel][words][3][2] weights of three outputs (or two), or [kernel][words][4][2], and
                                // [kernel][columns][channels_in] pixels; CONV_STREAMED, CONV_COLLECTED: a stream, then two pixels
} conv_t;

// Taps of an output that is made of collected ones: fours of each kernel row, then what is left of all rows, filled up to fours.
ALWAYS_INLINE uint32_t conv_collected_taps(const conv_t *c)
{
    const uint32_t row = (uint32_t)c->kernel * c->channels_in;
    return row / 4 * 4 * c->kernel + (row % 4 * c->kernel + 3) / 4 * 4;
}

// Whether the scores of a pixel pass.
ALWAYS_INLINE bool conv_passes(const conv_t *c, const void *pixel)
{
    const int16_t *scores = (const int16_t *)pixel + c->scores;
    int32_t background = scores[0];
    for (uint32_t i = 1; i < c->background; i++) {
        background = scores[i] > background ? scores[i] : background;
    }
    return scores[c->background] - background > c->threshold;
}

#endif
