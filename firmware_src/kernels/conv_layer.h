// What a dense convolution is to the kernels.
#ifndef CONV_LAYER_H
#define CONV_LAYER_H

#include "tensor.h"

typedef struct {
    uint16_t channels_in;
    uint16_t width_out;
    uint16_t channels_out;
    uint8_t kernel;
    uint8_t stride;
    type_t input;
    type_t output;
    uint8_t shift;
    const int8_t *weight;       // [channels_out][kernel][kernel][channels_in]
    const int32_t *bias;        // [channels_out]
    const int32_t *multiplier;  // [channels_out]
    uint16_t chunk;             // pixels that are widened at once; 0: the shape is not one for conv_pairs
    void *scratch;              // a conv_group_t, then the pixels: int16_t [kernel][columns][channels_in]
} conv_t;

#endif
