// RNNPool (Saha et al., NeurIPS 2020, Algorithm 1), a row of input at a time and without its redundancy:
// W x once a pixel; a row's summary once for all windows that hold it; columns carried down as states, not pixels. A row is
// worked on in parts of some windows, so that what is needed in between is small.
#ifndef RNNPOOL_H
#define RNNPOOL_H

#include "gated.h"
#include "tap.h"

typedef struct {
    cell_t cell1;
    cell_t cell2;
    uint16_t rows;  // of windows
    uint16_t across;
    uint16_t at_once;  // windows of a part of a row, but of its last part
    uint16_t channels_in;
    uint8_t patch;
    uint8_t stride;
    type_t input;
    bool is_padded;      // a copy of the last column (and row) is added
    uint16_t tensor;     // number of the first of three: summaries of rows, of columns, and the second RNN's last states
    int16_t *columns;    // [phases - 1][phase]: column sweeps of the window rows that stay open when the oldest is complete
    int16_t *newest;     // [phase]: those of the one that is completed last
    int16_t *row_ring;   // [kept][across][rows2]: W2 times the summaries of the rows that its successor takes over
    int16_t *const *new_rows;  // [patch - kept] of [across][rows2]: and of those that follow, each in memory of its own
    int16_t *scratch;    // [columns of a part][rows1]
    int16_t *states;     // [at_once][max(state1, state2)] and room: sweeps under way; before them a pair of widened pixels
    int16_t *one;        // [rows2]
    int16_t *projected;  // [width][rows2], or 0 where W2 times the columns' summaries finds room in their place
} rnnpool_t;

// Some neighbouring windows, and the columns that they cover and the part before them does not.
typedef struct {
    uint32_t window, windows, column, columns;
} rnnpool_part_t;

// Columns that some window covers.
ALWAYS_INLINE uint32_t rnnpool_width(const rnnpool_t *p)
{
    return (uint32_t)(p->across - 1) * p->stride + p->patch;
}

// Window rows that are open at once.
ALWAYS_INLINE uint32_t rnnpool_phases(const rnnpool_t *p)
{
    return (uint32_t)(p->patch + p->stride - 1) / p->stride;
}

// Rows, or columns, that neighbouring windows share.
ALWAYS_INLINE uint32_t rnnpool_kept(const rnnpool_t *p)
{
    return p->patch > p->stride ? (uint32_t)p->patch - p->stride : 0;
}

ALWAYS_INLINE uint32_t rnnpool_parts(const rnnpool_t *p)
{
    return (uint32_t)(p->across + p->at_once - 1) / p->at_once;
}

ALWAYS_INLINE rnnpool_part_t rnnpool_nth(const rnnpool_t *p, uint32_t number)
{
    const uint32_t window = number * p->at_once;
    const uint32_t windows = p->across - window < p->at_once ? p->across - window : p->at_once;
    const uint32_t column = number == 0 ? 0 : window * p->stride + p->patch - p->stride;
    const uint32_t end = (window + windows - 1) * p->stride + p->patch;
    return (rnnpool_part_t){window, windows, column, end - column};
}

// Values of the column sweeps of one window row: part by part, each with room of its own.
ALWAYS_INLINE uint32_t rnnpool_phase(const rnnpool_t *p)
{
    return rnnpool_width(p) * cell_state(&p->cell1) + rnnpool_parts(p) * cell_room(&p->cell1);
}

// The column sweeps of a window row that is open while `oldest` is.
ALWAYS_INLINE int16_t *rnnpool_open_columns(const rnnpool_t *p, uint32_t oldest, uint32_t window)
{
    const uint32_t staying = rnnpool_phases(p) - 1;
    return window - oldest < staying ? p->columns + window % staying * rnnpool_phase(p) : p->newest;
}

ALWAYS_INLINE int16_t *rnnpool_part_of(const rnnpool_t *p, uint32_t number, int16_t *columns)
{
    return columns + rnnpool_nth(p, number).column * cell_state(&p->cell1) + number * cell_room(&p->cell1);
}

// W2 times a row's summaries, while window row `oldest` is open.
ALWAYS_INLINE int16_t *rnnpool_row(const rnnpool_t *p, uint32_t oldest, uint32_t row)
{
    const uint32_t kept = rnnpool_kept(p), pitch = p->across * cell_rows(&p->cell2);
    const bool is_kept = row - oldest * p->stride < kept;
    return is_kept ? p->row_ring + row % kept * pitch : p->new_rows[row % (p->patch - kept)];
}

// Continues the column sweeps of a part in every window row that holds this row; wx: of its columns.
ALWAYS_INLINE void rnnpool_sweep_columns(const rnnpool_t *p, uint32_t oldest, uint32_t row, uint32_t number, const int16_t *wx)
{
    const uint32_t newest = row / p->stride, columns = rnnpool_nth(p, number).columns;
    for (uint32_t window = oldest; window <= newest && window < p->rows; window++) {
        int16_t *states = rnnpool_part_of(p, number, rnnpool_open_columns(p, oldest, window));
        recurrent_sweep(&p->cell1, row - window * p->stride, wx, cell_rows(&p->cell1), states, columns);
    }
}

// Sweeps this row once for every window of a part and keeps W2 times the summaries; wx: from the first window's column on.
ALWAYS_INLINE void rnnpool_sweep_row(const rnnpool_t *p, rnnpool_part_t part, const int16_t *wx, int16_t *projected)
{
    const uint32_t rows1 = cell_rows(&p->cell1);
    for (uint32_t t = 0; t < p->patch; t++) {
        recurrent_sweep(&p->cell1, t, wx + t * rows1, p->stride * rows1, p->states, part.windows);
    }
    const int16_t *summaries = cell_states(&p->cell1, p->patch - 1u, p->states);
    tap(p->tensor, summaries, part.windows * p->cell1.hidden * sizeof *summaries);
    recurrent_project_states(&p->cell2, summaries, part.windows, projected + part.window * cell_rows(&p->cell2));
}

// Writes one of the four directions, a quarter of the output channels each, of a part of a row of windows.
ALWAYS_INLINE void rnnpool_store(const rnnpool_t *p, uint32_t direction, rnnpool_part_t part, int8_t *out)
{
    const uint32_t hidden = p->cell2.hidden;
    const int16_t *states = cell_states(&p->cell2, p->patch - 1u, p->states);
    tap(p->tensor + 2u, states, part.windows * hidden * sizeof *states);
    out += part.window * 4 * hidden + direction * hidden;
    for (uint32_t i = 0; i < part.windows; i++, out += 4 * hidden) {
        for (uint32_t j = 0; j < hidden; j++) {
            out[j] = saturate_s8((states[i * hidden + j] + 128) >> 8);
        }
    }
}

// The second RNN down and up the rows of a window row.
ALWAYS_INLINE void rnnpool_finish_rows(const rnnpool_t *p, uint32_t window, int8_t *out)
{
    const uint32_t rows2 = cell_rows(&p->cell2), first = window * p->stride;
    for (uint32_t direction = 0; direction < 2; direction++) {
        for (uint32_t number = 0; number < rnnpool_parts(p); number++) {
            const rnnpool_part_t part = rnnpool_nth(p, number);
            for (uint32_t t = 0; t < p->patch; t++) {
                const uint32_t row = first + (direction == 0 ? t : p->patch - 1 - t);
                const int16_t *wx = rnnpool_row(p, window, row) + part.window * rows2;
                recurrent_sweep(&p->cell2, t, wx, rows2, p->states, part.windows);
            }
            rnnpool_store(p, direction, part, out);
        }
    }
}

// Of the columns of a part how many can be projected at once, though the products come to lie where summaries do: all where
// these lie further on, those of the loop for three that loads all it needs before it stores.
ALWAYS_INLINE uint32_t rnnpool_straight(const rnnpool_t *p, uint32_t columns)
{
    if (p->projected != 0 || (p->patch % 2 == 0 && cell_room(&p->cell1) != 0)) {
        return columns;
    }
#if HIL_DSP
    if (p->cell2.w_blocks == 0 && fits_fpu(p->cell1.hidden) && cell_rows(&p->cell2) % 2 == 0) {
        return columns / 3 * 3;
    }
#endif
    return 0;
}

// W2 times the columns' summaries of a window row, [width][rows2], perhaps where the summaries lie.
ALWAYS_INLINE const int16_t *rnnpool_project_columns(const rnnpool_t *p, int16_t *columns)
{
    const uint32_t rows2 = cell_rows(&p->cell2), hidden = p->cell1.hidden;
    int16_t *const projected = p->projected != 0 ? p->projected : columns;
    for (uint32_t number = 0; number < rnnpool_parts(p); number++) {
        const rnnpool_part_t part = rnnpool_nth(p, number);
        const int16_t *summaries = cell_states(&p->cell1, p->patch - 1u, rnnpool_part_of(p, number, columns));
        int16_t *const to = projected + part.column * rows2;
        tap(p->tensor + 1u, summaries, part.columns * hidden * sizeof *summaries);
        const uint32_t straight = rnnpool_straight(p, part.columns);
        recurrent_project_states(&p->cell2, summaries, straight, to);
        for (uint32_t i = straight; i < part.columns; i++) {
            recurrent_project_states(&p->cell2, summaries + i * hidden, 1, p->one);
            memcpy(to + i * rows2, p->one, rows2 * sizeof *to);
        }
    }
    return projected;
}

// The second RNN along the columns of a window row, rightwards and leftwards.
ALWAYS_INLINE void rnnpool_finish_columns(const rnnpool_t *p, uint32_t window, int8_t *out)
{
    const uint32_t rows2 = cell_rows(&p->cell2);
    const int16_t *projected = rnnpool_project_columns(p, rnnpool_open_columns(p, window, window));
    for (uint32_t direction = 2; direction < 4; direction++) {
        for (uint32_t number = 0; number < rnnpool_parts(p); number++) {
            const rnnpool_part_t part = rnnpool_nth(p, number);
            for (uint32_t t = 0; t < p->patch; t++) {
                const uint32_t column = part.window * p->stride + (direction == 2 ? t : p->patch - 1 - t);
                recurrent_sweep(&p->cell2, t, projected + column * rows2, p->stride * rows2, p->states, part.windows);
            }
            rnnpool_store(p, direction, part, out);
        }
    }
}

// Moves what window row `window`, now complete, leaves to the next out of the memory that others use until the next row comes.
ALWAYS_INLINE void rnnpool_move_on(const rnnpool_t *p, uint32_t window)
{
    const uint32_t kept = rnnpool_kept(p), pitch = p->across * cell_rows(&p->cell2), first = window * p->stride;
    const uint32_t newest = window + rnnpool_phases(p) - 1;
    for (uint32_t row = first + (kept > p->stride ? kept : p->stride); row < first + p->patch; row++) {
        memcpy(rnnpool_row(p, window + 1, row), rnnpool_row(p, window, row), pitch * sizeof *p->row_ring);
    }
    if (newest > window && newest < p->rows) {
        memcpy(rnnpool_open_columns(p, window + 1, newest), p->newest, rnnpool_phase(p) * sizeof *p->newest);
    }
}

// Takes one row of input. Returns true when it completes a row of output, which is then in `out`.
ALWAYS_INLINE bool rnnpool_push_row(const rnnpool_t *p, uint32_t row, const uint8_t *in, int8_t *out)
{
    const uint32_t rows1 = cell_rows(&p->cell1), channels_out = 4u * p->cell2.hidden;
    const uint32_t oldest = row < p->patch ? 0 : (row - p->patch) / p->stride + 1;
    if (oldest >= p->rows) {
        return false;  // below the last whole window
    }
    for (uint32_t number = 0; number < rnnpool_parts(p); number++) {
        const rnnpool_part_t part = rnnpool_nth(p, number);
        const uint32_t before = number == 0 ? 0 : rnnpool_kept(p);  // columns that are there
        int16_t *const wx = p->scratch + before * rows1;
        const uint8_t *pixels = in + part.column * p->channels_in;
        recurrent_project_pixels(&p->cell1, pixels, p->input, part.columns, wx, p->states);
        rnnpool_sweep_columns(p, oldest, row, number, wx);
        const uint32_t first = part.window * p->stride + before - part.column;
        rnnpool_sweep_row(p, part, p->scratch + first * rows1, rnnpool_row(p, oldest, row));
        const uint32_t kept = rnnpool_kept(p), done = before + part.columns - kept;
        memmove(p->scratch, p->scratch + done * rows1, kept * rows1 * sizeof *wx);
    }
    if (row + 1 != oldest * p->stride + p->patch) {
        return false;
    }
    rnnpool_finish_rows(p, oldest, out);
    rnnpool_finish_columns(p, oldest, out);
    rnnpool_move_on(p, oldest);
    if (p->is_padded) {
        memcpy(out + p->across * channels_out, out + (p->across - 1u) * channels_out, channels_out);
    }
    return true;
}

#endif
