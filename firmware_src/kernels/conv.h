// Dense convolutions, a row of output at a time: 1x1, 3x3 and larger, any stride.
//
// Every call passes a constant conv_t and the functions are always inlined, so each layer gets loops of its own shape.
#ifndef CONV_H
#define CONV_H

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
    uint16_t chunk;             // pixels that are widened at once; 0: the shape is not one for conv_3x2
    void *scratch;              // a conv_group_t, then the pixels: int16_t [kernel][columns][channels_in]
} conv_t;

// Two weight vectors times two pixel vectors: acc[2 * output + pixel].
#if HIL_DSP
ALWAYS_INLINE void dot_2x2(const int8_t *w0, const int8_t *w1, const uint8_t *x0, const uint8_t *x1, uint32_t length,
                           type_t type, int32_t acc[4])
{
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    uint32_t i = 0;
    for (; i + 4 <= length; i += 4) {
        const uint32_t w0_4 = load_word(w0 + i), w1_4 = load_word(w1 + i);
        const uint32_t x0_4 = load_word(x0 + i), x1_4 = load_word(x1 + i);
        const int16x2_t w0_even = widen_even(w0_4, true), w0_odd = widen_odd(w0_4, true);
        const int16x2_t w1_even = widen_even(w1_4, true), w1_odd = widen_odd(w1_4, true);
        const int16x2_t x0_even = widen_even(x0_4, type == TYPE_S8), x0_odd = widen_odd(x0_4, type == TYPE_S8);
        const int16x2_t x1_even = widen_even(x1_4, type == TYPE_S8), x1_odd = widen_odd(x1_4, type == TYPE_S8);
        a0 = __smlad(w0_even, x0_even, a0);
        a1 = __smlad(w0_even, x1_even, a1);
        a2 = __smlad(w1_even, x0_even, a2);
        a3 = __smlad(w1_even, x1_even, a3);
        a0 = __smlad(w0_odd, x0_odd, a0);
        a1 = __smlad(w0_odd, x1_odd, a1);
        a2 = __smlad(w1_odd, x0_odd, a2);
        a3 = __smlad(w1_odd, x1_odd, a3);
    }
    for (; i < length; i++) {
        const int32_t v0 = load_8bit(x0, i, type), v1 = load_8bit(x1, i, type);
        a0 += w0[i] * v0;
        a1 += w0[i] * v1;
        a2 += w1[i] * v0;
        a3 += w1[i] * v1;
    }
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}
#else
ALWAYS_INLINE int32_t dot(const int8_t *w, const uint8_t *x, uint32_t length, type_t type)
{
    int32_t acc = 0;
    for (uint32_t i = 0; i < length; i++) {
        acc += (int16_t)w[i] * (int16_t)load_8bit(x, i, type);
    }
    return acc;
}

ALWAYS_INLINE void dot_2x2(const int8_t *w0, const int8_t *w1, const uint8_t *x0, const uint8_t *x1, uint32_t length,
                           type_t type, int32_t acc[4])
{
    acc[0] += dot(w0, x0, length, type);
    acc[1] += dot(w0, x1, length, type);
    acc[2] += dot(w1, x0, length, type);
    acc[3] += dot(w1, x1, length, type);
}
#endif

// Two pixels (columns p0 and p1) of two output channels (o0 and o1). An odd row or channel count repeats the last one.
ALWAYS_INLINE void conv_2x2(const conv_t *c, const uint8_t *const rows[], void *out, uint32_t o0, uint32_t o1, uint32_t p0,
                            uint32_t p1)
{
    const uint32_t length = (uint32_t)c->kernel * c->channels_in;
    const uint32_t step = (uint32_t)c->stride * c->channels_in;
    const int8_t *w0 = c->weight + o0 * c->kernel * length, *w1 = c->weight + o1 * c->kernel * length;
    int32_t acc[4] = {c->bias[o0], c->bias[o0], c->bias[o1], c->bias[o1]};
    for (uint32_t k = 0; k < c->kernel; k++) {
        dot_2x2(w0 + k * length, w1 + k * length, rows[k] + p0 * step, rows[k] + p1 * step, length, c->input, acc);
    }
    store_saturated(out, p0 * c->channels_out + o0, requantise(acc[0], c->multiplier[o0], c->shift), c->output);
    store_saturated(out, p1 * c->channels_out + o0, requantise(acc[1], c->multiplier[o0], c->shift), c->output);
    store_saturated(out, p0 * c->channels_out + o1, requantise(acc[2], c->multiplier[o1], c->shift), c->output);
    store_saturated(out, p1 * c->channels_out + o1, requantise(acc[3], c->multiplier[o1], c->shift), c->output);
}

#if HIL_DSP
// Columns of input that `pixels` neighbouring outputs look at.
ALWAYS_INLINE uint32_t conv_columns(const conv_t *c, uint32_t pixels)
{
    return (pixels - 1) * c->stride + c->kernel;
}

// Bytes to halfwords, in the order 0 2 1 3 of each four. Pointers that move, because a store to an address with a
// register in it takes a second cycle.
ALWAYS_INLINE void conv_widen(const uint8_t *from, uint32_t count, type_t type, int16_t *to)
{
    const uint8_t *const end = from + count;
    int16x2_t *words = (int16x2_t *)(void *)to;
#pragma GCC unroll 4
    for (; from != end; from += 4, words += 2) {
        const uint32_t bytes = load_word(from);
        words[0] = widen_even(bytes, type == TYPE_S8);
        words[1] = widen_odd(bytes, type == TYPE_S8);
    }
}

// The weights of three outputs with `taps` each, word by word beside each other as conv_3x2 reads them.
ALWAYS_INLINE void conv_widen_weights(const int8_t *weights, uint32_t taps, int16_t *to)
{
    for (uint32_t i = 0; i < taps; i += 4, to += 12) {
        const uint32_t w0 = load_word(weights + i), w1 = load_word(weights + taps + i), w2 = load_word(weights + 2 * taps + i);
        const int16x2_t halves[6] = {
            widen_even(w0, true), widen_even(w1, true), widen_even(w2, true),
            widen_odd(w0, true),  widen_odd(w1, true),  widen_odd(w2, true),
        };
        memcpy(to, halves, sizeof halves);
    }
}

// One kernel row's share of three outputs for two pixels: acc[2 * output + pixel]. weights: [words][3], pixels: [words],
// the second pixel `pitch` bytes behind the first. Five loads from one memory overlap, so they cost 6 cycles and feed 6
// SMLADs; 13 registers is all the core has to spare, so one of the FPU keeps where to stop. Aligned, with all instructions
// 32 bits wide, the fetch just keeps up: a loop that starts at a halfword takes 14 cycles a word instead of 12.
ALWAYS_INLINE void conv_dot_3x2(const int16_t *weights, const int16_t *pixels, uint32_t words, uint32_t pitch, int32_t acc[6])
{
    const uint32_t unroll = words % 16 == 0 ? 16 : words % 12 == 0 ? 12 : words % 8 == 0 ? 8 : words % 4 == 0 ? 4 : 2;
    const int16_t *const end = pixels + 2 * words;
    float kept_end;
    memcpy(&kept_end, &end, sizeof kept_end);
    int32_t a0 = acc[0], a1 = acc[1], b0 = acc[2], b1 = acc[3], c0 = acc[4], c1 = acc[5], w0, w1, w2, x0, x1;
    __asm__ volatile(
            ".p2align 2\n\t"
            "1:\n\t"
            ".set offset, 0\n\t"
            ".rept %c[unroll]\n\t"
            "ldr.w %[w0], [%[w], #3 * offset]\n\t"
            "ldr.w %[w1], [%[w], #3 * offset + 4]\n\t"
            "ldr.w %[w2], [%[w], #3 * offset + 8]\n\t"
            "ldr.w %[x0], [%[x], #offset]\n\t"
            "ldr.w %[x1], [%[x], #offset + %c[pitch]]\n\t"
            "smlad %[a0], %[w0], %[x0], %[a0]\n\t"
            "smlad %[a1], %[w0], %[x1], %[a1]\n\t"
            "smlad %[b0], %[w1], %[x0], %[b0]\n\t"
            "smlad %[b1], %[w1], %[x1], %[b1]\n\t"
            "smlad %[c0], %[w2], %[x0], %[c0]\n\t"
            "smlad %[c1], %[w2], %[x1], %[c1]\n\t"
            ".set offset, offset + 4\n\t"
            ".endr\n\t"
            ".if %c[words] != %c[unroll]\n\t"
            "vmov %[w0], %[end]\n\t"
            "add %[w], #12 * %c[unroll]\n\t"
            "add %[x], #4 * %c[unroll]\n\t"
            "cmp %[x], %[w0]\n\t"
            "bne 1b\n\t"
            ".endif" EMPTY_LINES_192
            : [a0] "+r"(a0), [a1] "+r"(a1), [b0] "+r"(b0), [b1] "+r"(b1), [c0] "+r"(c0), [c1] "+r"(c1), [w0] "=&r"(w0),
              [w1] "=&r"(w1), [w2] "=&r"(w2), [x0] "=&r"(x0), [x1] "=&r"(x1), [w] "+r"(weights), [x] "+r"(pixels)
            : [end] "t"(kept_end), [words] "i"(words), [unroll] "i"(unroll), [pitch] "i"(pitch)
            : "cc", "memory");
    acc[0] = a0, acc[1] = a1, acc[2] = b0, acc[3] = b1, acc[4] = c0, acc[5] = c1;
}

// What conv_3x2 reads of three neighbouring outputs, at the start of the scratch memory.
typedef struct {
    int32_t bias[3];
    int32_t multiplier[3];
    int16_t weights[];  // [kernel][words][3][2]
} conv_group_t;

// Three outputs for two neighbouring pixels of a chunk whose rows of input are `columns` wide.
ALWAYS_INLINE void conv_3x2(const conv_t *c, const conv_group_t *group, const int16_t *pixels, uint32_t columns, void *out)
{
    const uint32_t words = (uint32_t)c->kernel * c->channels_in / 2, pitch = 2u * c->stride * c->channels_in;
    int32_t acc[6];
    for (uint32_t i = 0; i < 6; i++) {
        acc[i] = group->bias[i / 2];
    }
    if (c->kernel == 1) {
        conv_dot_3x2(group->weights, pixels, words, pitch, acc);
    } else {
#pragma GCC unroll 1
        for (uint32_t k = 0; k < c->kernel; k++) {
            conv_dot_3x2(group->weights + 6 * words * k, pixels + k * columns * c->channels_in, words, pitch, acc);
        }
    }
    for (uint32_t i = 0; i < 6; i++) {
        const int32_t value = requantise(acc[i], group->multiplier[i / 2], c->shift);
        store_saturated(out, (i % 2) * c->channels_out + i / 2, value, c->output);
    }
}

// Outputs `first` to `first` + `count` of a row. The last three channels and the last two pixels reach back over ones that
// are done already where the numbers do not come out even.
ALWAYS_INLINE void conv_chunk(const conv_t *c, const uint8_t *const rows[], uint32_t first, uint32_t count, uint8_t *out)
{
    const uint32_t taps = (uint32_t)c->kernel * c->kernel * c->channels_in, columns = conv_columns(c, count);
    const uint32_t itemsize = c->output == TYPE_S16 ? 2 : 1, pitch = c->channels_out * itemsize;
    conv_group_t *group = (conv_group_t *)(void *)c->scratch;
    int16_t *pixels = group->weights + 3 * taps;
    for (uint32_t k = 0; k < c->kernel; k++) {
        const uint8_t *row = rows[k] + first * c->stride * c->channels_in;
        conv_widen(row, columns * c->channels_in, c->input, pixels + k * columns * c->channels_in);
    }
    out += first * pitch;
#pragma GCC unroll 1
    for (uint32_t o = 0; o < c->channels_out; o += 3) {
        const uint32_t output = o + 3 <= c->channels_out ? o : c->channels_out - 3u;
        memcpy(group->bias, c->bias + output, sizeof group->bias);
        memcpy(group->multiplier, c->multiplier + output, sizeof group->multiplier);
        conv_widen_weights(c->weight + output * taps, taps, group->weights);
        const int16_t *from = pixels;
        uint8_t *to = out + output * itemsize, *const end = to + (count & ~1u) * pitch;
#pragma GCC unroll 1
        for (; to != end; from += 2 * c->stride * c->channels_in, to += 2 * pitch) {
            conv_3x2(c, group, from, columns, to);
        }
        if (count % 2 != 0) {
            conv_3x2(c, group, from - c->stride * c->channels_in, columns, to - pitch);
        }
    }
}
#endif

// One row of output from `kernel` padded rows of input.
ALWAYS_INLINE void conv_row(const conv_t *c, const uint8_t *const rows[], void *out)
{
#if HIL_DSP
    if (c->chunk != 0) {
#pragma GCC unroll 1
        for (uint32_t first = 0; first < c->width_out; first += c->chunk) {
            const uint32_t left = c->width_out - first;
            conv_chunk(c, rows, first, left < c->chunk ? left : c->chunk, out);
        }
        return;
    }
#endif
    for (uint32_t o0 = 0; o0 < c->channels_out; o0 += 2) {
        const uint32_t o1 = o0 + 1 < c->channels_out ? o0 + 1 : o0;
        for (uint32_t p0 = 0; p0 < c->width_out; p0 += 2) {
            conv_2x2(c, rows, out, o0, o1, p0, p0 + 1 < c->width_out ? p0 + 1 : p0);
        }
    }
}

#endif
