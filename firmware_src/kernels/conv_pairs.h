// The loop of dense convolutions of any kernel: three or two outputs by two pixels at a time.
#ifndef CONV_PAIRS_H
#define CONV_PAIRS_H

#include "conv_layer.h"

#if HIL_DSP
#define CONV_STRING(x) CONV_STRING_OF(x)
#define CONV_STRING_OF(x) #x
#define CONV_U8 0  // type_t's values, for the assembler
#define CONV_S8 1
_Static_assert(CONV_U8 == TYPE_U8 && CONV_S8 == TYPE_S8, "conv_pairs tells the types apart by their values");
#define CONV_IF_THREE(text) ".if %c[outputs] == 3\n\t" text ".endif\n\t"
#define CONV_ALL(operation, operand)                                                                              \
    operation "r0, r0" operand "\n\t" operation "r1, r1" operand "\n\t" operation "r2, r2" operand "\n\t"         \
    operation "r3, r3" operand "\n\t"                                                                            \
    CONV_IF_THREE(operation "r4, r4" operand "\n\t" operation "r5, r5" operand "\n\t")
#define CONV_SATURATE(operation, bits)                                                                            \
    operation " r0, #" bits ", r0\n\t" operation " r1, #" bits ", r1\n\t" operation " r2, #" bits ", r2\n\t"       \
    operation " r3, #" bits ", r3\n\t"                                                                           \
    CONV_IF_THREE(operation " r4, #" bits ", r4\n\t" operation " r5, #" bits ", r5\n\t")
#define CONV_STORE(operation, size)                                                                               \
    operation " r0, [r6]\n\t"                                                                                    \
    operation " r2, [r6, #" size "]\n\t"                                                                         \
    operation " r1, [r7]\n\t"                                                                                    \
    operation " r3, [r7, #" size "]\n\t"                                                                         \
    CONV_IF_THREE(operation " r4, [r6, #2 * " size "]\n\t" operation " r5, [r7, #2 * " size "]\n\t")

// Words of a kernel row that are multiplied without a loop: few enough for the 1 KB instruction cache.
ALWAYS_INLINE uint32_t conv_unroll(uint32_t words)
{
    return words % 16 == 0 ? 16 : words % 12 == 0 ? 12 : words % 8 == 0 ? 8 : words % 4 == 0 ? 4 : 2;
}

// Three (or two) outputs of the pixels from `out` to `end`, two at a time, from widened rows of input.
//
// Five loads from one memory overlap, so they cost 6 cycles and feed 6 SMLADs. Aligned, with all instructions 32 bits wide,
// the fetch just keeps up: a loop that starts at a halfword takes 14 cycles a word instead of 12. All 14 registers are in
// use there, so what only the beginning and the end of a pixel pair need waits in the FPU's registers; where the words of a
// pixel need no loop (is_short), the pointers to weights and pixels stay where they are, and behind the last kernel row of a
// 1x1 convolution (is_straight) the next pixels are a fixed step away.
ALWAYS_INLINE void conv_pairs(const conv_t *c, uint32_t output, uint32_t outputs, const int16_t *weights,
                              const int16_t *pixels, uint32_t columns, uint8_t *out, const uint8_t *end)
{
    const uint32_t words = (uint32_t)c->kernel * c->channels_in / 2, itemsize = c->output == TYPE_S16 ? 2 : 1;
    register const int32_t *bias __asm__("r0") = c->bias + output;
    register const int32_t *multiplier __asm__("r1") = c->multiplier + output;
    register const int16_t *from __asm__("r11") = weights;
    register const int16_t *x __asm__("r12") = pixels;
    register uint8_t *to __asm__("r9") = out;
    register const uint8_t *stop __asm__("r10") = end;
    register uint32_t skip __asm__("r6") = 2 * columns * c->channels_in - 4 * words;  // to the next kernel row
    __asm__ volatile(
        "vldmia r0, {s0-s%c[last]}\n\t"
        "vldmia r1, {s3-s%c[last_3]}\n\t"
        "vmov s6, r11\n\t"
        "vmov s7, r12\n\t"
        "vmov s8, r9\n\t"
        "vmov s9, r10\n\t"
        "vmov s10, r6\n\t"
        "movw r7, #4 * %c[outputs] * %c[words] * %c[kernel]\n\t"
        "add.w r11, r11, r7\n\t"
        "vmov s11, r11\n\t"
        "mov lr, r11\n\t"
        ".p2align 2\n\t"
        ".if %c[is_short]\n\t"
        "vmov r11, s6\n\t"
        ".endif\n\t"
        "1:\n\t"
        ".if !%c[is_short]\n\t"
        "vmov r11, s6\n\t"
        ".endif\n\t"
        ".if !%c[is_straight]\n\t"
        "vmov r12, s7\n\t"
        ".endif\n\t"
        "vmov r0, s0\n\t"
        "vmov r1, s0\n\t"
        "vmov r2, s1\n\t"
        "vmov r3, s1\n\t"
        CONV_IF_THREE("vmov r4, s2\n\t" "vmov r5, s2\n\t")
        "2:\n\t"
        ".if %c[words] != %c[unroll] && %c[kernel] > 1\n\t"
        "movw lr, #4 * %c[outputs] * %c[words]\n\t"
        "add.w lr, lr, r11\n\t"
        ".endif\n\t"
        "3:\n\t"
        ".set offset, 0\n\t"
        ".rept %c[unroll]\n\t"
        "ldr.w r6, [r11, #%c[outputs] * offset]\n\t"
        "ldr.w r7, [r11, #%c[outputs] * offset + 4]\n\t"
        CONV_IF_THREE("ldr.w r8, [r11, #3 * offset + 8]\n\t")
        "ldr.w r9, [r12, #offset]\n\t"
        "ldr.w r10, [r12, #offset + %c[pitch]]\n\t"
        "smlad r0, r6, r9, r0\n\t"
        "smlad r1, r6, r10, r1\n\t"
        "smlad r2, r7, r9, r2\n\t"
        "smlad r3, r7, r10, r3\n\t"
        CONV_IF_THREE("smlad r4, r8, r9, r4\n\t" "smlad r5, r8, r10, r5\n\t")
        ".set offset, offset + 4\n\t"
        ".endr\n\t"
        ".if %c[words] != %c[unroll] || %c[kernel] > 1\n\t"
        "add.w r11, r11, #4 * %c[outputs] * %c[unroll]\n\t"
        "add.w r12, r12, #4 * %c[unroll]\n\t"
        ".endif\n\t"
        ".if %c[words] != %c[unroll]\n\t"
        "cmp r11, lr\n\t"
        "bne.w 3b\n\t"
        ".endif\n\t"
        ".if %c[kernel] > 1\n\t"
        "vmov r6, s10\n\t"
        "vmov r7, s11\n\t"
        "add.w r12, r12, r6\n\t"
        "cmp.w r11, r7\n\t"
        "bne.w 2b\n\t"
        ".endif\n\t"
        "vmov r6, s3\n\t"
        "vmov r7, s4\n\t"
        CONV_IF_THREE("vmov r8, s5\n\t")
        ".if %c[shift]\n\t"
        CONV_ALL("lsl.w ", ", %[shift]")
        ".endif\n\t"
        "smmulr r0, r0, r6\n\t"
        "smmulr r1, r1, r6\n\t"
        "smmulr r2, r2, r7\n\t"
        "smmulr r3, r3, r7\n\t"
        CONV_IF_THREE("smmulr r4, r4, r8\n\t" "smmulr r5, r5, r8\n\t")
        "vmov r6, s8\n\t"
        "vmov r10, s9\n\t"
        "addw r7, r6, #%c[out_pitch]\n\t"
        ".if %c[type] == " CONV_STRING(CONV_U8) "\n\t"
        CONV_SATURATE("usat", "8")
        CONV_STORE("strb", "1")
        ".elseif %c[type] == " CONV_STRING(CONV_S8) "\n\t"
        CONV_SATURATE("ssat", "8")
        CONV_STORE("strb", "1")
        ".else\n\t"
        CONV_SATURATE("ssat", "16")
        CONV_STORE("strh", "2")
        ".endif\n\t"
        "addw r6, r6, #2 * %c[out_pitch]\n\t"
        ".if %c[is_short]\n\t"
        "addw r12, r12, #2 * %c[pitch]\n\t"
        ".elseif %c[is_straight]\n\t"
        "addw r12, r12, #2 * %c[pitch] - 4 * %c[words]\n\t"
        ".else\n\t"
        "vmov r12, s7\n\t"
        "movw r7, #2 * %c[pitch]\n\t"
        "add.w r12, r12, r7\n\t"
        "vmov s7, r12\n\t"
        ".endif\n\t"
        "vmov s8, r6\n\t"
        "cmp r6, r10\n\t"
        "bne.w 1b" EMPTY_LINES_192
        : "+r"(bias), "+r"(multiplier), "+r"(from), "+r"(x), "+r"(to), "+r"(stop), "+r"(skip)
        : [outputs] "i"(outputs), [last] "i"(outputs - 1), [last_3] "i"(outputs + 2),
          [words] "i"(words), [unroll] "i"(conv_unroll(words)), [kernel] "i"(c->kernel), [shift] "i"(c->shift),
          [pitch] "i"(2 * c->stride * c->channels_in), [out_pitch] "i"(c->channels_out * itemsize), [type] "i"(c->output),
          [is_short] "i"(c->kernel == 1 && words == conv_unroll(words) && 4u * c->stride * c->channels_in < 4096),
          [is_straight] "i"(c->kernel == 1 && 4u * c->stride * c->channels_in < 4096)
        : "r2", "r3", "r4", "r5", "r7", "r8", "lr", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9",
          "s10", "s11", "cc", "memory");
}
#endif

#endif
