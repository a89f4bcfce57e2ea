// FastGRNN over many sequences at once, each step by the loop that suits the machine.
#ifndef FASTGRNN_H
#define FASTGRNN_H

#include "fastgrnn_cell.h"
#include "fastgrnn_dsp.h"

// wx of a row of `count` pixels.
ALWAYS_INLINE void cell_project_pixels(const cell_t *c, const uint8_t *x, type_t type, uint32_t count, int16_t *wx)
{
    uint32_t by_two = 0;
#if HIL_DSP
    by_two = c->inputs == 4 && c->hidden % 2 == 0 ? count / 2 * 2 : 0;
    for (uint32_t i = 0; i < by_two; i += 2) {
        cell_project_two_pixels(c, x + i * 4, type, wx + i * c->hidden);
    }
#endif
    for (uint32_t i = by_two; i < count; i++) {
        cell_project_pixel(c, x + i * c->inputs, type, wx + i * c->hidden);
    }
}

// wx = W x of `count` neighbouring Q15 vectors.
ALWAYS_INLINE void cell_project_states(const cell_t *c, const int16_t *x, uint32_t count, int16_t *wx)
{
    uint32_t by_three = 0;
#if HIL_DSP
    by_three = fits_fpu(c->inputs) && c->hidden % 2 == 0 ? count / 3 * 3 : 0;
    for (uint32_t i = 0; i < by_three; i += 3) {
        cell_project_3(c, x + i * c->inputs, wx + i * c->hidden);
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
        if (c->hidden % 2 == 0) {
            cell_first_step_pairs(c, wx + i * wx_pitch, states + i * c->hidden);
            continue;
        }
#endif
        cell_first_step(c, wx + i * wx_pitch, states + i * c->hidden);
    }
}

// Another update of `count` sequences.
ALWAYS_INLINE void cell_step_all(const cell_t *c, const int16_t *wx, uint32_t wx_pitch, int16_t *states, uint32_t count)
{
    uint32_t by_three = 0;
#if HIL_DSP
    by_three = fits_fpu(c->hidden) ? count / 3 * 3 : 0;
    for (uint32_t i = 0; i < by_three; i += 3) {
        cell_step_3(c, wx + i * wx_pitch, wx_pitch, states + i * c->hidden);
    }
#endif
    for (uint32_t i = by_three; i < count; i++) {
        cell_step(c, wx + i * wx_pitch, states + i * c->hidden);
    }
}

// The update at position t of a sweep.
ALWAYS_INLINE void cell_sweep(const cell_t *c, uint32_t t, const int16_t *wx, uint32_t wx_pitch, int16_t *states,
                              uint32_t count)
{
    if (t == 0) {
        cell_first_step_all(c, wx, wx_pitch, states, count);
    } else {
        cell_step_all(c, wx, wx_pitch, states, count);
    }
}

#endif
