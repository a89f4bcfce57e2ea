// The FastGRNN cell's loops over 2x2 blocks of a matrix, for the Cortex-M4: two units at a time, of three neighbouring
// sequences. The vectors stay in memory, where a block finds its two values by their place; what the dense loops have in the
// FPU's registers are here pointers (s24 to s30).
#ifndef FASTGRNN_BLOCKS_H
#define FASTGRNN_BLOCKS_H

#include "fastgrnn_gates.h"

#if HIL_DSP
// The blocks of two rows at r11 times three vectors at r10, r12 and lr, added to r0 to r5. Begins as many blocks before the end
// as the rows have; pc is then four bytes on, where the blocks begin.
#define MULTIPLY_BLOCKS                     \
    "ldr.w r9, [r11], #4\n\t"               \
    ".p2align 2\n\t"                        \
    "add pc, r9\n\t"                        \
    "nop\n\t"                               \
    ".rept %c[blocks]\n\t"                  \
    "ldmia r11!, {r6, r7, r8}\n\t"          \
    "ldr.w r9, [r10, r6]\n\t"               \
    "smlad r0, r7, r9, r0\n\t"              \
    "smlad r3, r8, r9, r3\n\t"              \
    "ldr.w r9, [r12, r6]\n\t"               \
    "ldr.w r6, [lr, r6]\n\t"                \
    "smlad r1, r7, r9, r1\n\t"              \
    "smlad r4, r8, r9, r4\n\t"              \
    "smlad r2, r7, r6, r2\n\t"              \
    "smlad r5, r8, r6, r5\n\t"              \
    ".endr\n\t"

// wx = W x of three neighbouring vectors.
ALWAYS_INLINE void cell_project_3_blocks(const cell_t *c, const int16_t *x, int16_t *wx)
{
    register const int16_t *end __asm__("r8") = wx + c->hidden;
    register int16_t *to __asm__("r9") = wx;
    register const int16_t *from __asm__("r10") = x;
    register const int16_t *w __asm__("r11") = c->w;
    __asm__ volatile(
        "vmov s25, r9\n\t"
        "vmov s27, r8\n\t"
        "add.w r12, r10, #4 * %c[words]\n\t"
        "add.w lr, r10, #8 * %c[words]\n\t"
        ".p2align 2\n\t"
        "1:\n\t"
        "mov.w r0, #0\n\t"
        "mov.w r1, #0\n\t"
        "mov.w r2, #0\n\t"
        "mov.w r3, #0\n\t"
        "mov.w r4, #0\n\t"
        "mov.w r5, #0\n\t"
        MULTIPLY_BLOCKS
        "ldmia r11!, {r6, r7}\n\t"
        "vmov r9, s25\n\t"
        "add.w r0, r0, r6\n\t"
        "add.w r1, r1, r6\n\t"
        "add.w r2, r2, r6\n\t"
        "add.w r3, r3, r7\n\t"
        "add.w r4, r4, r7\n\t"
        "add.w r5, r5, r7\n\t"
        "ssat r0, #16, r0, asr %[shift]\n\t"
        "ssat r3, #16, r3, asr %[shift]\n\t"
        "ssat r1, #16, r1, asr %[shift]\n\t"
        "ssat r4, #16, r4, asr %[shift]\n\t"
        "ssat r2, #16, r2, asr %[shift]\n\t"
        "ssat r5, #16, r5, asr %[shift]\n\t"
        "pkhbt r0, r0, r3, lsl #16\n\t"
        "pkhbt r1, r1, r4, lsl #16\n\t"
        "pkhbt r2, r2, r5, lsl #16\n\t"
        "str.w r1, [r9, %[pitch]]\n\t"
        "str.w r2, [r9, %[pitch2]]\n\t"
        "str.w r0, [r9], #4\n\t"
        "vmov r8, s27\n\t"
        "vmov s25, r9\n\t"
        "cmp r9, r8\n\t"
        "bne 1b" EMPTY_LINES_64
        : "+r"(end), "+r"(to), "+r"(from), "+r"(w)
        : [words] "i"(c->inputs / 2), [blocks] "i"(c->w_blocks), [shift] "I"(c->w_shift), [pitch] "I"(2 * c->hidden),
          [pitch2] "I"(4 * c->hidden)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r12", "lr", FPU_REGISTERS, "cc", "memory");
}

// The next states of `count` neighbouring sequences, three at a time, from states that lie `back` values from where they go:
// three sequences down or up, which decides with which end to begin. count is a multiple of three and not 0, states the new
// states of the three to begin with, wx theirs. Reads a word of wx behind each that it uses.
ALWAYS_INLINE void cell_steps_blocks(const cell_t *c, const int16_t *wx, uint32_t wx_pitch, int16_t *states, int32_t back,
                                     uint32_t count)
{
    const bool is_down = back < 0;
    const uint32_t behind = 2u * c->hidden + 4;  // the words of wx that were read
    const uint32_t all = 2u * count * c->hidden;
    register uintptr_t end __asm__("r8") = (uintptr_t)(states + back) + (is_down ? 0u - all : all);  // perhaps below the arena
    register const int16_t *x __asm__("r9") = wx;
    register const int16_t *old __asm__("r10") = states + back;
    register const int16_t *u __asm__("r11") = c->u;
    register const int16_t *gates __asm__("r12") = cell_gates(c);
    register const int16_t *tanh __asm__("lr") = c->is_tied ? c->gates : c->tanh + (1 << (TANH_TABLE_BITS - 1));
    __asm__ volatile(
        "vmov s23, r8\n\t"
        "vmov s26, r12\n\t"
        "vmov s29, lr\n\t"
        "vmov s22, r11\n\t"
        "2:\n\t"
        "add.w r8, r10, #8 * %c[words] - %c[back]\n\t" /* where the third sequence goes */
        "vmov s30, r10\n\t"
        "vmov s25, r8\n\t"
        "add.w r8, r8, #4 * %c[words]\n\t"
        "vmov s27, r8\n\t"
        WX_AND("r9", "")
        "vmov s24, r9\n\t"
        "add.w r12, r10, #4 * %c[words]\n\t"
        "add.w lr, r10, #8 * %c[words]\n\t"
        ".p2align 2\n\t"
        "1:\n\t"
        BEGIN_SUMS
        MULTIPLY_BLOCKS
        "vmov r12, s26\n\t"
        ".if %c[is_tied]\n\t"
        "vmov r9, s25\n\t"
        TIED_GATES("r9")
        "vmov lr, s24\n\t"
        "add.w r12, r10, #4 * %c[words]\n\t"
        WX_AND("lr", TIED_STORES("r9"))
        "vmov s24, lr\n\t"
        "vmov s25, r9\n\t"
        "vmov lr, s27\n\t"
        "cmp r9, lr\n\t"
        ".else\n\t"
        "ldmia r11!, {r6, r7}\n\t"
        "vmov r10, s25\n\t"
        "vmov lr, s29\n\t"
        GATES
        WX_AND("r3", "str.w r2, [r10], #4\n\t")
        "vmov s24, r3\n\t"
        "vmov s25, r10\n\t"
        "vmov lr, s27\n\t"
        "cmp r10, lr\n\t"
        "vmov r10, s30\n\t"
        "add.w r12, r10, #4 * %c[words]\n\t"
        ".endif\n\t"
        "add.w lr, r10, #8 * %c[words]\n\t"
        "bne.w 1b\n\t"
        "movw r8, %[next_wx]\n\t"
        "vmov r9, s24\n\t"
        "vmov r11, s22\n\t"
        ".if %c[is_down]\n\t"
        "sub.w r9, r9, r8\n\t"
        "sub.w r10, r10, #12 * %c[words]\n\t"
        ".else\n\t"
        "add.w r9, r9, r8\n\t"
        "add.w r10, r10, #12 * %c[words]\n\t"
        ".endif\n\t"
        "vmov r8, s23\n\t"
        "cmp r10, r8\n\t"
        "bne.w 2b" EMPTY_LINES_64
        : "+r"(end), "+r"(x), "+r"(old), "+r"(u), "+r"(gates), "+r"(tanh)
        : [words] "i"(c->hidden / 2), [blocks] "i"(c->u_blocks), GATE_OPERANDS(c), STEP_OPERANDS(c, wx_pitch, back),
          [is_down] "i"(is_down), [next_wx] "i"(6 * wx_pitch + (is_down ? behind : 0u - behind))
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", FPU_REGISTERS, "cc", "memory");
}
#endif

#endif
