// Convolutions of a multiple of four outputs: four of them by two pixels at a time.
#ifndef CONV_FOURS_H
#define CONV_FOURS_H

#include "conv_layer.h"

#if HIL_DSP
// Sums a to d of a pixel's four outputs to halfwords of a and c (is_wide), or to bytes of a. Two at a time where all of them fit 16 bits: signed ones are then put
// together by SEL, which takes the bytes that CONV_FOURS_CHOOSE has chosen.
#define CONV_FOURS_SATURATE(a, b, c, d)                                                                           \
    ".if %c[is_wide]\n\t"                                                                                       \
    "ssat " a ", #16, " a "\n\t" "ssat " b ", #16, " b "\n\t" "ssat " c ", #16, " c "\n\t" "ssat " d ", #16, " d "\n\t" \
    "pkhbt " a ", " a ", " b ", lsl #16\n\t"                                                                    \
    "pkhbt " c ", " c ", " d ", lsl #16\n\t"                                                                    \
    ".elseif %c[is_packed]\n\t"                                                                                 \
    "pkhbt " a ", " a ", " c ", lsl #16\n\t"                                                                    \
    "pkhbt " b ", " b ", " d ", lsl #16\n\t"                                                                    \
    ".if %c[is_signed]\n\t"                                                                                     \
    "ssat16 " a ", #8, " a "\n\t"                                                                               \
    "ssat16 " b ", #8, " b "\n\t"                                                                               \
    "lsl.w " b ", " b ", #8\n\t"                                                                                \
    "sel " a ", " b ", " a "\n\t"                                                                               \
    ".else\n\t"                                                                                                 \
    "usat16 " a ", #8, " a "\n\t"                                                                               \
    "usat16 " b ", #8, " b "\n\t"                                                                               \
    "orr.w " a ", " a ", " b ", lsl #8\n\t"                                                                     \
    ".endif\n\t"                                                                                                \
    ".elseif %c[is_signed]\n\t"                                                                                 \
    "ssat " a ", #8, " a "\n\t" "ssat " b ", #8, " b "\n\t" "ssat " c ", #8, " c "\n\t" "ssat " d ", #8, " d "\n\t" \
    ".else\n\t"                                                                                                 \
    "usat " a ", #8, " a "\n\t" "usat " b ", #8, " b "\n\t" "usat " c ", #8, " c "\n\t" "usat " d ", #8, " d "\n\t" \
    ".endif\n\t"
// The upper byte of each half from SEL's first operand; destroys a register.
#define CONV_FOURS_CHOOSE(free)                                                                                   \
    ".if %c[is_packed] && %c[is_signed]\n\t"                                                                    \
    "mov.w " free ", #0xff00ff00\n\t"                                                                           \
    "uadd8 " free ", " free ", " free "\n\t"                                                                    \
    ".endif\n\t"
#define CONV_FOURS_STORE(a, b, c, d, to, offset)                                                                  \
    "strb.w " a ", [" to ", #" offset "]\n\t" "strb.w " b ", [" to ", #" offset " + 1]\n\t"                     \
    "strb.w " c ", [" to ", #" offset " + 2]\n\t" "strb.w " d ", [" to ", #" offset " + 3]\n\t"
// Two pixels' outputs to `to`, which moves on behind them: a to d, and e to h.
#define CONV_FOURS_STORE_PAIR(a, b, c, d, e, f, g, h, to)                                                         \
    ".if %c[is_wide]\n\t"                                                                                       \
    "str.w " a ", [" to "]\n\t" "str.w " c ", [" to ", #4]\n\t"                                               \
    "str.w " e ", [" to ", #%c[out_pitch]]\n\t" "str.w " g ", [" to ", #%c[out_pitch] + 4]\n\t"               \
    "addw " to ", " to ", #2 * %c[out_pitch]\n\t"                                                               \
    ".elseif %c[is_packed] && %c[out_pitch] < 256\n\t"                                                          \
    "str.w " a ", [" to "], #%c[out_pitch]\n\t"                                                                 \
    "str.w " e ", [" to "], #%c[out_pitch]\n\t"                                                                 \
    ".else\n\t"                                                                                                 \
    ".if %c[is_packed]\n\t"                                                                                     \
    "str.w " a ", [" to "]\n\t"                                                                                 \
    "str.w " e ", [" to ", #%c[out_pitch]]\n\t"                                                                 \
    ".else\n\t"                                                                                                 \
    CONV_FOURS_STORE(a, b, c, d, to, "0")                                                                       \
    CONV_FOURS_STORE(e, f, g, h, to, "%c[out_pitch]")                                                           \
    ".endif\n\t"                                                                                                \
    "addw " to ", " to ", #2 * %c[out_pitch]\n\t"                                                               \
    ".endif\n\t"
#define CONV_FOURS_OPERANDS(c)                                                                                    \
    [shift] "i"((c)->shift), [out_pitch] "i"((c)->channels_out * ((c)->output == TYPE_S16 ? 2u : 1u)),              \
        [is_signed] "i"((c)->output == TYPE_S8), [is_wide] "i"((c)->output == TYPE_S16),                            \
        [is_packed] "i"((c)->output != TYPE_S16 && (c)->is_bounded)

// The largest divisor of n up to 16, and up to 8; no loop, so that it is a constant to every compiler.
ALWAYS_INLINE uint32_t conv_divisor_8(uint32_t n)
{
    return n % 8 == 0 ? 8 : n % 7 == 0 ? 7 : n % 6 == 0 ? 6 : n % 5 == 0 ? 5 : n % 4 == 0 ? 4 : n % 3 == 0 ? 3 : n % 2 == 0 ? 2 : 1;
}

ALWAYS_INLINE uint32_t conv_divisor_16(uint32_t n)
{
    return n % 16 == 0   ? 16
           : n % 15 == 0 ? 15
           : n % 14 == 0 ? 14
           : n % 13 == 0 ? 13
           : n % 12 == 0 ? 12
           : n % 11 == 0 ? 11
           : n % 10 == 0 ? 10
           : n % 9 == 0  ? 9
                         : conv_divisor_8(n);
}

// Four outputs of the pixels from `out` to `end`, two at a time, from widened pixels.
//
// Eight sums leave four registers for weights and pixels, so loads come four and two at a time: 8 cycles for 8 SMLADs. That is
// what three outputs cost too, but there is less around it for each. Low registers for all that is loaded, because 16-bit
// loads keep 16 words within the 1 KB instruction cache; they come in pairs, because the fetch keeps up with aligned
// instructions only. The weights' pointer moves on every few words, as far as such loads reach. A kernel row of a convolution
// that is not 1x1 has 16 words at most, so one turn of the loop multiplies it.
ALWAYS_INLINE void conv_fours_pairs(const conv_t *c, uint32_t output, const int16_t *weights, const int16_t *pixels,
                                    uint32_t columns, uint8_t *out, const uint8_t *end)
{
    const uint32_t words = c->kernel * c->channels_in / 2u, unroll = conv_divisor_16(words), step = conv_divisor_8(unroll);
    register const int32_t *bias __asm__("r0") = c->bias + output;
    register const int32_t *multiplier __asm__("r1") = c->multiplier + output;
    register const int16_t *w __asm__("r2") = weights;
    register uint8_t *to __asm__("r3") = out;
    register const uint8_t *stop __asm__("r4") = end;
    register uint32_t skip __asm__("r5") = 2 * columns * c->channels_in - 4 * words;  // to the next kernel row
    register const int16_t *x __asm__("r6") = pixels;
    __asm__ volatile(
        "vldmia r0, {s0-s3}\n\t"
        "vldmia r1, {s4-s7}\n\t"
        CONV_FOURS_CHOOSE("r0")
        "sub.w r2, r2, #16 * %c[step]\n\t" /* the first loads move both pointers on before they load */
        "subs r6, r6, #4\n\t"
        "vmov s8, r2\n\t"
        "vmov s10, r3\n\t"
        "vmov s11, r4\n\t"
        ".if %c[kernel] > 1\n\t"
        "vmov s12, r5\n\t"
        "vmov s13, r6\n\t"
        ".endif\n\t"
        ".if %c[kernel] == 1 && %c[words] == 2 * %c[unroll]\n\t"
        "cmp r6, r6\n\t" /* sets the carry */
        ".elseif %c[kernel] > 1 || %c[words] != %c[unroll]\n\t"
        "movw r0, #16 * %c[words] * %c[kernel]\n\t"
        "add.w r2, r2, r0\n\t"
        "vmov s9, r2\n\t"
        ".endif\n\t"
        ".p2align 4\n\t"
        "1:\n\t"
        "vmov r7, s8\n\t"
        "vmov r4, s0\n\t"
        "vmov r5, s0\n\t"
        "vmov r8, s1\n\t"
        "vmov r9, s1\n\t"
        "vmov r10, s2\n\t"
        "vmov r11, s2\n\t"
        "vmov r12, s3\n\t"
        "vmov lr, s3\n\t"
        "2:\n\t"
        ".set word, 0\n\t"
        ".rept %c[unroll]\n\t"
        ".if word %% %c[step] == 0\n\t"
        "ldr.w r0, [r7, #16 * %c[step]]!\n\t"
        ".else\n\t"
        "ldr r0, [r7, #16 * (word %% %c[step])]\n\t"
        ".endif\n\t"
        "ldr r1, [r7, #16 * (word %% %c[step]) + 4]\n\t"
        ".if word == %c[unroll] - 1\n\t"
        "ldr.w r2, [r6, #4 * %c[unroll]]!\n\t"
        "ldr.w r3, [r6, #%c[pitch]]\n\t"
        ".elseif word %% %c[step] == 0\n\t"
        "ldr r2, [r6, #4 * word + 4]\n\t"
        "ldr.w r3, [r6, #4 * word + 4 + %c[pitch]]\n\t"
        ".else\n\t"
        "ldr.w r2, [r6, #4 * word + 4]\n\t"
        "ldr.w r3, [r6, #4 * word + 4 + %c[pitch]]\n\t"
        ".endif\n\t"
        "smlad r4, r0, r2, r4\n\t"
        "smlad r5, r0, r3, r5\n\t"
        "smlad r8, r1, r2, r8\n\t"
        "smlad r9, r1, r3, r9\n\t"
        "ldr r0, [r7, #16 * (word %% %c[step]) + 8]\n\t"
        "ldr r1, [r7, #16 * (word %% %c[step]) + 12]\n\t"
        "smlad r10, r0, r2, r10\n\t"
        "smlad r11, r0, r3, r11\n\t"
        "smlad r12, r1, r2, r12\n\t"
        "smlad lr, r1, r3, lr\n\t"
        ".set word, word + 1\n\t"
        ".endr\n\t"
        ".if %c[kernel] > 1\n\t"
        "vmov r0, s12\n\t"
        "vmov r1, s9\n\t"
        "add.w r6, r6, r0\n\t"
        "cmp r7, r1\n\t"
        "bne.w 2b\n\t"
        ".elseif %c[words] == 2 * %c[unroll]\n\t" /* the carry says that half is done; a pointer's lowest bit clears it */
        "rrxs r0, r6\n\t"
        "bmi.w 2b\n\t"
        ".elseif %c[words] != %c[unroll]\n\t"
        "vmov r0, s9\n\t"
        "cmp r7, r0\n\t"
        "bne.w 2b\n\t"
        ".endif\n\t"
        "vmov r0, r1, s4, s5\n\t"
        "vmov r2, r3, s6, s7\n\t"
        ".if %c[shift]\n\t"
        ".irp sum, r4, r5, r8, r9, r10, r11, r12, lr\n\t"
        "lsl.w \\sum, \\sum, #%c[shift]\n\t"
        ".endr\n\t"
        ".endif\n\t"
        "smmulr r4, r4, r0\n\t"
        "smmulr r5, r5, r0\n\t"
        "smmulr r8, r8, r1\n\t"
        "smmulr r9, r9, r1\n\t"
        "smmulr r10, r10, r2\n\t"
        "smmulr r11, r11, r2\n\t"
        "smmulr r12, r12, r3\n\t"
        "smmulr lr, lr, r3\n\t"
        "vmov r0, r1, s10, s11\n\t"
        CONV_FOURS_SATURATE("r4", "r8", "r10", "r12")
        CONV_FOURS_SATURATE("r5", "r9", "r11", "lr")
        CONV_FOURS_STORE_PAIR("r4", "r8", "r10", "r12", "r5", "r9", "r11", "lr", "r0")
        ".if %c[kernel] > 1\n\t"
        "vmov r6, s13\n\t"
        "addw r6, r6, #2 * %c[pitch]\n\t"
        "vmov s13, r6\n\t"
        ".else\n\t"
        "addw r6, r6, #2 * %c[pitch] - 4 * %c[words]\n\t"
        ".endif\n\t"
        "vmov s10, r0\n\t"
        "cmp r1, r0\n\t" /* sets the carry */
        "bne.w 1b" EMPTY_LINES_192 EMPTY_LINES_64
        : "+r"(bias), "+r"(multiplier), "+r"(w), "+r"(to), "+r"(stop), "+r"(skip), "+r"(x)
        : [words] "i"(words), [unroll] "i"(unroll), [step] "i"(step), [kernel] "i"(c->kernel),
          [pitch] "i"(2 * c->stride * c->channels_in), CONV_FOURS_OPERANDS(c)
        : "r7", "r8", "r9", "r10", "r11", "r12", "lr", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11",
          "s12", "s13", "cc", "memory");
}

// Four outputs of one pixel of a 1x1 convolution to 8 bits, of a multiple of four words.
ALWAYS_INLINE void conv_fours_single(const conv_t *c, uint32_t output, const int16_t *weights, const int16_t *pixel, uint8_t *out)
{
    const uint32_t words = c->channels_in / 2u;
    const uint32_t unroll = words % 16 == 0 ? 16 : words % 12 == 0 ? 12 : words % 8 == 0 ? 8 : 4;
    register const int32_t *bias __asm__("r0") = c->bias + output;
    register const int32_t *multiplier __asm__("r1") = c->multiplier + output;
    register uint8_t *to __asm__("r3") = out;
    register const int16_t *x __asm__("r6") = pixel;
    register const int16_t *w __asm__("r7") = weights;
    __asm__ volatile(
        "vldmia r1, {s0-s3}\n\t"
        "ldm.w r0, {r4, r5, r8, r9}\n\t"
        CONV_FOURS_CHOOSE("r0")
        "vmov s4, r3\n\t"
        ".if %c[words] != %c[unroll]\n\t"
        "movw r0, #16 * %c[words]\n\t"
        "add.w r0, r0, r7\n\t"
        "vmov s5, r0\n\t"
        ".endif\n\t"
        ".p2align 2\n\t"
        "1:\n\t"
        ".rept %c[unroll] / 4\n\t"
        "ldmia.w r6!, {r10, r11, r12, lr}\n\t"
        ".irp word, r10, r11, r12, lr\n\t"
        "ldmia.w r7!, {r0, r1, r2, r3}\n\t" /* a narrow one runs the fetch queue dry */
        "smlad r4, r0, \\word, r4\n\t"
        "smlad r5, r1, \\word, r5\n\t"
        "smlad r8, r2, \\word, r8\n\t"
        "smlad r9, r3, \\word, r9\n\t"
        ".endr\n\t"
        ".endr\n\t"
        ".if %c[words] != %c[unroll]\n\t"
        "vmov r0, s5\n\t"
        "cmp r7, r0\n\t"
        "bne.w 1b\n\t"
        ".endif\n\t"
        "vmov r0, r1, s0, s1\n\t"
        "vmov r2, r3, s2, s3\n\t"
        ".if %c[shift]\n\t"
        ".irp sum, r4, r5, r8, r9\n\t"
        "lsl.w \\sum, \\sum, #%c[shift]\n\t"
        ".endr\n\t"
        ".endif\n\t"
        "smmulr r4, r4, r0\n\t"
        "smmulr r5, r5, r1\n\t"
        "smmulr r8, r8, r2\n\t"
        "smmulr r9, r9, r3\n\t"
        "vmov r0, s4\n\t"
        CONV_FOURS_SATURATE("r4", "r5", "r8", "r9")
        ".if %c[is_packed]\n\t"
        "str.w r4, [r0]\n\t"
        ".else\n\t"
        CONV_FOURS_STORE("r4", "r5", "r8", "r9", "r0", "0")
        ".endif" EMPTY_LINES_64 EMPTY_LINES_64
        : "+r"(bias), "+r"(multiplier), "+r"(to), "+r"(x), "+r"(w)
        : [words] "i"(words), [unroll] "i"(unroll), CONV_FOURS_OPERANDS(c)
        : "r2", "r4", "r5", "r8", "r9", "r10", "r11", "r12", "lr", "s0", "s1", "s2", "s3", "s4", "s5", "cc", "memory");
}
#endif

#endif
