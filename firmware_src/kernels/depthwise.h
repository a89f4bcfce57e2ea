// Depthwise convolutions, a few pixels of a row at a time.
#ifndef DEPTHWISE_H
#define DEPTHWISE_H

#include "tensor.h"

enum { DEPTHWISE_GROUP = 4 };

// The constants of four neighbouring channels, as the FPU's registers s0 to s25 take them: for each tap the weights of channels
// 0 and 2, then of 1 and 3.
typedef struct {
    int16_t weights[9][2][2];
    int32_t bias[DEPTHWISE_GROUP];
    int32_t multiplier[DEPTHWISE_GROUP];
} depthwise_group_t;

typedef struct {
    uint16_t channels;
    uint8_t kernel;
    uint8_t stride;
    type_t input;
    type_t output;
    uint8_t shift;
    const depthwise_group_t *groups;  // [channels / 4], or 0 and
    const int8_t *weight;             // [kernel][kernel][channels]
    const int32_t *bias;              // [channels]
    const int32_t *multiplier;        // [channels]
} depthwise_t;

ALWAYS_INLINE int32_t depthwise_weight(const depthwise_t *d, uint32_t tap, uint32_t ch)
{
    return d->groups != 0 ? d->groups[ch / 4].weights[tap][ch % 2][ch / 2 % 2] : d->weight[tap * d->channels + ch];
}

// One value of output; it may take the place of the first one that it was made from.
ALWAYS_INLINE void depthwise_channel(const depthwise_t *d, const uint8_t *const rows[], void *out, uint32_t pixel, uint32_t ch)
{
    const bool is_grouped = d->groups != 0;
    int32_t acc = is_grouped ? d->groups[ch / 4].bias[ch % 4] : d->bias[ch];
    for (uint32_t i = 0; i < d->kernel; i++) {
        for (uint32_t j = 0; j < d->kernel; j++) {
            const uint32_t x = (pixel * d->stride + j) * d->channels + ch;
            acc += depthwise_weight(d, i * d->kernel + j, ch) * load_8bit(rows[i], x, d->input);
        }
    }
    const int32_t multiplier = is_grouped ? d->groups[ch / 4].multiplier[ch % 4] : d->multiplier[ch];
    store_saturated(out, pixel * d->channels + ch, requantise(acc, multiplier, d->shift), d->output);
}

#if HIL_DSP
// One column of one row of input: channels 0 and 2 in r8, 1 and 3 in r9.
#define DEPTHWISE_COLUMN(row, column)                          \
    "ldr.w r9, [" #row ", #" #column " * %c[channels]]\n\t"    \
    ".if %c[is_signed]\n\t"                                   \
    "sxtb16 r8, r9\n\t"                                       \
    "sxtb16 r9, r9, ror #8\n\t"                               \
    ".else\n\t"                                               \
    "uxtb16 r8, r9\n\t"                                       \
    "uxtb16 r9, r9, ror #8\n\t"                               \
    ".endif\n\t"
// That column times one tap's weights, for the pixel whose four sums are named.
#define DEPTHWISE_TAP(even, odd, a0, a1, a2, a3)                \
    "vmov lr, " #even "\n\t"                                  \
    "smlabb " #a0 ", r8, lr, " #a0 "\n\t"                     \
    "smlatt " #a2 ", r8, lr, " #a2 "\n\t"                     \
    "vmov lr, " #odd "\n\t"                                   \
    "smlabb " #a1 ", r9, lr, " #a1 "\n\t"                     \
    "smlatt " #a3 ", r9, lr, " #a3 "\n\t"
#define DEPTHWISE_FIRST(even, odd) DEPTHWISE_TAP(even, odd, r0, r1, r2, r3)
#define DEPTHWISE_SECOND(even, odd) DEPTHWISE_TAP(even, odd, r4, r5, r6, r7)
// One kernel row for two neighbouring pixels; a column that both look at is loaded once.
#define DEPTHWISE_ROW(row, e0, o0, e1, o1, e2, o2)              \
    DEPTHWISE_COLUMN(row, 0) DEPTHWISE_FIRST(e0, o0)            \
    DEPTHWISE_COLUMN(row, 1) DEPTHWISE_FIRST(e1, o1)            \
    ".if %c[stride] == 1\n\t"                                 \
    DEPTHWISE_SECOND(e0, o0)                                    \
    DEPTHWISE_COLUMN(row, 2) DEPTHWISE_FIRST(e2, o2)            \
    DEPTHWISE_SECOND(e1, o1)                                    \
    DEPTHWISE_COLUMN(row, 3) DEPTHWISE_SECOND(e2, o2)           \
    ".else\n\t"                                               \
    DEPTHWISE_COLUMN(row, 2) DEPTHWISE_FIRST(e2, o2)            \
    DEPTHWISE_SECOND(e0, o0)                                    \
    DEPTHWISE_COLUMN(row, 3) DEPTHWISE_SECOND(e1, o1)           \
    DEPTHWISE_COLUMN(row, 4) DEPTHWISE_SECOND(e2, o2)           \
    ".endif\n\t"
#define DEPTHWISE_ALL(operation, operand)                                                                              \
    operation "r0, r0" operand "\n\t" operation "r1, r1" operand "\n\t" operation "r2, r2" operand "\n\t"              \
    operation "r3, r3" operand "\n\t" operation "r4, r4" operand "\n\t" operation "r5, r5" operand "\n\t"              \
    operation "r6, r6" operand "\n\t" operation "r7, r7" operand "\n\t"
#define DEPTHWISE_SATURATE(operation)                                                                                  \
    operation " r0, #8, r0\n\t" operation " r1, #8, r1\n\t" operation " r2, #8, r2\n\t" operation " r3, #8, r3\n\t"     \
    operation " r4, #8, r4\n\t" operation " r5, #8, r5\n\t" operation " r6, #8, r6\n\t" operation " r7, #8, r7\n\t"

// Four channels of the pixels from `out` to `end`, two at a time, of an 8-bit map. The nine weights wait in the FPU's
// registers, from where a word costs one cycle.
ALWAYS_INLINE void depthwise_pairs(const depthwise_t *d, const depthwise_group_t *group, const uint8_t *row0,
                                   const uint8_t *row1, const uint8_t *row2, uint8_t *out, const uint8_t *end)
{
    register const depthwise_group_t *from __asm__("r0") = group;
    register uint8_t *to __asm__("r1") = out;
    register const uint8_t *stop __asm__("r2") = end;
    register const uint8_t *in0 __asm__("r10") = row0;
    register const uint8_t *in1 __asm__("r11") = row1;
    register const uint8_t *in2 __asm__("r12") = row2;
    __asm__ volatile(
        "vldmia r0, {s0-s25}\n\t"
        "vmov s26, r1\n\t"
        "vmov s27, r2\n\t"
        ".p2align 2\n\t"
        "1:\n\t"
        "vmov r0, s18\n\t"
        "vmov r1, s19\n\t"
        "vmov r2, s20\n\t"
        "vmov r3, s21\n\t"
        "vmov r4, s18\n\t"
        "vmov r5, s19\n\t"
        "vmov r6, s20\n\t"
        "vmov r7, s21\n\t"
        DEPTHWISE_ROW(r10, s0, s1, s2, s3, s4, s5)
        DEPTHWISE_ROW(r11, s6, s7, s8, s9, s10, s11)
        DEPTHWISE_ROW(r12, s12, s13, s14, s15, s16, s17)
        ".if %c[shift]\n\t"
        DEPTHWISE_ALL("lsl.w ", ", %[shift]")
        ".endif\n\t"
        "vmov r8, s22\n\t"
        "vmov r9, s23\n\t"
        "smmulr r0, r0, r8\n\t"
        "smmulr r4, r4, r8\n\t"
        "smmulr r1, r1, r9\n\t"
        "smmulr r5, r5, r9\n\t"
        "vmov r8, s24\n\t"
        "vmov r9, s25\n\t"
        "smmulr r2, r2, r8\n\t"
        "smmulr r6, r6, r8\n\t"
        "smmulr r3, r3, r9\n\t"
        "smmulr r7, r7, r9\n\t"
        "vmov r8, s26\n\t"
        "vmov r9, s27\n\t"
        ".if %c[is_output_signed]\n\t"
        DEPTHWISE_SATURATE("ssat")
        ".else\n\t"
        DEPTHWISE_SATURATE("usat")
        ".endif\n\t"
        "strb.w r0, [r8]\n\t"
        "strb.w r1, [r8, #1]\n\t"
        "strb.w r2, [r8, #2]\n\t"
        "strb.w r3, [r8, #3]\n\t"
        "strb.w r4, [r8, #%c[channels]]\n\t"
        "strb.w r5, [r8, #%c[channels] + 1]\n\t"
        "strb.w r6, [r8, #%c[channels] + 2]\n\t"
        "strb.w r7, [r8, #%c[channels] + 3]\n\t"
        "addw r8, r8, #2 * %c[channels]\n\t"
        "addw r10, r10, #2 * %c[stride] * %c[channels]\n\t"
        "addw r11, r11, #2 * %c[stride] * %c[channels]\n\t"
        "addw r12, r12, #2 * %c[stride] * %c[channels]\n\t"
        "vmov s26, r8\n\t"
        "cmp.w r8, r9\n\t"
        "bne.w 1b" EMPTY_LINES_192
        : "+r"(from), "+r"(to), "+r"(stop), "+r"(in0), "+r"(in1), "+r"(in2)
        : [channels] "i"(d->channels), [stride] "i"(d->stride), [shift] "i"(d->shift),
          [is_signed] "i"(d->input == TYPE_S8), [is_output_signed] "i"(d->output == TYPE_S8)
        : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "lr", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10",
          "s11", "s12", "s13", "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26",
          "s27", "cc", "memory");
}

#endif

// `pixels` pixels of output; rows: for each kernel row the first column that they look at. The output may take the place of the
// first row from there on: no pixel overwrites what a later one looks at.
ALWAYS_INLINE void depthwise_pixels(const depthwise_t *d, const uint8_t *const rows[], uint32_t pixels, void *out)
{
    uint32_t by_two = 0;
#if HIL_DSP
    by_two = d->groups != 0 ? pixels / 2 * 2 : 0;
    const uint32_t by_four = by_two != 0 ? d->channels : 0;
#pragma GCC unroll 1
    for (uint32_t ch = 0; ch < by_four; ch += DEPTHWISE_GROUP) {
        uint8_t *to = (uint8_t *)out + ch;
        depthwise_pairs(d, &d->groups[ch / 4], rows[0] + ch, rows[1] + ch, rows[2] + ch, to, to + by_two * d->channels);
    }
#endif
    for (uint32_t pixel = by_two; pixel < pixels; pixel++) {
        for (uint32_t ch = 0; ch < d->channels; ch++) {
            depthwise_channel(d, rows, out, pixel, ch);
        }
    }
}

#endif
