// W x of 8-bit pixels, the input of RNNPool's first RNN.
#ifndef FASTGRNN_PIXELS_H
#define FASTGRNN_PIXELS_H

#include "fastgrnn_cell.h"

// The weights lie as the loop over two units reads them: of each pair of rows, four inputs of the one and four of the other in
// turn. Rows end with zeros where the inputs are no multiple of four, an odd number of rows with a row of zeros.
ALWAYS_INLINE uint32_t pixel_groups(const cell_t *c)
{
    return (c->inputs + 3u) / 4u;
}

// wx = W x of a pixel.
ALWAYS_INLINE void cell_project_pixel(const cell_t *c, const uint8_t *x, type_t type, int16_t *wx)
{
    for (uint32_t j = 0; j < c->hidden; j++) {
        const int16_t *w = c->w + (j / 2 * pixel_groups(c) * 2 + j % 2) * 4;
        int32_t acc = c->offset[j];
        for (uint32_t first = 0; first < c->inputs; first += 4, w += 8) {
            const uint32_t end = c->inputs - first < 4 ? c->inputs - first : 4;
            for (uint32_t i = 0; i < end; i++) {
                acc += w[i] * load_8bit(x, first + i, type);
            }
        }
        wx[j] = (int16_t)SATURATE_SHIFTED(acc, c->w_shift, 16);
    }
}

#if HIL_DSP
// Groups of four channels that cell_project_wide_pixels takes one after the other, and, of more, those that it takes in a round:
// so its code is smaller than the instruction cache.
enum { MAX_GROUPS = 16, ROUND_GROUPS = 8 };

// Four channels of a pixel in the order of the weights, channel 0 in the lower half of the first word.
ALWAYS_INLINE void widen_pixel(uint32_t bytes, type_t type, int16x2_t words[2])
{
    const int16x2_t even = widen_even(bytes, type == TYPE_S8), odd = widen_odd(bytes, type == TYPE_S8);
    words[0] = lower_halves(even, odd);
    words[1] = upper_halves(even, odd);
}

// wx of two neighbouring pixels of three or four channels, two units at a time; the number of units is even. Of three channels
// a fourth is read with the first pixel, which meets a weight of zero.
ALWAYS_INLINE void cell_project_two_pixels(const cell_t *c, const uint8_t *x, type_t type, int16_t *wx)
{
    int16x2_t first[2], second[2];
    widen_pixel(load_word(x), type, first);
    widen_pixel(c->inputs == 4 ? load_word(x + 4) : load_word(x + 2) >> 8, type, second);
    register int16x2_t x0 __asm__("r0") = first[0], x1 __asm__("r1") = first[1];
    register int16x2_t y0 __asm__("r2") = second[0], y1 __asm__("r3") = second[1];
    register const int16_t *w __asm__("r11") = c->w;
    register const int32_t *offset __asm__("r12") = c->offset;
    register int16_t *to __asm__("lr") = wx;
    float kept_end;
    const int16_t *const end = wx + c->hidden;
    memcpy(&kept_end, &end, sizeof kept_end);
    __asm__ volatile(
        ".p2align 2\n\t"
        "1:\n\t"
        "ldmia r11!, {r4-r7}\n\t"
        "ldmia r12!, {r8, r9}\n\t"
        "smlad r10, r4, r0, r8\n\t"
        "smlad r8, r4, r2, r8\n\t"
        "smlad r4, r6, r0, r9\n\t"
        "smlad r9, r6, r2, r9\n\t"
        "smlad r10, r5, r1, r10\n\t"
        "smlad r8, r5, r3, r8\n\t"
        "smlad r4, r7, r1, r4\n\t"
        "smlad r9, r7, r3, r9\n\t"
        "ssat r10, #16, r10, asr %[shift]\n\t"
        "ssat r8, #16, r8, asr %[shift]\n\t"
        "ssat r4, #16, r4, asr %[shift]\n\t"
        "ssat r9, #16, r9, asr %[shift]\n\t"
        "pkhbt r10, r10, r4, lsl #16\n\t"
        "pkhbt r8, r8, r9, lsl #16\n\t"
        "vmov r4, %[end]\n\t"
        "str.w r8, [lr, %[pitch]]\n\t"
        "str.w r10, [lr], #4\n\t"
        "cmp lr, r4\n\t"
        "bne 1b"
        : "+r"(w), "+r"(offset), "+r"(to)
        : "r"(x0), "r"(x1), "r"(y0), "r"(y1), [end] "t"(kept_end), [shift] "I"(c->w_shift), [pitch] "I"(2 * c->hidden)
        : "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory");
}

// Groups that are taken in rounds.
ALWAYS_INLINE uint32_t round_groups(const cell_t *c)
{
    const uint32_t groups = c->inputs / 4u;
    return groups <= MAX_GROUPS ? 0 : groups / ROUND_GROUPS * ROUND_GROUPS;
}

#define MULTIPLY_GROUP                \
    "ldmia.w lr!, {r0-r3}\n\t"        \
    "ldmia.w r11!, {r4-r7}\n\t"       \
    "smlad r8, r4, r0, r8\n\t"        \
    "smlad r9, r6, r0, r9\n\t"        \
    "smlad r10, r4, r2, r10\n\t"      \
    "smlad r12, r6, r2, r12\n\t"      \
    "smlad r8, r5, r1, r8\n\t"        \
    "smlad r9, r7, r1, r9\n\t"        \
    "smlad r10, r5, r3, r10\n\t"      \
    "smlad r12, r7, r3, r12\n\t"

// The same for more channels, a multiple of four. widened: room for both pixels, of each four channels the first one's and the
// second one's in turn.
ALWAYS_INLINE void cell_project_wide_pixels(const cell_t *c, const uint8_t *x, type_t type, int16_t *widened, int16_t *wx)
{
    int16x2_t *const pixels = (int16x2_t *)(void *)widened;
    for (uint32_t i = 0; i < c->inputs; i += 4) {
        widen_pixel(load_word(x + i), type, pixels + i);
        widen_pixel(load_word(x + c->inputs + i), type, pixels + i + 2);
    }
    register const int16x2_t *from __asm__("lr") = pixels;
    register const int16x2_t *rounds_end __asm__("r8") = pixels + 4 * round_groups(c);
    register const int32_t *offset __asm__("r12") = c->offset;
    register const int16_t *w __asm__("r11") = c->w;
    register int16_t *to __asm__("r10") = wx;
    register const int16_t *end __asm__("r9") = wx + c->hidden;
    __asm__ volatile(
        "vmov s0, lr\n\t"
        "vmov s1, r9\n\t"
        "vmov s2, r10\n\t"
        "vmov s4, r8\n\t"
        ".p2align 2\n\t"
        "1:\n\t"
        "ldrd r8, r9, [r12], #8\n\t"
        "vmov lr, s0\n\t"
        "vmov s3, r12\n\t"
        "mov.w r10, r8\n\t"
        "mov.w r12, r9\n\t"
        ".if %c[in_rounds] > 0\n\t"
        "2:\n\t"
        ".rept %c[round]\n\t"
        MULTIPLY_GROUP
        ".endr\n\t"
        "vmov r0, s4\n\t"
        "cmp lr, r0\n\t"
        "bne.w 2b\n\t"
        ".endif\n\t"
        ".rept %c[straight]\n\t"
        MULTIPLY_GROUP
        ".endr\n\t"
        "vmov lr, s2\n\t"
        "ssat r8, #16, r8, asr %[shift]\n\t"
        "ssat r9, #16, r9, asr %[shift]\n\t"
        "ssat r10, #16, r10, asr %[shift]\n\t"
        "ssat r12, #16, r12, asr %[shift]\n\t"
        "pkhbt r8, r8, r9, lsl #16\n\t"
        "pkhbt r10, r10, r12, lsl #16\n\t"
        "vmov r9, s1\n\t"
        "vmov r12, s3\n\t"
        "str.w r10, [lr, %[pitch]]\n\t"
        "str.w r8, [lr], #4\n\t"
        "vmov s2, lr\n\t"
        "cmp lr, r9\n\t"
        "bne.w 1b" EMPTY_LINES_192
        : "+r"(from), "+r"(rounds_end), "+r"(offset), "+r"(w), "+r"(to), "+r"(end)
        : [in_rounds] "i"(round_groups(c)), [round] "i"(ROUND_GROUPS), [straight] "i"(c->inputs / 4 - round_groups(c)),
          [shift] "I"(c->w_shift), [pitch] "I"(2 * c->hidden)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "s0", "s1", "s2", "s3", "s4", "cc", "memory");
}
#endif

// wx of a row of `count` pixels. widened: scratch for two of them.
ALWAYS_INLINE void cell_project_pixels(const cell_t *c, const uint8_t *x, type_t type, uint32_t count, int16_t *wx,
                                       int16_t *widened)
{
    uint32_t by_two = 0;
#if HIL_DSP
    const bool is_narrow = c->inputs == 3 || c->inputs == 4;
    by_two = c->hidden % 2 == 0 && (is_narrow || c->inputs % 4 == 0) ? count / 2 * 2 : 0;
    for (uint32_t i = 0; i < by_two; i += 2) {
        if (is_narrow) {
            cell_project_two_pixels(c, x + i * c->inputs, type, wx + i * c->hidden);
        } else {
            cell_project_wide_pixels(c, x + i * c->inputs, type, widened, wx + i * c->hidden);
        }
    }
#else
    (void)widened;
#endif
    for (uint32_t i = by_two; i < count; i++) {
        cell_project_pixel(c, x + i * c->inputs, type, wx + i * c->hidden);
    }
}

#endif
