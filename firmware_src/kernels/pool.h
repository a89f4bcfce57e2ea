// Average and largest value of windows of pixels, channel by channel, a few pixels of a row at a time.
#ifndef POOL_H
#define POOL_H

#include "tensor.h"

typedef struct {
    uint16_t channels;
    uint8_t kernel;
    uint8_t stride;
    type_t type;         // of input and output
    bool is_largest;
    int32_t multiplier;  // of an average: 2^32 / kernel^2
} pool_t;

#if HIL_DSP
// The larger one of each of four bytes.
ALWAYS_INLINE uint32_t largest_of_4(uint32_t a, uint32_t b, bool is_signed)
{
    uint32_t result;  // one statement: the flags that SEL reads are no operand that the compiler could keep
    if (is_signed) {
        __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b));
    } else {
        __asm__("usub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b));
    }
    return result;
}

ALWAYS_INLINE uint32_t pool_largest_of_4(const pool_t *p, const uint8_t *const rows[], uint32_t at)
{
    uint32_t largest = load_word(rows[0] + at);
    for (uint32_t i = 0; i < p->kernel; i++) {
        const uint8_t *in = rows[i] + at;
#pragma GCC unroll 3
        for (uint32_t j = 0; j < p->kernel; j++, in += p->channels) {
            largest = largest_of_4(load_word(in), largest, p->type == TYPE_S8);
        }
    }
    return largest;
}

// Sums of channels 0 and 2, and of 1 and 3: 16 bits hold 225 values.
ALWAYS_INLINE void pool_sum_of_4(const pool_t *p, const uint8_t *const rows[], uint32_t at, uint32_t sums[2])
{
    uint32_t even = 0, odd = 0;
    for (uint32_t i = 0; i < p->kernel; i++) {
        const uint8_t *in = rows[i] + at;
#pragma GCC unroll 3
        for (uint32_t j = 0; j < p->kernel; j++, in += p->channels) {
            add_bytes(load_word(in), p->type == TYPE_S8, &even, &odd);
        }
    }
    sums[0] = even;
    sums[1] = odd;
}

ALWAYS_INLINE void pool_4(const pool_t *p, const uint8_t *const rows[], uint32_t at, uint8_t *out)
{
    if (p->is_largest) {
        const uint32_t largest = pool_largest_of_4(p, rows, at);
        memcpy(out, &largest, sizeof largest);
        return;
    }
    uint32_t sums[2];
    pool_sum_of_4(p, rows, at, sums);
    for (uint32_t i = 0; i < 4; i++) {
        const int32_t sum = half_of(sums[i % 2], i >= 2, p->type);
        store_saturated(out, i, requantise(sum, p->multiplier, 0), p->type);
    }
}
#endif

ALWAYS_INLINE void pool_1(const pool_t *p, const uint8_t *const rows[], uint32_t at, uint8_t *out)
{
    int32_t largest = load_8bit(rows[0], at, p->type), sum = 0;
    for (uint32_t i = 0; i < p->kernel; i++) {
        for (uint32_t j = 0; j < p->kernel; j++) {
            const int32_t value = load_8bit(rows[i], at + j * p->channels, p->type);
            largest = value > largest ? value : largest;
            sum += value;
        }
    }
    store_saturated(out, 0, p->is_largest ? largest : requantise(sum, p->multiplier, 0), p->type);
}

// `pixels` pixels of output; rows: for each row of the windows the first column that they look at.
ALWAYS_INLINE void pool_pixels(const pool_t *p, const uint8_t *const rows[], uint32_t pixels, uint8_t *out)
{
    for (uint32_t x = 0; x < pixels; x++, out += p->channels) {
        const uint32_t at = x * p->stride * p->channels;
        uint32_t ch = 0;
#if HIL_DSP
        for (; ch + 4 <= p->channels; ch += 4) {
            pool_4(p, rows, at + ch, out + ch);
        }
#endif
        for (; ch < p->channels; ch++) {
            pool_1(p, rows, at + ch, out + ch);
        }
    }
}

#endif
