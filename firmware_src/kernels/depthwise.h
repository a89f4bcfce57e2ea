// Depthwise convolutions, a few pixels of a row at a time.
#ifndef DEPTHWISE_H
#define DEPTHWISE_H

#include "tensor.h"

// The constants of a channel whose kernel is 3x3, in the order in which depthwise_channels loads them.
typedef struct {
    int16_t pairs[3][2];  // of each column the first two rows' weights
    int16_t last[4];      // the third row's, and 0
    int32_t bias;
    int32_t multiplier;
} depthwise_channel_t;

typedef struct {
    uint16_t channels;
    uint8_t kernel;
    uint8_t stride;
    type_t input;
    type_t output;
    uint8_t shift;
    const depthwise_channel_t *each;  // [channels], or 0 and
    const int8_t *weight;             // [kernel][kernel][channels]
    const int32_t *bias;              // [channels]
    const int32_t *multiplier;        // [channels]
} depthwise_t;

ALWAYS_INLINE int32_t depthwise_weight(const depthwise_t *d, uint32_t row, uint32_t column, uint32_t ch)
{
    if (d->each == 0) {
        return d->weight[(row * d->kernel + column) * d->channels + ch];
    }
    return row < 2 ? d->each[ch].pairs[column][row] : d->each[ch].last[column];
}

ALWAYS_INLINE int32_t depthwise_bias(const depthwise_t *d, uint32_t ch)
{
    return d->each != 0 ? d->each[ch].bias : d->bias[ch];
}

ALWAYS_INLINE int32_t depthwise_multiplier(const depthwise_t *d, uint32_t ch)
{
    return d->each != 0 ? d->each[ch].multiplier : d->multiplier[ch];
}

// One value of output; it may take the place of the first one that it was made from.
ALWAYS_INLINE void depthwise_value(const depthwise_t *d, const uint8_t *const rows[], void *out, uint32_t pixel, uint32_t ch)
{
    int32_t acc = depthwise_bias(d, ch);
    for (uint32_t i = 0; i < d->kernel; i++) {
        for (uint32_t j = 0; j < d->kernel; j++) {
            const uint32_t x = (pixel * d->stride + j) * d->channels + ch;
            acc += depthwise_weight(d, i, j, ch) * load_8bit(rows[i], x, d->input);
        }
    }
    store_saturated(out, pixel * d->channels + ch, requantise(acc, depthwise_multiplier(d, ch), d->shift), d->output);
}

#if HIL_DSP
// The next column: the first two rows' values in r11, the third's in lr. Pointers move on with each load where an instruction
// holds the distance. Of more channels they stand still for a turn of the loop: `column` and `output` say how far it has come.
#define DEPTHWISE_LOADS(load)                                        \
    ".if %c[channels] < 256\n\t"                                     \
    load " r11, [r0], #%c[channels]\n\t"                             \
    load " r12, [r1], #%c[channels]\n\t"                             \
    load " lr, [r2], #%c[channels]\n\t"                              \
    ".else\n\t"                                                      \
    load " r11, [r0, #column * %c[channels]]\n\t"                    \
    load " r12, [r1, #column * %c[channels]]\n\t"                    \
    load " lr, [r2, #column * %c[channels]]\n\t"                     \
    ".set column, column + 1\n\t"                                    \
    ".endif\n\t"
#define DEPTHWISE_COLUMN                                             \
    ".if %c[is_signed]\n\t"                                          \
    DEPTHWISE_LOADS("ldrsb")                                       \
    ".else\n\t"                                                      \
    DEPTHWISE_LOADS("ldrb")                                        \
    ".endif\n\t"                                                     \
    "pkhbt r11, r11, r12, lsl #16\n\t"
// What a column is to the output whose left one it is, up to the third row.
#define DEPTHWISE_LEFT "vmov r10, s0\n\t" "smlad r10, r4, r11, r10\n\t"
#define DEPTHWISE_LEFT_LAST "smlabb r10, lr, r7, r10\n\t"
// The next output from the sum in r12. A load right behind the store would wait.
#define DEPTHWISE_FINISH                                             \
    ".if %c[shift]\n\t"                                              \
    "lsl.w r12, r12, %[shift]\n\t"                                   \
    ".endif\n\t"                                                     \
    "vmov r11, s1\n\t"                                               \
    "smmulr r12, r12, r11\n\t"                                       \
    ".if %c[is_output_signed]\n\t"                                   \
    "ssat r12, #8, r12\n\t"                                          \
    ".else\n\t"                                                      \
    "usat r12, #8, r12\n\t"                                          \
    ".endif\n\t"                                                     \
    ".if %c[channels] < 256\n\t"                                     \
    "strb r12, [r3], #%c[channels]\n\t"                            \
    ".else\n\t"                                                      \
    "strb.w r12, [r3, #output * %c[channels]]\n\t"                   \
    ".set output, output + 1\n\t"                                    \
    ".endif\n\t"                                                     \
    DEPTHWISE_LEFT_LAST
// One output: its last column at stride 1, its last two at stride 2.
#define DEPTHWISE_OUTPUT                                             \
    DEPTHWISE_COLUMN                                                 \
    ".if %c[stride] == 1\n\t"                                        \
    "smlad r12, r6, r11, r9\n\t"                                     \
    "smlad r9, r5, r11, r10\n\t"                                     \
    DEPTHWISE_LEFT                                                   \
    "smlabb r12, lr, r8, r12\n\t"                                    \
    "smlabt r9, lr, r7, r9\n\t"                                      \
    ".else\n\t"                                                      \
    "smlad r10, r5, r11, r10\n\t"                                    \
    "smlabt r10, lr, r7, r10\n\t"                                    \
    DEPTHWISE_COLUMN                                                 \
    "smlad r12, r6, r11, r10\n\t"                                    \
    DEPTHWISE_LEFT                                                   \
    "smlabb r12, lr, r8, r12\n\t"                                    \
    ".endif\n\t"                                                     \
    DEPTHWISE_FINISH

// Bytes of DEPTHWISE_OUTPUT's code, all of whose instructions have 32 bits.
ALWAYS_INLINE uint32_t depthwise_code(const depthwise_t *d)
{
    return 4 * (d->stride * 4u + 11 + (d->shift != 0));
}

// Outputs a turn of the loop, which leave it within the instruction cache, and its columns within 4095 bytes.
ALWAYS_INLINE uint32_t depthwise_unroll(const depthwise_t *d)
{
    const uint32_t most = d->stride == 1 ? 10 : 8, far = (4095u / d->channels + d->stride - 2) / d->stride;
    return d->channels < 256 || far > most ? most : far;
}

// `pixels` outputs of each channel of an 8-bit map, one channel after another. A column of input is loaded once and goes into
// the sums of the outputs that look at it: that the right column of one is the middle one of the next costs nothing, as SMLAD
// adds from one register to another. With a channel's weights in five registers and the pointers in four, all 14 are in use.
// The loop makes several outputs a turn, and is entered within its first turn by as many as do not fill one.
ALWAYS_INLINE void depthwise_channels(const depthwise_t *d, const uint8_t *const rows[], uint32_t pixels, uint8_t *out)
{
    const bool is_far = d->channels >= 256;
    const uint32_t columns = is_far ? pixels * d->stride : d->stride == 1 ? pixels + 2 : 2 * pixels + 1;  // that pointers move on
    const uint32_t unroll = depthwise_unroll(d), left_out = unroll - 1 - (pixels - 1) % unroll;           // of the first turn
    const uint32_t early = is_far ? left_out * d->channels : 0;  // by which the output's pointer lies before it
    register const uint8_t *row0 __asm__("r0") = rows[0];
    register const uint8_t *row1 __asm__("r1") = rows[1];
    register const uint8_t *row2 __asm__("r2") = rows[2];
    register uintptr_t to __asm__("r3") = (uintptr_t)out - early;  // perhaps below the arena
    register const uint8_t *end __asm__("r5") = out + pixels * d->channels;
    register uint32_t skipped __asm__("r6") = left_out * depthwise_code(d);
    register uint32_t back __asm__("r7") = columns * d->channels - 1;  // to the next channel's first column
    register uint32_t back_out __asm__("r8") = pixels * d->channels + early - 1;
    register uintptr_t last __asm__("r9") = (uintptr_t)out - early + d->channels;
    register uint32_t early_in __asm__("r10") = early * d->stride;
    register const depthwise_channel_t *each __asm__("r12") = d->each;
    __asm__ volatile(
        "vmov s3, r5\n\t"
        "vmov s4, r6\n\t"
        "vmov s5, r7\n\t"
        "vmov s6, r8\n\t"
        "vmov s7, r9\n\t"
        "vmov s8, r10\n\t"
        ".p2align 2\n\t"
        "1:\n\t"
        ".set column, 0\n\t"
        ".set output, 0\n\t"
        "ldmia.w r12!, {r4, r5, r6, r7, r8}\n\t"
        "vldmia r12!, {s0, s1}\n\t"
        "vmov s2, r12\n\t"
        DEPTHWISE_COLUMN
        DEPTHWISE_LEFT
        DEPTHWISE_LEFT_LAST
        ".if %c[stride] == 1\n\t"
        DEPTHWISE_COLUMN
        "smlad r9, r5, r11, r10\n\t"
        DEPTHWISE_LEFT
        "smlabt r9, lr, r7, r9\n\t"
        DEPTHWISE_LEFT_LAST
        ".endif\n\t"
        ".if %c[channels] >= 256\n\t"
        "vmov r11, s8\n\t"
        "sub.w r0, r0, r11\n\t"
        "sub.w r1, r1, r11\n\t"
        "sub.w r2, r2, r11\n\t"
        ".endif\n\t"
        "vmov r11, s4\n\t"
        ".p2align 2\n\t"
        "add pc, r11\n\t"
        "nop\n\t"
        "2:\n\t"
        ".rept %c[unroll]\n\t"
        DEPTHWISE_OUTPUT
        ".endr\n\t"
        ".if %c[channels] >= 256\n\t"
        "addw r0, r0, #%c[unroll] * %c[stride] * %c[channels]\n\t"
        "addw r1, r1, #%c[unroll] * %c[stride] * %c[channels]\n\t"
        "addw r2, r2, #%c[unroll] * %c[stride] * %c[channels]\n\t"
        "addw r3, r3, #%c[unroll] * %c[channels]\n\t"
        ".endif\n\t"
        "vmov r11, s3\n\t"
        "cmp.w r3, r11\n\t"
        "bne.w 2b\n\t"
        "add.w r11, r11, #1\n\t"
        "vmov r12, s5\n\t"
        "vmov lr, s6\n\t"
        "vmov s3, r11\n\t"
        "sub.w r0, r0, r12\n\t"
        "sub.w r1, r1, r12\n\t"
        "sub.w r2, r2, r12\n\t"
        "sub.w r3, r3, lr\n\t"
        "vmov r11, s7\n\t"
        "vmov r12, s2\n\t"
        "cmp.w r3, r11\n\t"
        "bne.w 1b" EMPTY_LINES_192
        : "+r"(row0), "+r"(row1), "+r"(row2), "+r"(to), "+r"(end), "+r"(skipped), "+r"(back), "+r"(back_out), "+r"(last),
          "+r"(each), "+r"(early_in)
        : [channels] "i"(d->channels), [stride] "i"(d->stride), [shift] "i"(d->shift), [unroll] "i"(unroll),
          [is_signed] "i"(d->input == TYPE_S8), [is_output_signed] "i"(d->output == TYPE_S8)
        : "r4", "r11", "lr", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "cc", "memory");
}
#endif

// `pixels` pixels of output; rows: for each kernel row the first column that they look at. The output may take the place of the
// first row from there on: no pixel overwrites what a later one looks at.
ALWAYS_INLINE void depthwise_pixels(const depthwise_t *d, const uint8_t *const rows[], uint32_t pixels, void *out)
{
#if HIL_DSP
    if (d->each != 0) {
        if (pixels != 0) {
            depthwise_channels(d, rows, pixels, out);
        }
        return;
    }
#endif
    for (uint32_t pixel = 0; pixel < pixels; pixel++) {
        for (uint32_t ch = 0; ch < d->channels; ch++) {
            depthwise_value(d, rows, out, pixel, ch);
        }
    }
}

#endif
