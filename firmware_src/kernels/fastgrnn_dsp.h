// The FastGRNN cell's loops for the Cortex-M4: two units at a time, of one, two or three neighbouring sequences.
//
// Registers are assigned by hand: nearly all are in use, and gcc 12 finds no assignment in every surrounding. What is costly:
// a load that no other load of the same memory follows (2 cycles), an address made by the instruction just before (1 more), a
// loop that does not start at a word. A word from an FPU register costs one cycle, so three vectors wait there (s0 to s23),
// which may then be stored over, and the pointers of which only one part of a loop has need (s24 to s28).
#ifndef FASTGRNN_DSP_H
#define FASTGRNN_DSP_H

#include "fastgrnn_cell.h"

#if HIL_DSP
enum { MAX_VECTOR = 16 };  // values of a vector of which three fit the FPU's registers

ALWAYS_INLINE bool fits_fpu(uint32_t length)
{
    return length % 2 == 0 && length <= MAX_VECTOR;
}

// The four channels of a pixel in the order of the weights, channel 0 in the lower half of the first word.
ALWAYS_INLINE void widen_pixel(const uint8_t *x, type_t type, uint32_t words[2])
{
    const uint32_t even = (uint32_t)widen_even(load_word(x), type == TYPE_S8);
    const uint32_t odd = (uint32_t)widen_odd(load_word(x), type == TYPE_S8);
    words[0] = (even & 0xFFFFu) | (odd << 16);
    words[1] = (even >> 16) | (odd & 0xFFFF0000u);
}

// wx of two neighbouring pixels of four channels, two units at a time; the number of units is even.
ALWAYS_INLINE void cell_project_two_pixels(const cell_t *c, const uint8_t *x, type_t type, int16_t *wx)
{
    uint32_t first[2], second[2];
    widen_pixel(x, type, first);
    widen_pixel(x + 4, type, second);
    register uint32_t x0 __asm__("r0") = first[0], x1 __asm__("r1") = first[1];
    register uint32_t y0 __asm__("r2") = second[0], y1 __asm__("r3") = second[1];
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
// Words 2g and 2g + 1 of two packed rows, times those of three vectors.
#define MULTIPLY_WORDS(g, x0, x1, y0, y1, z0, z1)      \
    ".if %c[words] > 2 * " #g " + 1\n\t"             \
    "ldmia r11!, {r6, r7, r8, r9}\n\t"               \
    ".elseif %c[words] > 2 * " #g "\n\t"             \
    "ldmia r11!, {r6, r8}\n\t"                       \
    ".endif\n\t"                                     \
    ".if %c[words] > 2 * " #g "\n\t"                 \
    "vmov r10, " #x0 "\n\t"                         \
    "smlad r0, r6, r10, r0\n\t"                     \
    "smlad r3, r8, r10, r3\n\t"                     \
    "vmov r10, " #y0 "\n\t"                         \
    "smlad r1, r6, r10, r1\n\t"                     \
    "smlad r4, r8, r10, r4\n\t"                     \
    "vmov r10, " #z0 "\n\t"                         \
    "smlad r2, r6, r10, r2\n\t"                     \
    "smlad r5, r8, r10, r5\n\t"                     \
    ".if %c[words] > 2 * " #g " + 1\n\t"            \
    "vmov r10, " #x1 "\n\t"                         \
    "smlad r0, r7, r10, r0\n\t"                     \
    "smlad r3, r9, r10, r3\n\t"                     \
    "vmov r10, " #y1 "\n\t"                         \
    "smlad r1, r7, r10, r1\n\t"                     \
    "smlad r4, r9, r10, r4\n\t"                     \
    "vmov r10, " #z1 "\n\t"                         \
    "smlad r2, r7, r10, r2\n\t"                     \
    "smlad r5, r9, r10, r5\n\t"                     \
    ".endif\n\t"                                    \
    ".endif\n\t"

// The words of three vectors, loaded before the loop from r10 on, times the packed rows at r11: sums of the first row in
// r0 to r2, of the second in r3 to r5. r11 ends at the rows' offsets.
#define LOAD_VECTORS                         \
    "vldmia r10!, {s0-s%c[last]}\n\t"       \
    "vldmia r10!, {s8-s%c[last_8]}\n\t"     \
    "vldmia r10!, {s16-s%c[last_16]}\n\t"
#define MULTIPLY                                         \
    MULTIPLY_WORDS(0, s0, s1, s8, s9, s16, s17)          \
    MULTIPLY_WORDS(1, s2, s3, s10, s11, s18, s19)        \
    MULTIPLY_WORDS(2, s4, s5, s12, s13, s20, s21)        \
    MULTIPLY_WORDS(3, s6, s7, s14, s15, s22, s23)
#define VECTOR_OPERANDS(length)                                                                          \
    [words] "i"((length) / 2), [last] "i"((length) / 2 - 1), [last_8] "i"((length) / 2 + 7), [last_16] "i"((length) / 2 + 15)
#define FPU_REGISTERS                                                                                                 \
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15", "s16", "s17", \
        "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28"

// wx = W x of three neighbouring vectors.
ALWAYS_INLINE void cell_project_3(const cell_t *c, const int16_t *x, int16_t *wx)
{
    register const int16_t *end __asm__("r8") = wx + c->hidden;
    register int16_t *to __asm__("r9") = wx;
    register const int16_t *from __asm__("r10") = x;
    register const int16_t *w __asm__("r11") = c->w;
    __asm__ volatile(
        LOAD_VECTORS
        "vmov s25, r9\n\t"
        "vmov s27, r8\n\t"
        ".p2align 2\n\t"
        "1:\n\t"
        "ldr.w r0, [r11, #8 * %c[words]]\n\t"
        "ldr.w r3, [r11, #8 * %c[words] + 4]\n\t"
        "mov.w r1, r0\n\t"
        "mov.w r2, r0\n\t"
        "mov.w r4, r3\n\t"
        "mov.w r5, r3\n\t"
        MULTIPLY
        "vmov r10, s25\n\t"
        "ssat r0, #16, r0, asr %[shift]\n\t"
        "ssat r3, #16, r3, asr %[shift]\n\t"
        "ssat r1, #16, r1, asr %[shift]\n\t"
        "ssat r4, #16, r4, asr %[shift]\n\t"
        "ssat r2, #16, r2, asr %[shift]\n\t"
        "ssat r5, #16, r5, asr %[shift]\n\t"
        "pkhbt r0, r0, r3, lsl #16\n\t"
        "pkhbt r1, r1, r4, lsl #16\n\t"
        "pkhbt r2, r2, r5, lsl #16\n\t"
        "str.w r1, [r10, %[pitch]]\n\t"
        "str.w r2, [r10, %[pitch2]]\n\t"
        "str.w r0, [r10], #4\n\t"
        "add.w r11, r11, #8\n\t"
        "vmov r9, s27\n\t"
        "vmov s25, r10\n\t"
        "cmp r10, r9\n\t"
        "bne 1b" EMPTY_LINES_64
        : "+r"(end), "+r"(to), "+r"(from), "+r"(w)
        : VECTOR_OPERANDS(c->inputs), [shift] "I"(c->w_shift), [pitch] "I"(2 * c->hidden), [pitch2] "I"(4 * c->hidden)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", FPU_REGISTERS, "cc", "memory");
}

#define GATE_OPERANDS(c)                                                                                                \
    [gate_bits] "I"(GATE_TABLE_BITS), [tanh_bits] "I"(TANH_TABLE_BITS),                                                 \
        [gate_shift] "I"(PRE_BITS + (c)->u_shift - GATE_STEP_BITS),                                                     \
        [tanh_shift] "I"(PRE_BITS + (c)->u_shift - TANH_STEP_BITS), [to_top] "I"(16 - GATE_BITS),                       \
        [gate_one] "I"(GATE_BITS), [is_convex] "i"((c)->is_convex)

// The first update of a sweep, whose state before it is 0: no U h and no z. Two units at a time.
ALWAYS_INLINE void cell_first_step_pairs(const cell_t *c, const int16_t *wx, int16_t *state)
{
    const int16_t *const end = state + c->hidden, *gains = c->gates + (1 << GATE_TABLE_BITS) + 1;
    const int16_t *const tanh = c->tanh + (1 << (TANH_TABLE_BITS - 1));
    const int16_t *u = c->u;
    int32_t a, b, d, e;
    __asm__ volatile(
        ".p2align 2\n\t"
        "1:\n\t"
        "ldr.w %[b], [%[wx]], #4\n\t"
        "ldr.w %[d], [%[u], #8 * %c[words]]\n\t"
        "ldr.w %[e], [%[u], #8 * %c[words] + 4]\n\t"
        "add.w %[u], %[u], #8 * %c[words] + 8\n\t"
        "smulbb %[a], %[b], %[one]\n\t"
        "smultb %[b], %[b], %[one]\n\t"
        "add.w %[d], %[d], %[a]\n\t"
        "add.w %[e], %[e], %[b]\n\t"
        "ssat %[a], %[gate_bits], %[a], asr %[gate_shift]\n\t"
        "ssat %[b], %[gate_bits], %[b], asr %[gate_shift]\n\t"
        "ssat %[d], %[tanh_bits], %[d], asr %[tanh_shift]\n\t"
        "ssat %[e], %[tanh_bits], %[e], asr %[tanh_shift]\n\t"
        "ldrsh.w %[a], [%[gains], %[a], lsl #2]\n\t"
        "ldrsh.w %[b], [%[gains], %[b], lsl #2]\n\t"
        "ldrsh.w %[d], [%[tanh], %[d], lsl #1]\n\t"
        "ldrsh.w %[e], [%[tanh], %[e], lsl #1]\n\t"
        "smulbb %[d], %[a], %[d]\n\t"
        "smulbb %[e], %[b], %[e]\n\t"
        ".if %c[is_convex] == 0\n\t"
        "ssat %[d], #30, %[d]\n\t"
        "ssat %[e], #30, %[e]\n\t"
        ".endif\n\t"
        "lsl.w %[e], %[e], %[to_top]\n\t"
        "pkhtb %[d], %[e], %[d], asr %[gate_one]\n\t"
        "str.w %[d], [%[state]], #4\n\t"
        "cmp %[state], %[end]\n\t"
        "bne 1b"
        : [a] "=&r"(a), [b] "=&r"(b), [d] "=&r"(d), [e] "=&r"(e), [wx] "+r"(wx), [u] "+r"(u), [state] "+r"(state)
        : [end] "r"(end), [gains] "r"(gains), [tanh] "r"(tanh), [one] "r"(1 << c->u_shift),
          [words] "i"(c->hidden / 2), GATE_OPERANDS(c)
        : "cc", "memory");
}

// Two units of sequence k, whose sums are in a and b: their gates and candidates, and the next states in one word.
#define STEP_GATE(k, a, b)                                              \
    "add.w r8, " #a ", r6\n\t"                                         \
    "add.w r9, " #b ", r7\n\t"                                         \
    "ssat " #a ", %[gate_bits], " #a ", asr %[gate_shift]\n\t"         \
    "ssat " #b ", %[gate_bits], " #b ", asr %[gate_shift]\n\t"         \
    "ssat r8, %[tanh_bits], r8, asr %[tanh_shift]\n\t"                 \
    "ssat r9, %[tanh_bits], r9, asr %[tanh_shift]\n\t"                 \
    "ldr.w " #a ", [r12, " #a ", lsl #2]\n\t" /* z, and g in the upper half */ \
    "ldr.w " #b ", [r12, " #b ", lsl #2]\n\t"                          \
    "ldrsh.w r8, [lr, r8, lsl #1]\n\t"                                 \
    "ldrsh.w r9, [lr, r9, lsl #1]\n\t"                                 \
    "ldr.w r11, [r10, #4 * %c[words] * " #k "]\n\t"                    \
    "smultb r8, " #a ", r8\n\t"                                        \
    "smultb r9, " #b ", r9\n\t"                                        \
    "smlabb r8, " #a ", r11, r8\n\t"                                   \
    "smlabt r9, " #b ", r11, r9\n\t"                                   \
    ".if %c[is_convex] == 0\n\t"                                       \
    "ssat r8, #30, r8\n\t" /* 16 bits and the 14 that go */            \
    "ssat r9, #30, r9\n\t"                                             \
    ".endif\n\t"                                                       \
    "lsl.w r9, r9, %[to_top]\n\t"                                      \
    "pkhtb r8, r9, r8, asr %[gate_one]\n\t"                            \
    "str.w r8, [r10, #4 * %c[words] * " #k "]\n\t"

// The next states of three neighbouring sequences of an even number of words.
ALWAYS_INLINE void cell_step_3(const cell_t *c, const int16_t *wx, uint32_t wx_pitch, int16_t *states)
{
    register const int16_t *x __asm__("r6") = wx;
    register const int16_t *end __asm__("r8") = states + c->hidden;
    register int16_t *state __asm__("r10") = states;
    register const int16_t *u __asm__("r11") = c->u;
    register const int16_t *gates __asm__("r12") = c->gates + (1 << GATE_TABLE_BITS);
    register const int16_t *tanh __asm__("lr") = c->tanh + (1 << (TANH_TABLE_BITS - 1));
    __asm__ volatile(
        "vmov s24, r6\n\t"
        "vmov s25, r10\n\t"
        "vmov s27, r8\n\t"
        LOAD_VECTORS
        ".p2align 2\n\t"
        "1:\n\t"
        "vmov r10, s24\n\t"
        "movw r9, %[one]\n\t"
        "ldr.w r6, [r10]\n\t"
        "ldr.w r7, [r10, %[pitch]]\n\t"
        "ldr.w r8, [r10, %[pitch2]]\n\t"
        "add.w r10, r10, #4\n\t"
        "vmov s24, r10\n\t"
        "smulbb r0, r6, r9\n\t"
        "smulbb r1, r7, r9\n\t"
        "smulbb r2, r8, r9\n\t"
        "smultb r3, r6, r9\n\t"
        "smultb r4, r7, r9\n\t"
        "smultb r5, r8, r9\n\t"
        MULTIPLY
        "ldmia r11!, {r6, r7}\n\t"
        "vmov s28, r11\n\t"
        "vmov r10, s25\n\t"
        STEP_GATE(0, r0, r3)
        STEP_GATE(1, r1, r4)
        STEP_GATE(2, r2, r5)
        "add.w r10, r10, #4\n\t"
        "vmov r9, s27\n\t"
        "vmov r11, s28\n\t"
        "vmov s25, r10\n\t"
        "cmp r10, r9\n\t"
        "bne 1b" EMPTY_LINES_64
        : "+r"(x), "+r"(end), "+r"(state), "+r"(u)
        : "r"(gates), "r"(tanh), VECTOR_OPERANDS(c->hidden), [pitch] "I"(2 * wx_pitch), [pitch2] "I"(4 * wx_pitch),
          [one] "i"(1 << c->u_shift), GATE_OPERANDS(c)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r7", "r9", FPU_REGISTERS, "cc", "memory");
}
#endif

#endif
