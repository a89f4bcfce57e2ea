// The FastGRNN cell's gates for the Cortex-M4: from sums to states, of two units at a time.
#ifndef FASTGRNN_GATES_H
#define FASTGRNN_GATES_H

#include "fastgrnn_cell.h"

#if HIL_DSP
// The middle of the table of gates.
ALWAYS_INLINE const int16_t *cell_gates(const cell_t *c)
{
    return c->gates + (1 << (c->is_tied ? TIED_TABLE_BITS : GATE_TABLE_BITS));
}

_Static_assert((int)TIED_TABLE_BITS == (int)GATE_TABLE_BITS, "both tables are looked up with gate_bits");
#define GATE_OPERANDS(c)                                                                                                \
    [gate_bits] "I"(GATE_TABLE_BITS), [tanh_bits] "I"(TANH_TABLE_BITS),                                                 \
        [gate_shift] "I"(PRE_BITS + (c)->u_shift - ((c)->is_tied ? TIED_STEP_BITS : GATE_STEP_BITS)),                    \
        [tanh_shift] "I"(PRE_BITS + (c)->u_shift - TANH_STEP_BITS), [to_top] "I"(16 - GATE_BITS),                       \
        [gate_one] "I"(GATE_BITS), [is_convex] "i"((c)->is_convex)

// The first update of a sweep, whose state before it is 0: no U h and no z. Two units at a time.
ALWAYS_INLINE void cell_first_step_pairs(const cell_t *c, const int16_t *wx, int16_t *state)
{
    const int16_t *const end = state + c->hidden, *gains = cell_gates(c) + 1;
    const int16_t *const tanh = c->tanh + (1 << (TANH_TABLE_BITS - 1));
    const int16_t *u = c->u;
    int32_t a, b, d, e;
    __asm__ volatile(
        ".p2align 2\n\t"
        "1:\n\t"
        "ldr.w %[b], [%[wx]], #4\n\t"
        "ldr.w %[d], [%[u], #%c[pair] - 8]\n\t"
        "ldr.w %[e], [%[u], #%c[pair] - 4]\n\t"
        "add.w %[u], %[u], #%c[pair]\n\t"
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
          [pair] "i"(2 * packed_pair(packed_u(c))), GATE_OPERANDS(c)
        : "cc", "memory");
}

// The same of a tied cell: twice v.
ALWAYS_INLINE void cell_first_step_tied(const cell_t *c, const int16_t *wx, int16_t *state)
{
    const int16_t *const end = state + c->hidden, *values = cell_gates(c) + 1;
    int32_t a, b;
    __asm__ volatile(
        ".p2align 2\n\t"
        "1:\n\t"
        "ldr.w %[b], [%[wx]], #4\n\t"
        "sxth.w %[a], %[b]\n\t"
        "ssat %[b], %[bits], %[b], asr %[top_shift]\n\t"
        "ssat %[a], %[bits], %[a], asr %[shift]\n\t"
        "ldrsh.w %[b], [%[values], %[b], lsl #2]\n\t"
        "ldrsh.w %[a], [%[values], %[a], lsl #2]\n\t"
        "pkhbt %[a], %[a], %[b], lsl #16\n\t"
        "sadd16 %[a], %[a], %[a]\n\t"
        "str.w %[a], [%[state]], #4\n\t"
        "cmp %[state], %[end]\n\t"
        "bne 1b"
        : [a] "=&r"(a), [b] "=&r"(b), [wx] "+r"(wx), [state] "+r"(state)
        : [end] "r"(end), [values] "r"(values), [bits] "I"(TIED_TABLE_BITS), [shift] "I"(PRE_BITS - TIED_STEP_BITS),
          [top_shift] "I"(16 + PRE_BITS - TIED_STEP_BITS)
        : "cc", "memory");
}

// What the loops over pairs of units of three neighbouring sequences share. r0 to r2 are the sums of the first unit, r3 to r5
// of the second. A state is `words` words long.
#define STEP_OPERANDS(c, wx_pitch, back_)                                                                               \
    [pitch] "I"(2 * (wx_pitch)), [pitch2] "I"(4 * (wx_pitch)), [one] "i"(1 << (c)->u_shift), [back] "i"(2 * (back_)),     \
        [is_tied] "i"((c)->is_tied)

// The next words of wx, and stores for which a load before them costs a cycle less.
#define WX_AND(x, stores)                               \
    "ldr.w r7, [" x ", %[pitch]]\n\t"                   \
    "ldr.w r8, [" x ", %[pitch2]]\n\t"                  \
    "ldr.w r6, [" x "], #4\n\t"                         \
    stores

#define BEGIN_SUMS                     \
    "movw r9, %[one]\n\t"              \
    "smulbb r0, r6, r9\n\t"            \
    "smulbb r1, r7, r9\n\t"            \
    "smulbb r2, r8, r9\n\t"            \
    "smultb r3, r6, r9\n\t"            \
    "smultb r4, r7, r9\n\t"            \
    "smultb r5, r8, r9\n\t"

// Without .w where an offset may be negative: clang's assembler knows none such, and with r10 there is but the wide form.
// Two units of a sequence, whose sums are in a and b: their gates and candidates, and the next states in one word in a. The
// old state, which comes to h, lies `back` bytes from the place of the new one, which is `place` from r10, where the third
// sequence's is. The store of the sequence before stands behind the loads, where it saves a cycle.
#define GATE(a, b, h, place, store, after)                                         \
    "add.w r8, " a ", r6\n\t"                                                     \
    "add.w r9, " b ", r7\n\t"                                                     \
    "ssat " a ", %[gate_bits], " a ", asr %[gate_shift]\n\t"                      \
    "ssat " b ", %[gate_bits], " b ", asr %[gate_shift]\n\t"                      \
    "ssat r8, %[tanh_bits], r8, asr %[tanh_shift]\n\t"                            \
    "ssat r9, %[tanh_bits], r9, asr %[tanh_shift]\n\t"                            \
    "ldr.w " a ", [r12, " a ", lsl #2]\n\t" /* z, and g in the upper half */      \
    "ldr.w " b ", [r12, " b ", lsl #2]\n\t"                                       \
    "ldrsh.w r8, [lr, r8, lsl #1]\n\t"                                            \
    "ldrsh.w r9, [lr, r9, lsl #1]\n\t"                                            \
    "ldr " h ", [r10, #" place " + %c[back]]\n\t"                                 \
    store                                                                          \
    "smultb r8, " a ", r8\n\t"                                                    \
    "smultb r9, " b ", r9\n\t"                                                    \
    "smlabb r8, " a ", " h ", r8\n\t"                                             \
    "smlabt r9, " b ", " h ", r9\n\t"                                             \
    after                                                                          \
    ".if %c[is_convex] == 0\n\t"                                                  \
    "ssat r8, #30, r8\n\t" /* 16 bits and the 14 that go */                       \
    "ssat r9, #30, r9\n\t"                                                        \
    ".endif\n\t"                                                                  \
    "lsl.w r9, r9, %[to_top]\n\t"                                                 \
    "pkhtb " a ", r9, r8, asr %[gate_one]\n\t"

// The update offsets in r6 and r7, tables at r12 and lr; leaves the third sequence's states in r2, to be stored at r10. At first
// no register is free for the old state but its pointer's, which s25 has as well. The pointer to wx comes back early, in r3: a
// load from an address that has just been written would wait.
#define GATES                                                                      \
    GATE("r0", "r3", "r10", "-8 * %c[words]", "", "vmov r10, s25\n\t")            \
    GATE("r1", "r4", "r3", "-4 * %c[words]", "str r0, [r10, #-8 * %c[words]]\n\t", "") \
    GATE("r2", "r5", "r3", "0", "str r1, [r10, #-4 * %c[words]]\n\t", "vmov r3, s24\n\t")

#define TIED_GATE(a, b, state)                                                     \
    "smlabb " a ", " a ", " state ", " a "\n\t" /* z, and v in the upper half */  \
    "smlabt " b ", " b ", " state ", " b "\n\t"                                   \
    "lsl.w " b ", " b ", #1\n\t"                                                  \
    "pkhtb " a ", " b ", " a ", asr #15\n\t"

// The same of a tied cell, all in one run of loads. Leaves the states in r0 to r2.
#define TIED_GATES(to)                                                             \
    "ssat r0, %[gate_bits], r0, asr %[gate_shift]\n\t"                            \
    "ssat r1, %[gate_bits], r1, asr %[gate_shift]\n\t"                            \
    "ssat r2, %[gate_bits], r2, asr %[gate_shift]\n\t"                            \
    "ssat r3, %[gate_bits], r3, asr %[gate_shift]\n\t"                            \
    "ssat r4, %[gate_bits], r4, asr %[gate_shift]\n\t"                            \
    "ssat r5, %[gate_bits], r5, asr %[gate_shift]\n\t"                            \
    "ldr.w r0, [r12, r0, lsl #2]\n\t"                                             \
    "ldr.w r1, [r12, r1, lsl #2]\n\t"                                             \
    "ldr.w r2, [r12, r2, lsl #2]\n\t"                                             \
    "ldr.w r3, [r12, r3, lsl #2]\n\t"                                             \
    "ldr.w r4, [r12, r4, lsl #2]\n\t"                                             \
    "ldr.w r5, [r12, r5, lsl #2]\n\t"                                             \
    "ldr r6, [" to ", #%c[back] - 8 * %c[words]]\n\t"                             \
    "ldr r7, [" to ", #%c[back] - 4 * %c[words]]\n\t"                             \
    "ldr r8, [" to ", #%c[back]]\n\t"                                             \
    TIED_GATE("r0", "r3", "r6")                                                    \
    TIED_GATE("r1", "r4", "r7")                                                    \
    TIED_GATE("r2", "r5", "r8")
#define TIED_STORES(to)                                \
    "str r0, [" to ", #-8 * %c[words]]\n\t"          \
    "str r1, [" to ", #-4 * %c[words]]\n\t"          \
    "str.w r2, [" to "], #4\n\t"

#define FPU_REGISTERS                                                                                                 \
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15", "s16", "s17", \
        "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28", "s29", "s30"
#endif

#endif
