// Convolutions of few taps to 8 bits: two pixels wait in the FPU's registers while the weights of all outputs stream past them.
// Of a 1x1 convolution the taps are a pixel's channels; of another one they are collected, of an RGB image's straight into these
// registers.
#ifndef CONV_STREAMED_H
#define CONV_STREAMED_H

#include "conv_fours.h"
#include "conv_widen.h"

enum { CONV_STREAMED_TAPS = 32 };  // at most: two pixels of them fill the FPU's registers

#if HIL_DSP
// Taps of an output, a multiple of four and 32 at most.
ALWAYS_INLINE uint32_t conv_streamed_taps(const conv_t *c)
{
    return c->loop == CONV_COLLECTED ? conv_collected_taps(c) : c->channels_in;
}

// What streams past, int32: for each four outputs their biases, widened weights, multipliers, the place in the output where the
// next pair of pixels goes, and whether more outputs follow. Behind it lies the pair of widened pixels, if it waits
// in memory.
ALWAYS_INLINE uint32_t conv_streamed_words(const conv_t *c)
{
    return 2 * conv_streamed_taps(c) + 10;
}

// A word of both pixels times those of four outputs' weights.
#define CONV_STREAMED_WORD(number, x0, x1)              \
    ".if " #number " < %c[words]\n\t"                  \
    "ldmia.w r11!, {r8, r9, r10, r12}\n\t"            \
    "vmov lr, " #x0 "\n\t"                            \
    "smlad r0, r8, lr, r0\n\t"                        \
    "smlad r2, r9, lr, r2\n\t"                        \
    "smlad r4, r10, lr, r4\n\t"                       \
    "smlad r6, r12, lr, r6\n\t"                       \
    "vmov lr, " #x1 "\n\t"                            \
    "smlad r1, r8, lr, r1\n\t"                        \
    "smlad r3, r9, lr, r3\n\t"                        \
    "smlad r5, r10, lr, r5\n\t"                       \
    "smlad r7, r12, lr, r7\n\t"                       \
    ".endif\n\t"

// All outputs in the stream, from r11 on, of a pair of pixels that are there. The places move on by two pixels.
//
// A word of a pixel costs a cycle from the FPU, and no pointer, so there are registers for four weights beside eight sums: 15
// cycles for 8 SMLADs.
#define CONV_STREAMED_RECORDS                                                                     \
    ".p2align 4\n\t"                                                                             \
    "1:\n\t"                                                                                     \
    "ldmia.w r11!, {r0, r2, r4, r6}\n\t"                                                         \
    "mov r1, r0\n\t"                                                                             \
    "mov r3, r2\n\t"                                                                             \
    "mov r5, r4\n\t"                                                                             \
    "mov r7, r6\n\t"                                                                             \
    CONV_STREAMED_WORD(0, s0, s16)                                                               \
    CONV_STREAMED_WORD(1, s1, s17)                                                               \
    CONV_STREAMED_WORD(2, s2, s18)                                                               \
    CONV_STREAMED_WORD(3, s3, s19)                                                               \
    CONV_STREAMED_WORD(4, s4, s20)                                                               \
    CONV_STREAMED_WORD(5, s5, s21)                                                               \
    CONV_STREAMED_WORD(6, s6, s22)                                                               \
    CONV_STREAMED_WORD(7, s7, s23)                                                               \
    CONV_STREAMED_WORD(8, s8, s24)                                                               \
    CONV_STREAMED_WORD(9, s9, s25)                                                               \
    CONV_STREAMED_WORD(10, s10, s26)                                                             \
    CONV_STREAMED_WORD(11, s11, s27)                                                             \
    CONV_STREAMED_WORD(12, s12, s28)                                                             \
    CONV_STREAMED_WORD(13, s13, s29)                                                             \
    CONV_STREAMED_WORD(14, s14, s30)                                                             \
    CONV_STREAMED_WORD(15, s15, s31)                                                             \
    "ldmia.w r11!, {r8, r9, r10, r12}\n\t"                                                       \
    ".if %c[shift]\n\t"                                                                          \
    ".irp sum, r0, r1, r2, r3, r4, r5, r6, r7\n\t"                                               \
    "lsl.w \\sum, \\sum, #%c[shift]\n\t"                                                         \
    ".endr\n\t"                                                                                  \
    ".endif\n\t"                                                                                 \
    "smmulr r0, r0, r8\n\t"                                                                      \
    "smmulr r1, r1, r8\n\t"                                                                      \
    "smmulr r2, r2, r9\n\t"                                                                      \
    "smmulr r3, r3, r9\n\t"                                                                      \
    "smmulr r4, r4, r10\n\t"                                                                     \
    "smmulr r5, r5, r10\n\t"                                                                     \
    "smmulr r6, r6, r12\n\t"                                                                     \
    "smmulr r7, r7, r12\n\t"                                                                     \
    "ldmia.w r11!, {r8, r9}\n\t"                                                                 \
    CONV_FOURS_SATURATE("r0", "r2", "r4", "r6")                                                  \
    CONV_FOURS_SATURATE("r1", "r3", "r5", "r7")                                                  \
    CONV_FOURS_STORE_PAIR("r0", "r2", "r4", "r6", "r1", "r3", "r5", "r7", "r8")                  \
    "str r8, [r11, #-8]\n\t"                                                                     \
    "cmp.w r9, #0\n\t"                                                                           \
    "bne.w 1b\n\t"
#define CONV_STREAMED_REGISTERS                                                                                            \
    "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r12", "lr", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", \
        "s10", "s11", "s12", "s13", "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25",       \
        "s26", "s27", "s28", "s29", "s30", "s31", "cc", "memory"

// Of a pair of widened pixels.
ALWAYS_INLINE void conv_streamed_pair(const conv_t *c, int32_t *stream, const int16_t *pair)
{
    register int32_t *record __asm__("r11") = stream;
    register const int16_t *pixels __asm__("r0") = pair;
    __asm__ volatile(
        "vldmia r0!, {s0-s%c[last]}\n\t"
        "vldmia r0!, {s16-s%c[last_16]}\n\t"
        CONV_FOURS_CHOOSE("r1")
        CONV_STREAMED_RECORDS EMPTY_LINES_192
        : "+r"(record), "+r"(pixels)
        : [words] "i"(conv_streamed_taps(c) / 2), [last] "i"(conv_streamed_taps(c) / 2 - 1),
          [last_16] "i"(conv_streamed_taps(c) / 2 + 15),
          CONV_FOURS_OPERANDS(c)
        : "r1", "r2", CONV_STREAMED_REGISTERS);
}

// A kernel row of nine bytes: four words of two taps each to a and b, c and d, the ninth tap to `last`.
#define CONV_COLLECT_NINE(row, offset, last, a, b, c, d)        \
    "ldr r3, [" row ", #" offset "]\n\t"                      \
    "ldr r5, [" row ", #" offset " + 4]\n\t"                  \
    ".if %c[input_signed]\n\t"                                \
    "ldrsb.w " last ", [" row ", #" offset " + 8]\n\t"        \
    "sxtb16 r4, r3, ror #8\n\t"                               \
    "sxtb16 r3, r3\n\t"                                       \
    "sxtb16 r6, r5, ror #8\n\t"                               \
    "sxtb16 r5, r5\n\t"                                       \
    ".else\n\t"                                               \
    "ldrb.w " last ", [" row ", #" offset " + 8]\n\t"         \
    "uxtb16 r4, r3, ror #8\n\t"                               \
    "uxtb16 r3, r3\n\t"                                       \
    "uxtb16 r6, r5, ror #8\n\t"                               \
    "uxtb16 r5, r5\n\t"                                       \
    ".endif\n\t"                                              \
    "vmov " #a ", " #b ", r3, r4\n\t"                         \
    "vmov " #c ", " #d ", r5, r6\n\t"
#define CONV_COLLECT_LAST(a, b)                                 \
    "pkhbt r8, r8, r10, lsl #16\n\t"                          \
    "uxth r9, r9\n\t"                                         \
    "vmov " #a ", " #b ", r8, r9\n\t"

// Of `pairs` pairs of pixels of a 3x3 kernel over three channels, as an image has, whose taps come straight from their rows, in
// the order of conv_collect. at: columns before them, times the input's channels.
ALWAYS_INLINE void conv_streamed_colours(const conv_t *c, const uint8_t *const rows[], uint32_t at, uint32_t pairs,
                                         int32_t *stream)
{
    const uint32_t step = (uint32_t)c->stride * c->channels_in;
    register const uint8_t *row0 __asm__("r0") = rows[0] + at;
    register const uint8_t *row1 __asm__("r1") = rows[1] + at;
    register const uint8_t *row2 __asm__("r2") = rows[2] + at;
    register int32_t *record __asm__("r11") = stream;
    const uint8_t *const end = row0 + 2 * step * pairs;
    do {
        __asm__ volatile(
            CONV_COLLECT_NINE("r0", "0", "r8", s0, s1, s2, s3)
            CONV_COLLECT_NINE("r1", "0", "r9", s4, s5, s6, s7)
            CONV_COLLECT_NINE("r2", "0", "r10", s8, s9, s10, s11)
            CONV_COLLECT_LAST(s12, s13)
            CONV_COLLECT_NINE("r0", "%c[step]", "r8", s16, s17, s18, s19)
            CONV_COLLECT_NINE("r1", "%c[step]", "r9", s20, s21, s22, s23)
            CONV_COLLECT_NINE("r2", "%c[step]", "r10", s24, s25, s26, s27)
            CONV_COLLECT_LAST(s28, s29)
            "add.w r0, r0, #2 * %c[step]\n\t"
            "add.w r1, r1, #2 * %c[step]\n\t"
            "add.w r2, r2, #2 * %c[step]\n\t"
            "vmov s14, s15, r0, r1\n\t"
            "vmov s30, s31, r2, r11\n\t"
            CONV_FOURS_CHOOSE("r1")
            CONV_STREAMED_RECORDS
            "vmov r0, r1, s14, s15\n\t"
            "vmov r2, r11, s30, s31" EMPTY_LINES_192 EMPTY_LINES_64
            : "+r"(row0), "+r"(row1), "+r"(row2), "+r"(record)
            : [step] "i"(step), [input_signed] "i"(c->input == TYPE_S8), [words] "i"(conv_streamed_taps(c) / 2),
              CONV_FOURS_OPERANDS(c)
            : CONV_STREAMED_REGISTERS);
    } while (row0 != end);
}

// The stream of outputs `first` to `first` + `count`; out: the first pixel.
ALWAYS_INLINE void conv_streamed_fill(const conv_t *c, uint32_t first, uint32_t count, uint8_t *out, int32_t *stream)
{
    const uint32_t taps = conv_streamed_taps(c);
    const int8_t *weights = c->loop == CONV_COLLECTED ? c->collected : c->weight;
#pragma GCC unroll 1
    for (uint32_t o = first; o < first + count; o += 4, stream += conv_streamed_words(c)) {
        int32_t *end = stream + 4 + 2 * taps;
        memcpy(stream, c->bias + o, 16);
        conv_widen_fours(weights + o * taps, taps, (int16_t *)(stream + 4));
        memcpy(end, c->multiplier + o, 16);
        end[4] = (int32_t)(uintptr_t)(out + o);
        end[5] = o + 4 < first + count;
    }
}

// The taps of a pixel, widened, in the order of conv_collected_taps, of each four 0, 2, 1, 3. at: columns before it, times the
// input's channels.
ALWAYS_INLINE void conv_collect(const conv_t *c, const uint8_t *const rows[], uint32_t at, int16_t *to)
{
    const uint32_t row = (uint32_t)c->kernel * c->channels_in, left = row % 4, fours = row / 4;
    int16x2_t *words = (int16x2_t *)(void *)to;
    int16x2_t rest[CONV_STREAMED_TAPS] = {0};
    for (uint32_t k = 0; k < c->kernel; k++) {
        const uint8_t *from = rows[k] + at;
        for (uint32_t i = 0; i < fours; i++, from += 4) {
            const uint32_t bytes = load_word(from);
            *words++ = widen_even(bytes, c->input == TYPE_S8);
            *words++ = widen_odd(bytes, c->input == TYPE_S8);
        }
        for (uint32_t i = 0; i < left; i++) {
            rest[k * left + i] = load_8bit(from, i, c->input);
        }
    }
    for (uint32_t i = 0; i < left * c->kernel; i += 4) {
        *words++ = lower_halves(rest[i], rest[i + 2]);
        *words++ = lower_halves(rest[i + 1], rest[i + 3]);
    }
}

// Two pixels' taps, widened.
ALWAYS_INLINE void conv_streamed_pixels(const conv_t *c, const uint8_t *const rows[], uint32_t pixel, int16_t *pair)
{
    const uint32_t step = c->stride * c->channels_in, taps = conv_streamed_taps(c);
    if (c->loop == CONV_COLLECTED) {
        conv_collect(c, rows, pixel * step, pair);
        conv_collect(c, rows, (pixel + 1) * step, pair + taps);
    } else if (c->stride == 1) {
        conv_widen(rows[0] + pixel * step, 2 * taps, c->input, pair);
    } else {
        conv_widen(rows[0] + pixel * step, taps, c->input, pair);
        conv_widen(rows[0] + (pixel + 1) * step, taps, c->input, pair + taps);
    }
}

// The outputs in the stream of `pairs` pairs of pixels.
ALWAYS_INLINE void conv_streamed_pairs(const conv_t *c, const uint8_t *const rows[], uint32_t pixel, uint32_t pairs,
                                       int32_t *stream)
{
    if (c->loop == CONV_COLLECTED && c->kernel == 3 && c->channels_in == 3) {
        conv_streamed_colours(c, rows, pixel * c->stride * c->channels_in, pairs, stream);
        return;
    }
    int16_t *const pair = (int16_t *)(stream + c->chunk / 4 * conv_streamed_words(c));
#pragma GCC unroll 1
    for (const uint32_t end = pixel + 2 * pairs; pixel < end; pixel += 2) {
        conv_streamed_pixels(c, rows, pixel, pair);
        conv_streamed_pair(c, stream, pair);
    }
}

// `pixels` pixels of output, two at least, of as many outputs at a time as the stream holds. Of an odd number the first pair is
// followed by one that begins with its second pixel.
ALWAYS_INLINE void conv_streamed(const conv_t *c, const uint8_t *const rows[], uint32_t pixels, uint8_t *out)
{
    int32_t *const stream = c->scratch;
#pragma GCC unroll 1
    for (uint32_t first = 0, count; first < c->channels_out; first += count) {
        count = c->channels_out - first < c->chunk ? c->channels_out - first : c->chunk;
        conv_streamed_fill(c, first, count, out, stream);
        uint32_t again = pixels % 2;
#pragma GCC unroll 1
        for (uint32_t pixel = 0, pairs; pixel < pixels; pixel += 2 * pairs - again, again = 0) {
            pairs = again ? 1 : (pixels - pixel) / 2;
            conv_streamed_pairs(c, rows, pixel, pairs, stream);
            for (uint32_t i = 1; again && i <= count / 4; i++) {
                stream[i * conv_streamed_words(c) - 2] -= c->channels_out;
            }
        }
    }
}
#endif

#endif
