// Depthwise convolutions, a row of output at a time.
#ifndef DEPTHWISE_H
#define DEPTHWISE_H

#include "tensor.h"

typedef struct {
    uint16_t channels;
    uint16_t width_out;
    uint8_t kernel;
    uint8_t stride;
    type_t input;
    type_t output;
    uint8_t shift;
    const int8_t *weight;       // [kernel][kernel][channels]
    const int32_t *bias;        // [channels]
    const int32_t *multiplier;  // [channels]
} depthwise_t;

ALWAYS_INLINE void depthwise_channel(const depthwise_t *d, const uint8_t *const rows[], void *out, uint32_t pixel, uint32_t ch)
{
    int32_t acc = d->bias[ch];
    for (uint32_t i = 0; i < d->kernel; i++) {
        for (uint32_t j = 0; j < d->kernel; j++) {
            const uint32_t x = (pixel * d->stride + j) * d->channels + ch;
            acc += d->weight[(i * d->kernel + j) * d->channels + ch] * load_8bit(rows[i], x, d->input);
        }
    }
    store_saturated(out, pixel * d->channels + ch, requantise(acc, d->multiplier[ch], d->shift), d->output);
}

#if HIL_DSP
enum { DEPTHWISE_MAX_KERNEL = 5 };

// The constants of four neighbouring channels, copied from flash once a row: for each tap the weights of channels 0 and 2,
// then of 1 and 3.
typedef struct {
    int32_t bias[4];
    int32_t multiplier[4];
    int16x2_t weights[DEPTHWISE_MAX_KERNEL * DEPTHWISE_MAX_KERNEL][2];
} depthwise_group_t;

// One kernel row of four channels: acc[channel]. Left to itself gcc spreads the multiplications so far that it spills.
ALWAYS_INLINE void depthwise_taps(const depthwise_t *d, const uint8_t *row, const int16x2_t (*weights)[2], int32_t acc[4])
{
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3], even, odd, w_even, w_odd;
    __asm__ volatile(
        ".set tap, 0\n\t"
        ".rept %c[kernel]\n\t"
        "ldr.w %[even], [%[row], #tap * %c[channels]]\n\t"
        "ldr.w %[w_even], [%[w], #tap * 8]\n\t"
        "ldr.w %[w_odd], [%[w], #tap * 8 + 4]\n\t"
        ".if %c[is_signed]\n\t"
        "sxtb16 %[odd], %[even], ror #8\n\t"
        "sxtb16 %[even], %[even]\n\t"
        ".else\n\t"
        "uxtb16 %[odd], %[even], ror #8\n\t"
        "uxtb16 %[even], %[even]\n\t"
        ".endif\n\t"
        "smlabb %[a0], %[even], %[w_even], %[a0]\n\t"
        "smlatt %[a2], %[even], %[w_even], %[a2]\n\t"
        "smlabb %[a1], %[odd], %[w_odd], %[a1]\n\t"
        "smlatt %[a3], %[odd], %[w_odd], %[a3]\n\t"
        ".set tap, tap + 1\n\t"
        ".endr" EMPTY_LINES_64
        : [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), [even] "=&r"(even), [odd] "=&r"(odd),
          [w_even] "=&r"(w_even), [w_odd] "=&r"(w_odd)
        : [row] "r"(row), [w] "r"(weights), [kernel] "i"(d->kernel), [channels] "i"(d->channels),
          [is_signed] "i"(d->input == TYPE_S8)
        : "memory");
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}

// One row of output for channels `ch` to `ch` + 4.
ALWAYS_INLINE void depthwise_row_of_4(const depthwise_t *d, const uint8_t *const rows[], uint32_t ch, uint8_t *out)
{
    const uint32_t pitch = d->channels * (d->output == TYPE_S16 ? 2u : 1u), step = d->stride * d->channels;
    depthwise_group_t group;
    memcpy(group.bias, d->bias + ch, sizeof group.bias);
    memcpy(group.multiplier, d->multiplier + ch, sizeof group.multiplier);
    for (uint32_t tap = 0; tap < (uint32_t)d->kernel * d->kernel; tap++) {
        const uint32_t bytes = load_word(d->weight + tap * d->channels + ch);
        group.weights[tap][0] = widen_even(bytes, true);
        group.weights[tap][1] = widen_odd(bytes, true);
    }
#pragma GCC unroll 1
    for (uint32_t x = 0; x < d->width_out * step; x += step, out += pitch) {
        int32_t acc[4] = {group.bias[0], group.bias[1], group.bias[2], group.bias[3]};
#pragma GCC unroll 5
        for (uint32_t i = 0; i < d->kernel; i++) {
            depthwise_taps(d, rows[i] + x + ch, &group.weights[i * d->kernel], acc);
        }
#pragma GCC unroll 4
        for (uint32_t i = 0; i < 4; i++) {
            store_saturated(out, i, requantise(acc[i], group.multiplier[i], d->shift), d->output);
        }
    }
}
#endif

// One row of output from `kernel` padded rows of input.
ALWAYS_INLINE void depthwise_row(const depthwise_t *d, const uint8_t *const rows[], void *out)
{
#if HIL_DSP
    if (d->channels % 4 == 0 && d->kernel <= DEPTHWISE_MAX_KERNEL) {
#pragma GCC unroll 1
        for (uint32_t ch = 0; ch < d->channels; ch += 4) {
            depthwise_row_of_4(d, rows, ch, (uint8_t *)out + ch * (d->output == TYPE_S16 ? 2u : 1u));
        }
        return;
    }
#endif
    for (uint32_t pixel = 0; pixel < d->width_out; pixel++) {
        for (uint32_t ch = 0; ch < d->channels; ch++) {
            depthwise_channel(d, rows, out, pixel, ch);
        }
    }
}

#endif
