// The FastGRNN cell in integers (Kusupati et al., NeurIPS 2018): hidden states and candidates in Q15, W x as int16 with
// PRE_BITS fractional bits, sigmoid and tanh by table. hil/compiler/graph.py (QCell) states the arithmetic.
#ifndef FASTGRNN_H
#define FASTGRNN_H

#include "tensor.h"

enum {
    PRE_BITS = 11,
    GATE_BITS = 14,
    GATE_TABLE_BITS = 9,  // 512 entries, an entry a 32nd
    GATE_STEP_BITS = 5,
    TANH_TABLE_BITS = 10,  // 1024 entries, an entry a 128th
    TANH_STEP_BITS = 7,
    MAX_UNROLLED = 40,  // values of a vector whose unrolled product fits the 1 KB instruction cache
};

typedef struct {
    uint16_t inputs;
    uint16_t hidden;
    uint8_t w_shift;
    uint8_t u_shift;
    bool is_convex;                // a state cannot leave -1 to 1, so it needs no saturation
    const int16_t *w;              // [hidden][inputs]
    const int32_t *offset;         // [hidden], rounding and gate bias included
    const int16_t *u;              // [hidden][hidden], row j makes unit j
    const int32_t *update_offset;  // [hidden], the candidate's bias minus the gate's
    const int16_t *gates;          // [512][2], z and zeta (1 - z) + nu in Q14, the middle for 0
    const int16_t *tanh;           // [1024], Q15, the middle for 0
    int32_t *sums;                 // [hidden][3], scratch
} cell_t;

ALWAYS_INLINE int32_t dot_s16(const int16_t *a, const int16_t *b, uint32_t length, int32_t acc)
{
    uint32_t i = 0;
#if HIL_DSP
    for (; i + 2 <= length; i += 2) {
        acc = __smlad((int16x2_t)load_word(a + i), (int16x2_t)load_word(b + i), acc);
    }
#endif
    for (; i < length; i++) {
        acc += a[i] * b[i];
    }
    return acc;
}

// wx = W x of an 8-bit pixel.
ALWAYS_INLINE void cell_project_8bit(const cell_t *c, const uint8_t *x, type_t type, int16_t *wx)
{
#if HIL_DSP
    if (c->inputs == 4) {
        // The whole pixel fits two registers, in the order of the weights: (x0, x1) and (x2, x3).
        const uint32_t even = (uint32_t)widen_even(load_word(x), type == TYPE_S8);
        const uint32_t odd = (uint32_t)widen_odd(load_word(x), type == TYPE_S8);
        const int16x2_t x01 = (int16x2_t)((even & 0xFFFFu) | (odd << 16));
        const int16x2_t x23 = (int16x2_t)((even >> 16) | (odd & 0xFFFF0000u));
        for (uint32_t j = 0; j < c->hidden; j++) {
            const uint32_t w01 = load_word(c->w + 4 * j), w23 = load_word(c->w + 4 * j + 2);
            const int32_t acc = __smlad((int16x2_t)w23, x23, __smlad((int16x2_t)w01, x01, c->offset[j]));
            wx[j] = (int16_t)SATURATE_SHIFTED(acc, c->w_shift, 16);
        }
        return;
    }
#endif
    for (uint32_t j = 0; j < c->hidden; j++) {
        int32_t acc = c->offset[j];
        for (uint32_t i = 0; i < c->inputs; i++) {
            acc += c->w[j * c->inputs + i] * load_8bit(x, i, type);
        }
        wx[j] = saturate_s16(acc >> c->w_shift);
    }
}

// wx = W x of a Q15 vector.
ALWAYS_INLINE void cell_project_state(const cell_t *c, const int16_t *x, int16_t *wx)
{
    for (uint32_t j = 0; j < c->hidden; j++) {
        wx[j] = saturate_s16(dot_s16(c->w + j * c->inputs, x, c->inputs, c->offset[j]) >> c->w_shift);
    }
}

#if HIL_DSP
// Two rows of a matrix times three neighbouring vectors of `length` values (even): sums[row][vector]. Five loads from one
// memory overlap, so a word of each costs 6 cycles and feeds 6 SMLADs; 13 registers is all the core has to spare.
ALWAYS_INLINE void multiply_2x3(const int16_t *matrix, const int16_t *vectors, uint32_t length, int32_t sums[2][3])
{
    int32_t a0, a1, a2, b0, b1, b2, m0, m1, v0, v1, v2;
    __asm__ volatile(
            "ldr %[m0], [%[m]]\n\t"
            "ldr %[m1], [%[m], %[pitch]]\n\t"
            "ldr %[v0], [%[v]]\n\t"
            "ldr %[v1], [%[v], %[pitch]]\n\t"
            "ldr %[v2], [%[v], %[pitch2]]\n\t"
            "smuad %[a0], %[m0], %[v0]\n\t"
            "smuad %[a1], %[m0], %[v1]\n\t"
            "smuad %[a2], %[m0], %[v2]\n\t"
            "smuad %[b0], %[m1], %[v0]\n\t"
            "smuad %[b1], %[m1], %[v1]\n\t"
            "smuad %[b2], %[m1], %[v2]\n\t"
            ".set offset, 4\n\t"
            ".rept %c[words] - 1\n\t"
            "ldr %[m0], [%[m], #offset]\n\t"
            "ldr %[m1], [%[m], #offset + %c[pitch]]\n\t"
            "ldr %[v0], [%[v], #offset]\n\t"
            "ldr %[v1], [%[v], #offset + %c[pitch]]\n\t"
            "ldr %[v2], [%[v], #offset + %c[pitch2]]\n\t"
            "smlad %[a0], %[m0], %[v0], %[a0]\n\t"
            "smlad %[a1], %[m0], %[v1], %[a1]\n\t"
            "smlad %[a2], %[m0], %[v2], %[a2]\n\t"
            "smlad %[b0], %[m1], %[v0], %[b0]\n\t"
            "smlad %[b1], %[m1], %[v1], %[b1]\n\t"
            "smlad %[b2], %[m1], %[v2], %[b2]\n\t"
            ".set offset, offset + 4\n\t"
            ".endr" EMPTY_LINES_192
            : [a0] "=&r"(a0), [a1] "=&r"(a1), [a2] "=&r"(a2), [b0] "=&r"(b0), [b1] "=&r"(b1), [b2] "=&r"(b2),
              [m0] "=&r"(m0), [m1] "=&r"(m1), [v0] "=&r"(v0), [v1] "=&r"(v1), [v2] "=&r"(v2)
            : [m] "r"(matrix), [v] "r"(vectors), [words] "i"(length / 2), [pitch] "i"(2 * length),
              [pitch2] "i"(4 * length)
            : "memory");
    sums[0][0] = a0, sums[0][1] = a1, sums[0][2] = a2;
    sums[1][0] = b0, sums[1][1] = b1, sums[1][2] = b2;
}
#endif

// Whether a matrix of this size is multiplied in blocks of 2x3.
ALWAYS_INLINE bool is_unrolled(uint32_t rows, uint32_t length)
{
    return rows % 2 == 0 && length % 2 == 0 && length <= MAX_UNROLLED;
}

// wx = W x of `count` neighbouring Q15 vectors.
ALWAYS_INLINE void cell_project_states(const cell_t *c, const int16_t *x, uint32_t count, int16_t *wx)
{
    const uint32_t by_three = HIL_DSP && is_unrolled(c->hidden, c->inputs) ? count / 3 * 3 : 0;
#if HIL_DSP
    for (uint32_t i = 0; i < by_three; i += 3) {
#pragma GCC unroll 1
        for (uint32_t j = 0; j < c->hidden; j += 2) {
            int32_t sums[2][3];
            multiply_2x3(c->w + j * c->inputs, x + i * c->inputs, c->inputs, sums);
            for (uint32_t k = 0; k < 6; k++) {
                const uint32_t unit = j + k / 3;
                wx[(i + k % 3) * c->hidden + unit] =
                    (int16_t)SATURATE_SHIFTED(sums[k / 3][k % 3] + c->offset[unit], c->w_shift, 16);
            }
        }
    }
#endif
    for (uint32_t i = by_three; i < count; i++) {
        cell_project_state(c, x + i * c->inputs, wx + i * c->hidden);
    }
}

// One unit's next state from pre = (wx << u_shift) + sum u h.
ALWAYS_INLINE int16_t cell_gate(const cell_t *c, uint32_t unit, int32_t pre, int32_t state)
{
    const int32_t gate = SATURATE_SHIFTED(pre, PRE_BITS + c->u_shift - GATE_STEP_BITS, GATE_TABLE_BITS);
    const int32_t update =
        SATURATE_SHIFTED(pre + c->update_offset[unit], PRE_BITS + c->u_shift - TANH_STEP_BITS, TANH_TABLE_BITS);
    const int16_t *gates = c->gates + 2 * ((1 << (GATE_TABLE_BITS - 1)) + gate);
    const int32_t candidate = c->tanh[(1 << (TANH_TABLE_BITS - 1)) + update];
    const int32_t next = (gates[0] * state + gates[1] * candidate) >> GATE_BITS;
    return c->is_convex ? (int16_t)next : saturate_s16(next);
}

// The first update of a sweep: the state before it is 0, so it needs no U h and no z.
ALWAYS_INLINE void cell_first_step(const cell_t *c, const int16_t *wx, int16_t *state)
{
    for (uint32_t j = 0; j < c->hidden; j++) {
        state[j] = cell_gate(c, j, wx[j] * (1 << c->u_shift), 0);
    }
}

ALWAYS_INLINE void cell_step(const cell_t *c, const int16_t *wx, int16_t *state)
{
    for (uint32_t j = 0; j < c->hidden; j++) {
        c->sums[j] = dot_s16(c->u + j * c->hidden, state, c->hidden, wx[j] * (1 << c->u_shift));
    }
    for (uint32_t j = 0; j < c->hidden; j++) {
        state[j] = cell_gate(c, j, c->sums[j], state[j]);
    }
}

#if HIL_DSP
// Two units' next states: those of words `k` of wx and state, and of rows 2k and 2k + 1 of sums. The loads stand together
// because only neighbours overlap, and an index is made well before its use because an address that was written by the
// instruction just before costs a cycle.
#define GATE_PAIR(k)                                               \
    "ldr %[a], [%[sums], #24 * " #k "]\n\t"                        \
    "ldr %[b], [%[sums], #24 * " #k " + 12]\n\t"                   \
    "ldr %[d], [%[offset], #8 * " #k "]\n\t"                       \
    "ldr %[e], [%[offset], #8 * " #k " + 4]\n\t"                   \
    "ldr %[w], [%[wx], #4 * " #k "]\n\t"                           \
    "ldr %[h], [%[state], #4 * " #k "]\n\t"                        \
    "smlabb %[a], %[w], %[one], %[a]\n\t"                          \
    "smlatb %[b], %[w], %[one], %[b]\n\t"                          \
    "add %[d], %[a]\n\t"                                           \
    "add %[e], %[b]\n\t"                                           \
    "ssat %[a], %[gate_bits], %[a], asr %[gate_shift]\n\t"         \
    "ssat %[b], %[gate_bits], %[b], asr %[gate_shift]\n\t"         \
    "ssat %[d], %[tanh_bits], %[d], asr %[tanh_shift]\n\t"         \
    "ssat %[e], %[tanh_bits], %[e], asr %[tanh_shift]\n\t"         \
    "ldr %[a], [%[gates], %[a], lsl #2]\n\t"                       \
    "ldr %[b], [%[gates], %[b], lsl #2]\n\t"                       \
    "ldrsh %[d], [%[tanh], %[d], lsl #1]\n\t"                      \
    "ldrsh %[e], [%[tanh], %[e], lsl #1]\n\t"                      \
    "pkhbt %[w], %[h], %[d], lsl #16\n\t" /* (h0, c0) with (z0, g0) */ \
    "pkhtb %[h], %[h], %[e]\n\t"          /* (c1, h1) with (z1, g1), crosswise */ \
    "smuad %[a], %[a], %[w]\n\t"                                   \
    "smuadx %[b], %[b], %[h]\n\t"                                  \
    ".if %c[is_convex] == 0\n\t"                                   \
    "ssat %[a], #30, %[a]\n\t" /* 16 bits and the 14 that go */    \
    "ssat %[b], #30, %[b]\n\t"                                     \
    ".endif\n\t"                                                   \
    "lsls %[b], %[b], %[to_top]\n\t"                               \
    "pkhtb %[a], %[b], %[a], asr %[gate_one]\n\t"                  \
    "str %[a], [%[state], #4 * " #k "]\n\t"

// All units' next states of one sequence, two units at a time, or four where that divides them.
// sums: [hidden][3], of which this is one column. Registers below r8 make the loads 16-bit: loads one behind the other
// outrun the instruction fetch otherwise.
ALWAYS_INLINE void cell_gate_all(const cell_t *c, const int32_t *sums, const int16_t *wx, int16_t *state)
{
    const int16_t *const end = state + c->hidden;
    float kept_end;  // the core's registers are all taken: one of the FPU's keeps where to stop
    memcpy(&kept_end, &end, sizeof kept_end);
    // With 13 of 14 registers in use, gcc finds no assignment in every surrounding: so here is one.
    register const int32_t *sum __asm__("r0") = sums;
    register const int32_t *offset __asm__("r1") = c->update_offset;
    register int32_t a __asm__("r2"), b __asm__("r3"), d __asm__("r4"), e __asm__("r5"), w __asm__("r6"), h __asm__("r7");
    register const int16_t *x __asm__("r8") = wx;
    register int16_t *to __asm__("r9") = state;
    register const int32_t one __asm__("r10") = 1 << c->u_shift;
    register const int16_t *gates __asm__("r11") = c->gates + (1 << GATE_TABLE_BITS);
    register const int16_t *tanh __asm__("r12") = c->tanh + (1 << (TANH_TABLE_BITS - 1));
    __asm__ volatile(
        "1:\n\t"
        GATE_PAIR(0)
        ".if %c[pairs] == 2\n\t"
        GATE_PAIR(1)
        ".endif\n\t"
        "vmov %[w], %[end]\n\t"
        "adds %[sums], #24 * %c[pairs]\n\t"
        "adds %[offset], #8 * %c[pairs]\n\t"
        "adds %[wx], #4 * %c[pairs]\n\t"
        "adds %[state], #4 * %c[pairs]\n\t"
        "cmp %[state], %[w]\n\t"
        "bne 1b"
        : [a] "=&r"(a), [b] "=&r"(b), [d] "=&r"(d), [e] "=&r"(e), [w] "=&r"(w), [h] "=&r"(h), [sums] "+r"(sum),
          [offset] "+r"(offset), [wx] "+r"(x), [state] "+r"(to)
        : [one] "r"(one), [gates] "r"(gates), [tanh] "r"(tanh), [end] "t"(kept_end), [gate_bits] "I"(GATE_TABLE_BITS),
          [tanh_bits] "I"(TANH_TABLE_BITS), [gate_shift] "I"(PRE_BITS + c->u_shift - GATE_STEP_BITS),
          [tanh_shift] "I"(PRE_BITS + c->u_shift - TANH_STEP_BITS), [to_top] "I"(16 - GATE_BITS),
          [gate_one] "I"(GATE_BITS), [is_convex] "i"(c->is_convex), [pairs] "i"(c->hidden % 4 == 0 ? 2 : 1)
        : "cc", "memory");
}

// The next states of three neighbouring sequences.
ALWAYS_INLINE void cell_step_3(const cell_t *c, const int16_t *wx, uint32_t wx_pitch, int16_t *states)
{
    int32_t(*sums)[3] = (int32_t(*)[3])c->sums;
    // Rolled: unrolled, the loops would not fit the 1 KB instruction cache.
#pragma GCC unroll 1
    for (uint32_t j = 0; j < c->hidden; j += 2) {
        multiply_2x3(c->u + j * c->hidden, states, c->hidden, &sums[j]);
    }
#pragma GCC unroll 1
    for (uint32_t i = 0; i < 3; i++) {
        cell_gate_all(c, c->sums + i, wx + i * wx_pitch, states + i * c->hidden);
    }
}
#endif

// One update of `count` sequences: wx of sequence i at wx + i * wx_pitch, its state at states + i * hidden.
ALWAYS_INLINE void cell_step_all(const cell_t *c, const int16_t *wx, uint32_t wx_pitch, int16_t *states, uint32_t count,
                                 bool is_first)
{
    if (is_first) {
        for (uint32_t i = 0; i < count; i++) {
            cell_first_step(c, wx + i * wx_pitch, states + i * c->hidden);
        }
        return;
    }
    const uint32_t by_three = HIL_DSP && is_unrolled(c->hidden, c->hidden) ? count / 3 * 3 : 0;
#if HIL_DSP
    for (uint32_t i = 0; i < by_three; i += 3) {
        cell_step_3(c, wx + i * wx_pitch, wx_pitch, states + i * c->hidden);
    }
#endif
    for (uint32_t i = by_three; i < count; i++) {
        cell_step(c, wx + i * wx_pitch, states + i * c->hidden);
    }
}

#endif
