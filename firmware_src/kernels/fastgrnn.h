// The FastGRNN cell in integers (Kusupati et al., NeurIPS 2018): hidden states, gates and candidates in Q15,
// pre-activations as int16 with PRE_BITS fractional bits, sigmoid and tanh by table.
#ifndef FASTGRNN_H
#define FASTGRNN_H

#include "tensor.h"

enum {
    CELL_MAX_HIDDEN = 128,
    TABLE_SIZE = 1024,   // entries of the sigmoid and tanh tables
    SIGMOID_SHIFT = 5,   // an entry a 64th: PRE_BITS - 6
    TANH_SHIFT = 4,      // an entry a 128th: PRE_BITS - 7
    STATE_ONE = 1 << 15  // 1.0 in Q15
};

typedef struct {
    uint16_t inputs;
    uint16_t hidden;
    uint8_t w_shift;
    uint8_t u_shift;
    int32_t zeta;                // Q15; with zeta = 1 and nu = 0 the update is a convex combination
    int32_t nu;                  // Q15
    const int16_t *w;            // [hidden][inputs]
    const int32_t *offset;       // [hidden], the rounding half included
    const int16_t *u;            // [hidden][hidden], row j makes unit j
    const int16_t *gate_bias;    // [hidden]
    const int16_t *update_bias;  // [hidden]
    const int16_t *sigmoid;      // [TABLE_SIZE], Q15, entry TABLE_SIZE / 2 for 0
    const int16_t *tanh;         // [TABLE_SIZE], Q15
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
ALWAYS_INLINE void cell_project_8bit(const cell_t *c, const void *x, type_t type, int16_t *wx)
{
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

ALWAYS_INLINE int32_t look_up(const int16_t *table, int32_t index)
{
#if HIL_DSP
    return table[TABLE_SIZE / 2 + __ssat(index, 10)];
#else
    return table[TABLE_SIZE / 2 + clamp(index, -TABLE_SIZE / 2, TABLE_SIZE / 2 - 1)];
#endif
}

// One unit's next state.
ALWAYS_INLINE int16_t cell_gate(const cell_t *c, uint32_t unit, int32_t pre, int32_t state)
{
    const int32_t z = look_up(c->sigmoid, (pre + c->gate_bias[unit]) >> SIGMOID_SHIFT);
    const int32_t candidate = look_up(c->tanh, (pre + c->update_bias[unit]) >> TANH_SHIFT);
    if (c->zeta == STATE_ONE && c->nu == 0) {
        return (int16_t)(candidate + ((z * (state - candidate) + STATE_ONE / 2) >> 15));
    }
    const int32_t share = ((c->zeta * (STATE_ONE - z) + STATE_ONE / 2) >> 15) + c->nu;
    return saturate_s16((z * state + share * candidate + STATE_ONE / 2) >> 15);
}

// The first update of a sweep: the state before it is 0, so it needs no U h.
ALWAYS_INLINE void cell_first_step(const cell_t *c, const int16_t *wx, int16_t *state)
{
    for (uint32_t j = 0; j < c->hidden; j++) {
        state[j] = cell_gate(c, j, wx[j], 0);
    }
}

ALWAYS_INLINE void cell_step(const cell_t *c, const int16_t *wx, int16_t *state)
{
    int16_t next[CELL_MAX_HIDDEN];
    for (uint32_t j = 0; j < c->hidden; j++) {
        const int32_t acc = dot_s16(c->u + j * c->hidden, state, c->hidden, 1 << (c->u_shift - 1));
        next[j] = cell_gate(c, j, wx[j] + (acc >> c->u_shift), state[j]);
    }
    memcpy(state, next, c->hidden * sizeof state[0]);
}

// A whole sweep over `steps` projected inputs, `stride` int16 apart (negative: backwards).
ALWAYS_INLINE void cell_sweep(const cell_t *c, const int16_t *wx, int32_t stride, uint32_t steps, int16_t *state)
{
    cell_first_step(c, wx, state);
    for (uint32_t t = 1; t < steps; t++) {
        wx += stride;
        cell_step(c, wx, state);
    }
}

#endif
