// What the kernels agree on about a row of a map.
//
// A row is width pixels of `channels` values (NHWC). Where a convolution with padding reads the map, the row carries
// `padding` more pixels on either side, which hold the map's zero; pointers to such rows point at the first of them.
#ifndef TENSOR_H
#define TENSOR_H

#include "dsp.h"

typedef enum { TYPE_U8, TYPE_S8, TYPE_S16 } type_t;

// An accumulator becomes an output: saturate(round((acc << shift) * multiplier / 2^32)).
ALWAYS_INLINE int32_t requantise(int32_t acc, int32_t multiplier, unsigned shift)
{
    return multiply_high_rounded((int32_t)((uint32_t)acc << shift), multiplier);
}

ALWAYS_INLINE void store_saturated(void *row, uint32_t index, int32_t value, type_t type)
{
    if (type == TYPE_U8) {
        ((uint8_t *)row)[index] = saturate_u8(value);
    } else if (type == TYPE_S8) {
        ((int8_t *)row)[index] = saturate_s8(value);
    } else {
        ((int16_t *)row)[index] = saturate_s16(value);
    }
}

// Value `index` of an 8-bit row.
ALWAYS_INLINE int32_t load_8bit(const void *row, uint32_t index, type_t type)
{
    return type == TYPE_U8 ? ((const uint8_t *)row)[index] : ((const int8_t *)row)[index];
}

// A halfword as its number: the upper or the lower one.
ALWAYS_INLINE int32_t half_of(uint32_t word, bool is_upper, type_t type)
{
    const uint32_t half = is_upper ? word >> 16 : word & 0xFFFFu;
    return type == TYPE_S8 ? (int16_t)half : (int32_t)half;
}

#endif
