// What a dense convolution is to the kernels.
#ifndef CONV_LAYER_H
#define CONV_LAYER_H

#include "tensor.h"

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
    const int16_t *narrow;      // for conv_narrow: [channels_out / 4][kernel][words][4][4], or 0
    uint8_t scores;             // 0, or: the first output that is a score; those before it are made where the scores pass
    uint8_t background;         // scores that the last one has to surpass by more than the threshold
    int32_t threshold;
    uint16_t chunk;             // pixels that are widened at once, or one more; 0: no shape for conv_pairs
    void *scratch;              // int16_t [kernel][words][3][2] weights of three outputs (or two), [kernel][columns][channels_in] pixels
} conv_t;

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
