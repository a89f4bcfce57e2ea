// The FastGRNN cell in integers (Kusupati et al., NeurIPS 2018): hidden states and candidates in Q15, W x as int16 with
// PRE_BITS fractional bits, sigmoid and tanh by table, one sequence at a time.
// hil/compiler/graph.py (QCell) states the arithmetic.
#ifndef FASTGRNN_CELL_H
#define FASTGRNN_CELL_H

#include "tensor.h"

enum {
    STATE_BITS = 15,
    PRE_BITS = 11,
    GATE_BITS = 14,
    GATE_TABLE_BITS = 9,  // 512 entries, an entry a 32nd
    GATE_STEP_BITS = 5,
    TANH_TABLE_BITS = 10,  // 1024 entries, an entry a 128th
    TANH_STEP_BITS = 7,
};

typedef enum { CELL_FASTGRNN, CELL_GRU, CELL_LSTM } cell_kind_t;  // the latter two: gated.h

typedef struct {
    cell_kind_t kind;
    uint16_t inputs;
    uint16_t hidden;
    uint8_t w_shift;
    uint8_t u_shift;
    bool is_convex;         // a state cannot leave -1 to 1, so it needs no saturation
    const int16_t *w;       // of a cell that reads pixels: [hidden][inputs]; of one that reads states: packed
    const int32_t *offset;  // of a cell that reads pixels: [hidden], rounding and gate bias included
    const int16_t *u;       // packed, with the candidate's bias minus the gate's as offsets
    const int16_t *gates;   // [512][2] ([512] of a gated cell), z and zeta (1 - z) + nu in Q14, the middle for 0
    const int16_t *tanh;    // [1024], Q15, the middle for 0
    int32_t *sums;          // [hidden], scratch; of a gated cell U h of three sequences, int16
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

// A packed matrix is in the order in which the loops over pairs of units read it: for each pair of rows, words of both in
// turn (two of the first, two of the second, the last time perhaps one and one), then an int32 offset for either. Rows of an
// odd length end with a zero, an odd number of rows with a row of zeros.
ALWAYS_INLINE uint32_t packed_pair(uint32_t length)  // values from one pair to the next
{
    return 2 * (length + length % 2) + 4;
}

ALWAYS_INLINE int32_t packed_offset(const int16_t *matrix, uint32_t length, uint32_t row)
{
    int32_t offset;
    memcpy(&offset, matrix + (row / 2 + 1) * packed_pair(length) - 4 + row % 2 * 2, sizeof offset);
    return offset;
}

// A row times a vector, added to acc.
ALWAYS_INLINE int32_t packed_dot(const int16_t *matrix, uint32_t row, const int16_t *x, uint32_t length, int32_t acc)
{
    const int16_t *values = matrix + row / 2 * packed_pair(length);
    const uint32_t even = length + length % 2;
    for (uint32_t i = 0; i < length; i += 4, values += 8) {
        const uint32_t group = even - i < 4 ? 2 : 4;
        const int16_t *mine = values + row % 2 * group;
        acc = dot_s16(mine, x + i, length - i < group ? length - i : group, acc);
    }
    return acc;
}

// wx = W x of an 8-bit pixel.
ALWAYS_INLINE void cell_project_pixel(const cell_t *c, const uint8_t *x, type_t type, int16_t *wx)
{
    for (uint32_t j = 0; j < c->hidden; j++) {
        int32_t acc = c->offset[j];
        for (uint32_t i = 0; i < c->inputs; i++) {
            acc += c->w[j * c->inputs + i] * load_8bit(x, i, type);
        }
        wx[j] = (int16_t)SATURATE_SHIFTED(acc, c->w_shift, 16);
    }
}

// wx = W x of a Q15 vector.
ALWAYS_INLINE void cell_project_state(const cell_t *c, const int16_t *x, int16_t *wx)
{
    for (uint32_t j = 0; j < c->hidden; j++) {
        const int32_t offset = packed_offset(c->w, c->inputs, j);
        wx[j] = (int16_t)SATURATE_SHIFTED(packed_dot(c->w, j, x, c->inputs, offset), c->w_shift, 16);
    }
}

// One unit's next state from pre = (wx << u_shift) + sum u h.
ALWAYS_INLINE int16_t cell_gate(const cell_t *c, uint32_t unit, int32_t pre, int32_t state)
{
    const int32_t gate = SATURATE_SHIFTED(pre, PRE_BITS + c->u_shift - GATE_STEP_BITS, GATE_TABLE_BITS);
    const int32_t update =
        SATURATE_SHIFTED(pre + packed_offset(c->u, c->hidden, unit), PRE_BITS + c->u_shift - TANH_STEP_BITS, TANH_TABLE_BITS);
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
        c->sums[j] = packed_dot(c->u, j, state, c->hidden, wx[j] * (1 << c->u_shift));
    }
    for (uint32_t j = 0; j < c->hidden; j++) {
        state[j] = cell_gate(c, j, c->sums[j], state[j]);
    }
}

#endif
