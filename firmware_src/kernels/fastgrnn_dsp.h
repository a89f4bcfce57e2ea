// The FastGRNN cell's loops for the Cortex-M4: two units at a time, of one, two or three neighbouring sequences.
//
// Registers are assigned by hand: nearly all are in use, and gcc 12 finds no assignment in every surrounding. What is costly:
// a load that no other load of the same memory follows (2 cycles), an address made by the instruction just before (1 more), a
// loop that does not start at a word. A word from an FPU register costs one cycle, so three vectors wait there (s0 to s23),
// which may then be stored over, and the pointers of which only one part of a loop has need (s24 to s28).
#ifndef FASTGRNN_DSP_H
#define FASTGRNN_DSP_H

#include "fastgrnn_gates.h"

#if HIL_DSP
enum { MAX_VECTOR = 16 };  // values of a vector of which three fit the FPU's registers

ALWAYS_INLINE bool fits_fpu(uint32_t length)
{
    return length % 2 == 0 && length <= MAX_VECTOR;
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
    ".if %c[words] > 1\n\t"                 \
    "vldmia r10!, {s0-s%c[last]}\n\t"       \
    "vldmia r10!, {s8-s%c[last_8]}\n\t"     \
    "vldmia r10!, {s16-s%c[last_16]}\n\t"   \
    ".else\n\t" /* no assembler takes s0-s0 */ \
    "vldmia r10!, {s0}\n\t"                 \
    "vldmia r10!, {s8}\n\t"                 \
    "vldmia r10!, {s16}\n\t"                \
    ".endif\n\t"
#define MULTIPLY                                         \
    MULTIPLY_WORDS(0, s0, s1, s8, s9, s16, s17)          \
    MULTIPLY_WORDS(1, s2, s3, s10, s11, s18, s19)        \
    MULTIPLY_WORDS(2, s4, s5, s12, s13, s20, s21)        \
    MULTIPLY_WORDS(3, s6, s7, s14, s15, s22, s23)
#define VECTOR_OPERANDS(length)                                                                          \
    [words] "i"((length) / 2), [last] "i"((length) / 2 - 1), [last_8] "i"((length) / 2 + 7), [last_16] "i"((length) / 2 + 15)

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

// The next states of `count` neighbouring sequences of an even number of words, three at a time; count is a multiple of three
// and not 0. Reads a word of wx behind each that it uses.
ALWAYS_INLINE void cell_steps(const cell_t *c, const int16_t *wx, uint32_t wx_pitch, int16_t *states, uint32_t count)
{
    register const int16_t *x __asm__("r9") = wx;
    register const int16_t *end __asm__("r8") = states + count * c->hidden;
    register int16_t *state __asm__("r10") = states;
    register const int16_t *u __asm__("r11") = c->u;
    register const int16_t *gates __asm__("r12") = cell_gates(c);
    register const int16_t *tanh __asm__("lr") = c->is_tied ? wx : c->tanh + (1 << (TANH_TABLE_BITS - 1));
    __asm__ volatile(
        "vmov s30, r8\n\t"
        "vmov s29, r11\n\t"
        "2:\n\t"
        "add.w r8, r10, #12 * %c[words]\n\t"
        "add.w r7, r10, #8 * %c[words]\n\t"
        "vmov s27, r8\n\t"
        "vmov s25, r7\n\t"
        LOAD_VECTORS
        ".if %c[is_tied]\n\t"
        WX_AND("lr", "")
        ".else\n\t"
        WX_AND("r9", "")
        "vmov s24, r9\n\t"
        ".endif\n\t"
        ".p2align 2\n\t"
        "1:\n\t"
        BEGIN_SUMS
        MULTIPLY
        ".if %c[is_tied]\n\t"
        "vmov r10, s25\n\t"
        TIED_GATES("r10")
        WX_AND("lr", TIED_STORES("r10"))
        ".else\n\t"
        "ldmia r11!, {r6, r7}\n\t"
        "vmov r10, s25\n\t"
        GATES
        WX_AND("r3", "str.w r2, [r10], #4\n\t")
        "vmov s24, r3\n\t"
        ".endif\n\t"
        "vmov r9, s27\n\t"
        "vmov s25, r10\n\t"
        "cmp r10, r9\n\t"
        "bne.w 1b\n\t"
        "movw r8, %[next_wx]\n\t"
        ".if %c[is_tied]\n\t"
        "add.w lr, lr, r8\n\t"
        ".else\n\t"
        "vmov r9, s24\n\t"
        "add.w r9, r9, r8\n\t"
        ".endif\n\t"
        "vmov r8, s30\n\t"
        "vmov r11, s29\n\t"
        "cmp r10, r8\n\t" /* the end of the third sequence is where the next three begin */
        "bne.w 2b" EMPTY_LINES_64
        : "+r"(x), "+r"(end), "+r"(state), "+r"(u), "+r"(tanh)
        : "r"(gates), VECTOR_OPERANDS(c->hidden), GATE_OPERANDS(c), STEP_OPERANDS(c, wx_pitch, 0),
          [next_wx] "i"(6 * wx_pitch - 2 * c->hidden - 4)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", FPU_REGISTERS, "cc", "memory");
}
#endif

#endif
