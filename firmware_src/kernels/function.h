// A function of one 8-bit value, by a table of all 256.
#ifndef FUNCTION_H
#define FUNCTION_H

#include "tensor.h"

ALWAYS_INLINE void map_values(const uint8_t *table, const uint8_t *in, uint32_t count, uint8_t *out)
{
    uint32_t i = 0;
#if HIL_DSP
    for (; i + 4 <= count; i += 4) {
        const uint32_t bytes = load_word(in + i);
        const uint32_t low = table[bytes & 0xFFu] | (uint32_t)table[(bytes >> 8) & 0xFFu] << 8;
        const uint32_t high = table[(bytes >> 16) & 0xFFu] | (uint32_t)table[bytes >> 24] << 8;
        const uint32_t made = low | high << 16;
        memcpy(out + i, &made, sizeof made);
    }
#endif
    for (; i < count; i++) {
        out[i] = table[in[i]];
    }
}

#endif
