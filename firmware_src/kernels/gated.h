// GRU and LSTM cells in integers: hidden states and candidates in Q15, W x and U h as int16 with PRE_BITS fractional bits,
// sigmoid and tanh by table. hil/compiler/quantised/gated.py (QGated) states the arithmetic.
//
// The gates' rows lie one gate after another in both matrices, so U h is the product that W x of a state is. An LSTM's cell
// states, with CELL_BITS fractional bits, lie behind the hidden states of all sequences.
#ifndef GATED_H
#define GATED_H

#include "fastgrnn.h"

enum { CELL_BITS = PRE_BITS, GATED_AT_ONCE = 3 };

// Rows of W, and of U.
ALWAYS_INLINE uint32_t cell_rows(const cell_t *c)
{
    return c->hidden * (c->kind == CELL_GRU ? 3u : c->kind == CELL_LSTM ? 4u : 1u);
}

// Values of a state that is handed from step to step.
ALWAYS_INLINE uint32_t cell_state(const cell_t *c)
{
    return c->hidden * (c->kind == CELL_LSTM ? 2u : 1u);
}

// wx of a row of `count` pixels. widened: scratch for two of them.
ALWAYS_INLINE void recurrent_project_pixels(const cell_t *c, const uint8_t *x, type_t type, uint32_t count, int16_t *wx,
                                            int16_t *widened)
{
    const cell_t w = {
        .inputs = c->inputs, .hidden = (uint16_t)cell_rows(c), .w_shift = c->w_shift, .w = c->w, .offset = c->offset};
    cell_project_pixels(&w, x, type, count, wx, widened);
}

// wx = W x of `count` neighbouring Q15 vectors.
ALWAYS_INLINE void recurrent_project_states(const cell_t *c, const int16_t *x, uint32_t count, int16_t *wx)
{
    const cell_t w = {
        .inputs = c->inputs, .hidden = (uint16_t)cell_rows(c), .w_shift = c->w_shift, .w_blocks = c->w_blocks, .w = c->w};
    cell_project_states(&w, x, count, wx);
}

// A gate, Q14, of a sum with PRE_BITS fractional bits.
ALWAYS_INLINE int32_t gate_of(const cell_t *c, int32_t pre)
{
    return c->gates[(1 << (GATE_TABLE_BITS - 1)) + SATURATE_SHIFTED(pre, PRE_BITS - GATE_STEP_BITS, GATE_TABLE_BITS)];
}

// The hyperbolic tangent, Q15.
ALWAYS_INLINE int32_t tanh_of(const cell_t *c, int32_t pre)
{
    return c->tanh[(1 << (TANH_TABLE_BITS - 1)) + SATURATE_SHIFTED(pre, PRE_BITS - TANH_STEP_BITS, TANH_TABLE_BITS)];
}

// One sequence's next state. uh: of the state before.
ALWAYS_INLINE void gru_update(const cell_t *c, const int16_t *wx, const int16_t *uh, int16_t *state)
{
    const uint32_t n = c->hidden;
    for (uint32_t j = 0; j < n; j++) {
        const int32_t reset = gate_of(c, wx[j] + uh[j]), keep = gate_of(c, wx[n + j] + uh[n + j]);
        const int32_t inner = (reset * uh[2 * n + j] + (1 << (GATE_BITS - 1))) >> GATE_BITS;
        const int32_t candidate = tanh_of(c, wx[2 * n + j] + inner);
        state[j] = (int16_t)(candidate + ((keep * (state[j] - candidate)) >> GATE_BITS));
    }
}

ALWAYS_INLINE void lstm_update(const cell_t *c, const int16_t *wx, const int16_t *uh, int16_t *state, int16_t *cell)
{
    const uint32_t n = c->hidden;
    for (uint32_t j = 0; j < n; j++) {
        const int32_t in = gate_of(c, wx[j] + uh[j]), forget = gate_of(c, wx[n + j] + uh[n + j]);
        const int32_t candidate = tanh_of(c, wx[2 * n + j] + uh[2 * n + j]);
        const int32_t sum = forget * cell[j] + ((in * candidate) >> (STATE_BITS - CELL_BITS));
        const int32_t next = SATURATE_SHIFTED(sum, GATE_BITS, 16);
        cell[j] = (int16_t)next;
        state[j] = (int16_t)((gate_of(c, wx[3 * n + j] + uh[3 * n + j]) * tanh_of(c, next)) >> GATE_BITS);
    }
}

// uh of a state of zeros.
ALWAYS_INLINE void gated_start(const cell_t *c, int16_t *uh)
{
    for (uint32_t row = 0; row < cell_rows(c); row++) {
        uh[row] = (int16_t)SATURATE_SHIFTED(packed_offset(packed_u(c), row), c->u_shift, 16);
    }
}

ALWAYS_INLINE void gated_sweep(const cell_t *c, uint32_t t, const int16_t *wx, uint32_t wx_pitch, int16_t *states,
                               uint32_t count)
{
    const cell_t u = {.inputs = c->hidden, .hidden = (uint16_t)cell_rows(c), .w_shift = c->u_shift, .w = c->u};
    int16_t *uh = (int16_t *)(void *)c->sums, *cells = states + count * c->hidden;
    if (t == 0) {
        memset(states, 0, count * cell_state(c) * sizeof states[0]);
        gated_start(c, uh);
    }
    for (uint32_t first = 0; first < count; first += GATED_AT_ONCE) {
        const uint32_t now = count - first < GATED_AT_ONCE ? count - first : GATED_AT_ONCE;
        if (t != 0) {
            cell_project_states(&u, states + first * c->hidden, now, uh);
        }
        for (uint32_t i = 0; i < now; i++) {
            const int16_t *mine = t == 0 ? uh : uh + i * cell_rows(c);
            const uint32_t place = (first + i) * c->hidden;
            if (c->kind == CELL_GRU) {
                gru_update(c, wx + (first + i) * wx_pitch, mine, states + place);
            } else {
                lstm_update(c, wx + (first + i) * wx_pitch, mine, states + place, cells + place);
            }
        }
    }
}

// The update at position t of a sweep of `count` sequences, by any cell.
ALWAYS_INLINE void recurrent_sweep(const cell_t *c, uint32_t t, const int16_t *wx, uint32_t wx_pitch, int16_t *states,
                                   uint32_t count)
{
    if (c->kind == CELL_FASTGRNN) {
        cell_sweep(c, t, wx, wx_pitch, states, count);
    } else {
        gated_sweep(c, t, wx, wx_pitch, states, count);
    }
}

#endif
