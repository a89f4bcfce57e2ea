// FastGRNN over many sequences at once, each step by the loop that suits the machine.
#ifndef FASTGRNN_H
#define FASTGRNN_H

#include "fastgrnn_cell.h"
#include "fastgrnn_blocks.h"
#include "fastgrnn_dsp.h"
#include "fastgrnn_pixels.h"

// wx = W x of `count` neighbouring Q15 vectors.
ALWAYS_INLINE void cell_project_states(const cell_t *c, const int16_t *x, uint32_t count, int16_t *wx)
{
    uint32_t by_three = 0;
#if HIL_DSP
    by_three = fits_fpu(c->inputs) && c->hidden % 2 == 0 ? count / 3 * 3 : 0;
    for (uint32_t i = 0; i < by_three; i += 3) {
        if (c->w_blocks != 0) {
            cell_project_3_blocks(c, x + i * c->inputs, wx + i * c->hidden);
        } else {
            cell_project_3(c, x + i * c->inputs, wx + i * c->hidden);
        }
    }
#endif
    for (uint32_t i = by_three; i < count; i++) {
        cell_project_state(c, x + i * c->inputs, wx + i * c->hidden);
    }
}

// The first update of `count` sequences: wx of sequence i at wx + i * wx_pitch, its state at states + i * hidden.
ALWAYS_INLINE void cell_first_step_all(const cell_t *c, const int16_t *wx, uint32_t wx_pitch, int16_t *states, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
#if HIL_DSP
        if (c->hidden % 2 == 0 && c->is_tied) {
            cell_first_step_tied(c, wx + i * wx_pitch, states + i * c->hidden);
            continue;
        }
        if (c->hidden % 2 == 0 && c->u_blocks == 0) {
            cell_first_step_pairs(c, wx + i * wx_pitch, states + i * c->hidden);
            continue;
        }
#endif
        cell_first_step(c, wx + i * wx_pitch, states + i * c->hidden);
    }
}

// Another update of `count` sequences. back: from a state to the one before it, in values: 0, or up or down by cell_room.
ALWAYS_INLINE void cell_step_all(const cell_t *c, const int16_t *wx, uint32_t wx_pitch, int16_t *states, int32_t back,
                                 uint32_t count)
{
    uint32_t by_three = 0;
#if HIL_DSP
    by_three = fits_fpu(c->hidden) ? count / 3 * 3 : 0;
#endif
    // The end first where states move up, for the room is there.
    for (uint32_t i = count; back < 0 && i-- > by_three;) {
        cell_step(c, wx + i * wx_pitch, states + i * c->hidden + back, states + i * c->hidden);
    }
#if HIL_DSP
    if (by_three != 0 && c->u_blocks != 0) {
        const uint32_t at = back < 0 ? by_three - 3 : 0;
        cell_steps_blocks(c, wx + at * wx_pitch, wx_pitch, states + at * c->hidden, back, by_three);
    } else if (by_three != 0) {
        cell_steps(c, wx, wx_pitch, states, by_three);
    }
#endif
    for (uint32_t i = by_three; back >= 0 && i < count; i++) {
        cell_step(c, wx + i * wx_pitch, states + i * c->hidden + back, states + i * c->hidden);
    }
}

// The update at position t of a sweep; the new states come to lie at cell_states(c, t, states).
ALWAYS_INLINE void cell_sweep(const cell_t *c, uint32_t t, const int16_t *wx, uint32_t wx_pitch, int16_t *states,
                              uint32_t count)
{
    const int32_t room = (int32_t)cell_room(c);
    if (t == 0) {
        cell_first_step_all(c, wx, wx_pitch, states, count);
    } else if (room != 0 && t % 2 != 0) {
        cell_step_all(c, wx, wx_pitch, states + room, -room, count);
    } else {
        cell_step_all(c, wx, wx_pitch, states, room, count);
    }
}

#endif
