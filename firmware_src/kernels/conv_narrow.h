// Dense convolutions with dual multiplies for input channels that are no multiple of four, as those of an image.
#ifndef CONV_NARROW_H
#define CONV_NARROW_H

#include "conv_layer.h"

enum { CONV_NARROW_MAX_KERNEL = 7 };

#if HIL_DSP
// What the loop reads of four neighbouring outputs, and where its rows are, as the FPU's registers s0 to s16 take them; s8 and
// s9 are its own.
typedef struct {
    int32_t bias[4];
    int32_t multiplier[4];
    uint32_t reserved[2];
    const uint8_t *rows[CONV_NARROW_MAX_KERNEL];
} conv_narrow_t;

// Two weights of one output times the even and two times the odd bytes of both pixels.
#define CONV_NARROW_OUTPUT(offset, a, b)               \
    "ldr.w r12, [lr, #" #offset "]\n\t"                \
    "smlad " #a ", r12, r8, " #a "\n\t"                \
    "smlad " #b ", r12, r10, " #b "\n\t"               \
    "ldr.w r12, [lr, #" #offset " + 4]\n\t"            \
    "smlad " #a ", r12, r9, " #a "\n\t"                \
    "smlad " #b ", r12, r11, " #b "\n\t"
#define CONV_NARROW_WIDEN(widen)                       \
    widen " r9, r8, ror #8\n\t"                        \
    widen " r8, r8\n\t"                                \
    widen " r11, r10, ror #8\n\t"                      \
    widen " r10, r10\n\t"
#define CONV_NARROW_ALL(operation, operand)                                                                            \
    operation "r0, r0" operand "\n\t" operation "r1, r1" operand "\n\t" operation "r2, r2" operand "\n\t"              \
    operation "r3, r3" operand "\n\t" operation "r4, r4" operand "\n\t" operation "r5, r5" operand "\n\t"              \
    operation "r6, r6" operand "\n\t" operation "r7, r7" operand "\n\t"
#define CONV_NARROW_SATURATE(operation)                                                                                \
    operation " r0, #8, r0\n\t" operation " r1, #8, r1\n\t" operation " r2, #8, r2\n\t" operation " r3, #8, r3\n\t"     \
    operation " r4, #8, r4\n\t" operation " r5, #8, r5\n\t" operation " r6, #8, r6\n\t" operation " r7, #8, r7\n\t"

// Four outputs of the pixels from `out` to `end`, two at a time. A kernel row is read in whole words, whose last bytes may lie
// behind it: their weights are 0. weights: [kernel][words][4][4].
ALWAYS_INLINE void conv_narrow_pairs(const conv_t *c, const conv_narrow_t *state, const int16_t *weights, uint8_t *out,
                                     const uint8_t *end)
{
    register const conv_narrow_t *from __asm__("r0") = state;
    register const int16_t *w __asm__("r1") = weights;
    register uint8_t *to __asm__("r2") = out;
    register const uint8_t *stop __asm__("r3") = end;
    __asm__ volatile(
        "vldmia r0, {s0-s16}\n\t"
        "vmov s17, r1\n\t"
        "vmov s8, r2\n\t"
        "vmov s9, r3\n\t"
        ".p2align 2\n\t"
        "1:\n\t"
        "vmov r0, s0\n\t"
        "vmov r1, s1\n\t"
        "vmov r2, s2\n\t"
        "vmov r3, s3\n\t"
        "vmov r4, s0\n\t"
        "vmov r5, s1\n\t"
        "vmov r6, s2\n\t"
        "vmov r7, s3\n\t"
        "vmov lr, s17\n\t"
        ".irp row, 0, 1, 2, 3, 4, 5, 6\n\t"
        ".if \\row < %c[kernel]\n\t"
        ".set offset, 0\n\t"
        ".rept %c[words]\n\t"
        "vmov r12, s1\\row\n\t"
        "ldr.w r8, [r12, #offset]\n\t"
        "ldr.w r10, [r12, #offset + %c[step]]\n\t"
        ".if %c[is_signed]\n\t"
        CONV_NARROW_WIDEN("sxtb16")
        ".else\n\t"
        CONV_NARROW_WIDEN("uxtb16")
        ".endif\n\t"
        CONV_NARROW_OUTPUT(0, r0, r4)
        CONV_NARROW_OUTPUT(8, r1, r5)
        CONV_NARROW_OUTPUT(16, r2, r6)
        CONV_NARROW_OUTPUT(24, r3, r7)
        "add.w lr, lr, #32\n\t"
        ".set offset, offset + 4\n\t"
        ".endr\n\t"
        "vmov r12, s1\\row\n\t"
        "addw r12, r12, #2 * %c[step]\n\t"
        "vmov s1\\row, r12\n\t"
        ".endif\n\t"
        ".endr\n\t"
        ".if %c[shift]\n\t"
        CONV_NARROW_ALL("lsl.w ", ", %[shift]")
        ".endif\n\t"
        "vmov r8, s4\n\t"
        "vmov r9, s5\n\t"
        "vmov r10, s6\n\t"
        "vmov r11, s7\n\t"
        "smmulr r0, r0, r8\n\t"
        "smmulr r1, r1, r9\n\t"
        "smmulr r2, r2, r10\n\t"
        "smmulr r3, r3, r11\n\t"
        "smmulr r4, r4, r8\n\t"
        "smmulr r5, r5, r9\n\t"
        "smmulr r6, r6, r10\n\t"
        "smmulr r7, r7, r11\n\t"
        "vmov r8, s8\n\t"
        "vmov r9, s9\n\t"
        ".if %c[is_output_signed]\n\t"
        CONV_NARROW_SATURATE("ssat")
        ".else\n\t"
        CONV_NARROW_SATURATE("usat")
        ".endif\n\t"
        "strb.w r0, [r8]\n\t"
        "strb.w r1, [r8, #1]\n\t"
        "strb.w r2, [r8, #2]\n\t"
        "strb.w r3, [r8, #3]\n\t"
        "strb.w r4, [r8, #%c[pitch]]\n\t"
        "strb.w r5, [r8, #%c[pitch] + 1]\n\t"
        "strb.w r6, [r8, #%c[pitch] + 2]\n\t"
        "strb.w r7, [r8, #%c[pitch] + 3]\n\t"
        "addw r8, r8, #2 * %c[pitch]\n\t"
        "vmov s8, r8\n\t"
        "cmp.w r8, r9\n\t"
        "bne.w 1b" EMPTY_LINES_192
        : "+r"(from), "+r"(w), "+r"(to), "+r"(stop)
        : [words] "i"((c->kernel * c->channels_in + 3) / 4), [kernel] "i"(c->kernel), [step] "i"(c->stride * c->channels_in),
          [pitch] "i"(c->channels_out), [shift] "i"(c->shift), [is_signed] "i"(c->input == TYPE_S8),
          [is_output_signed] "i"(c->output == TYPE_S8)
        : "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8",
          "s9", "s10", "s11", "s12", "s13", "s14", "s15", "s16", "s17", "cc", "memory");
}

// `pixels` pixels of output, two at least. Of an odd number the last pair reaches back over a pixel already done.
ALWAYS_INLINE void conv_narrow(const conv_t *c, const uint8_t *const rows[], uint32_t pixels, uint8_t *out)
{
    const uint32_t words = (c->kernel * c->channels_in + 3u) / 4u, odd = pixels % 2, last = pixels - 2;
    uint8_t *const end = out + pixels * c->channels_out;
    for (uint32_t o = 0; o < c->channels_out; o += 4) {
        const int16_t *weights = c->narrow + o * c->kernel * words * 4;
        conv_narrow_t state = {.reserved = {0}};
        memcpy(state.bias, c->bias + o, sizeof state.bias);
        memcpy(state.multiplier, c->multiplier + o, sizeof state.multiplier);
        for (uint32_t k = 0; k < c->kernel; k++) {
            state.rows[k] = rows[k];
        }
        conv_narrow_pairs(c, &state, weights, out + o, end + o - odd * c->channels_out);
        if (odd) {
            for (uint32_t k = 0; k < c->kernel; k++) {
                state.rows[k] = rows[k] + last * c->stride * c->channels_in;
            }
            conv_narrow_pairs(c, &state, weights, out + last * c->channels_out + o, end + o);
        }
    }
}
#endif

#endif
