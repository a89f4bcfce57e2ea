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
    uint16_t chunk;             // pixels that are widened at once, or one more; 0: no shape for conv_pairs
    void *scratch;              // int16_t [kernel][words][3][2] weights of three outputs, [kernel][columns][channels_in] pixels
} conv_t;

#endif
