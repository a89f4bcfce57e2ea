// The FastGRNN cell in integers (Kusupati et al., NeurIPS 2018): hidden states and candidates in Q15, W x as int16 with
// PRE_BITS fractional bits, sigmoid and tanh by table, one sequence at a time.
// hil/compiler/quantised/graph.py (QCell) states the arithmetic.
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
    TIED_TABLE_BITS = 9,  // 512 entries, an entry a 32nd
    TIED_STEP_BITS = 5,
    TIED_BITS = 15,
    BLOCK_CODE_BYTES = 40,  // of MULTIPLY_BLOCKS, a block
};

typedef enum { CELL_FASTGRNN, CELL_GRU, CELL_LSTM } cell_kind_t;  // the latter two: gated.h

typedef struct {
    cell_kind_t kind;
    uint16_t inputs;
    uint16_t hidden;
    uint8_t w_shift;
    uint8_t u_shift;
    uint8_t w_blocks;       // blocks of 2x2 that a pair of units keeps of w at most, where that is packed; 0: no blocks
    uint8_t u_blocks;       // the same of u
    bool is_convex;         // a state cannot leave -1 to 1, so it needs no saturation
    bool is_tied;           // the candidate's bias minus the gate's is the same for all units: one table has both
    const int16_t *w;       // of a cell that reads pixels: as in fastgrnn_pixels.h; of one that reads states: packed
    const int32_t *offset;  // of a cell that reads pixels: [hidden], rounding and gate bias included
    const int16_t *u;       // packed, with the candidate's bias minus the gate's as offsets unless the cell is tied
    const int16_t *gates;   // [512][2] ([512] of a gated cell), z and zeta (1 - z) + nu in Q14, the middle for 0;
                            // tied: z in Q15, (1 - z) c in Q14
    const int16_t *tanh;    // [1024], Q15, the middle for 0; none where tied
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
// odd length end with a zero, an odd number of rows with a row of zeros. Of a matrix in blocks, each pair of rows has the
// blocks that it keeps: first, how many of the most that a pair keeps it has not, in bytes of the loop's code (int32); for each
// the bytes before its two values in a vector (int32), a word of the first row, one of the second; then the offsets.
typedef struct {
    const int16_t *values;
    uint32_t length;  // of a row
    uint32_t blocks;  // of the pair of rows that keeps most, or 0
    bool has_offsets;
} packed_t;

ALWAYS_INLINE packed_t packed_w(const cell_t *c)
{
    return (packed_t){c->w, c->inputs, c->w_blocks, true};
}

ALWAYS_INLINE packed_t packed_u(const cell_t *c)
{
    return (packed_t){c->u, c->hidden, c->u_blocks, !c->is_tied};
}

ALWAYS_INLINE uint32_t packed_pair(packed_t m)  // values from one pair to the next, of a matrix without blocks
{
    return 2 * (m.length + m.length % 2) + (m.has_offsets ? 4 : 0);
}

ALWAYS_INLINE uint32_t packed_blocks(packed_t m, const int16_t *pair)
{
    return m.blocks - (uint32_t)pair[0] / BLOCK_CODE_BYTES;
}

// Where a pair of rows begins.
ALWAYS_INLINE const int16_t *packed_begin(packed_t m, uint32_t pair)
{
    const int16_t *values = m.values;
    for (uint32_t i = 0; m.blocks != 0 && i < pair; i++) {
        values += 2 + 6 * packed_blocks(m, values) + (m.has_offsets ? 4 : 0);
    }
    return m.blocks != 0 ? values : values + pair * packed_pair(m);
}

ALWAYS_INLINE int32_t packed_offset(packed_t m, uint32_t row)
{
    int32_t offset;
    memcpy(&offset, packed_begin(m, row / 2 + 1) - 4 + row % 2 * 2, sizeof offset);
    return offset;
}

// A row times a vector, added to acc.
ALWAYS_INLINE int32_t packed_dot(packed_t m, uint32_t row, const int16_t *x, int32_t acc)
{
    const int16_t *values = packed_begin(m, row / 2);
    const uint32_t blocks = m.blocks != 0 ? packed_blocks(m, values) : 0;
    values += m.blocks != 0 ? 2 : 0;
    for (uint32_t block = 0; block < blocks; block++, values += 6) {
        acc = dot_s16(values + 2 + row % 2 * 2, x + values[0] / 2, 2, acc);
    }
    const uint32_t fours = m.blocks != 0 ? 0 : m.length / 4 * 4, rest = m.blocks != 0 ? 0 : m.length % 4;
    for (uint32_t i = 0; i < fours; i += 4, values += 8) {
        acc = dot_s16(values + row % 2 * 4, x + i, 4, acc);
    }
    if (rest != 0) {
        acc = dot_s16(values + row % 2 * (rest > 2 ? 4 : 2), x + fours, rest, acc);
    }
    return acc;
}

// wx = W x of a Q15 vector.
ALWAYS_INLINE void cell_project_state(const cell_t *c, const int16_t *x, int16_t *wx)
{
    for (uint32_t j = 0; j < c->hidden; j++) {
        const int32_t offset = packed_offset(packed_w(c), j);
        wx[j] = (int16_t)SATURATE_SHIFTED(packed_dot(packed_w(c), j, x, offset), c->w_shift, 16);
    }
}

// One unit's next state from pre = (wx << u_shift) + sum u h.
ALWAYS_INLINE int16_t cell_gate(const cell_t *c, uint32_t unit, int32_t pre, int32_t state)
{
    if (c->is_tied) {
        const int32_t place = SATURATE_SHIFTED(pre, PRE_BITS + c->u_shift - TIED_STEP_BITS, TIED_TABLE_BITS);
        const int16_t *entry = c->gates + 2 * ((1 << (TIED_TABLE_BITS - 1)) + place);
        return (int16_t)((entry[0] * state + entry[0] + entry[1] * 65536) >> TIED_BITS);
    }
    const int32_t gate = SATURATE_SHIFTED(pre, PRE_BITS + c->u_shift - GATE_STEP_BITS, GATE_TABLE_BITS);
    const int32_t update =
        SATURATE_SHIFTED(pre + packed_offset(packed_u(c), unit), PRE_BITS + c->u_shift - TANH_STEP_BITS, TANH_TABLE_BITS);
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

// The next state, which may lie elsewhere.
ALWAYS_INLINE void cell_step(const cell_t *c, const int16_t *wx, const int16_t *state, int16_t *next)
{
    for (uint32_t j = 0; j < c->hidden; j++) {
        c->sums[j] = packed_dot(packed_u(c), j, state, wx[j] * (1 << c->u_shift));
    }
    for (uint32_t j = 0; j < c->hidden; j++) {
        next[j] = cell_gate(c, j, c->sums[j], state[j]);
    }
}

// Values by which the states of odd steps lie behind those of even ones. A loop over blocks cannot write where it reads, so
// it moves the states by three sequences, to and fro.
ALWAYS_INLINE uint32_t cell_room(const cell_t *c)
{
    return c->u_blocks != 0 ? 3u * c->hidden : 0;
}

// Where the states of step t of a sweep lie.
ALWAYS_INLINE int16_t *cell_states(const cell_t *c, uint32_t t, int16_t *states)
{
    return states + t % 2 * cell_room(c);
}

#endif
