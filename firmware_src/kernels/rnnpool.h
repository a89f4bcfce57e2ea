// RNNPool (Saha et al., NeurIPS 2020, Algorithm 1), a row of input at a time and without its redundancy:
// W x once a pixel; a row's summary once for all windows that hold it; columns carried down as states, not pixels.
#ifndef RNNPOOL_H
#define RNNPOOL_H

#include "gated.h"
#include "tap.h"

typedef struct {
    cell_t cell1;
    cell_t cell2;
    uint16_t rows;  // of windows
    uint16_t across;
    uint16_t channels_in;
    uint8_t patch;
    uint8_t stride;
    type_t input;
    bool is_padded;     // a copy of the last column (and row) is added
    uint16_t tensor;    // number of the first of three: summaries of rows, of columns, and the second RNN's last states
    int16_t *columns;   // [phases][width][state1] and room: a column sweep a pixel column and open window row
    int16_t *row_ring;  // [patch][across][rows2]: W2 times the summaries of the last rows
    int16_t *scratch;   // [width][max(rows1, rows2)]
    int16_t *states;    // [across][max(state1, state2)] and room: sweeps under way
} rnnpool_t;

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

// Values of the column sweeps of one window row.
ALWAYS_INLINE uint32_t rnnpool_phase(const rnnpool_t *p)
{
    return rnnpool_width(p) * cell_state(&p->cell1) + cell_room(&p->cell1);
}

// Continues the column sweeps of every window row that holds this row; wx: [width][rows1].
ALWAYS_INLINE void rnnpool_sweep_columns(const rnnpool_t *p, uint32_t row, const int16_t *wx)
{
    const uint32_t width = rnnpool_width(p), newest = row / p->stride;
    const uint32_t oldest = row < p->patch ? 0 : (row - p->patch) / p->stride + 1;
    for (uint32_t window = oldest; window <= newest && window < p->rows; window++) {
        int16_t *states = p->columns + (window % rnnpool_phases(p)) * rnnpool_phase(p);
        recurrent_sweep(&p->cell1, row - window * p->stride, wx, cell_rows(&p->cell1), states, width);
    }
}

// Sweeps this row once for every window across and keeps W2 times the summary; wx: [width][rows1].
ALWAYS_INLINE void rnnpool_sweep_row(const rnnpool_t *p, uint32_t row, const int16_t *wx)
{
    const uint32_t rows1 = cell_rows(&p->cell1);
    int16_t *projected = p->row_ring + (row % p->patch) * p->across * cell_rows(&p->cell2);
    for (uint32_t t = 0; t < p->patch; t++) {
        recurrent_sweep(&p->cell1, t, wx + t * rows1, p->stride * rows1, p->states, p->across);
    }
    const int16_t *summaries = cell_states(&p->cell1, p->patch - 1u, p->states);
    tap(p->tensor, summaries, p->across * p->cell1.hidden * sizeof *summaries);
    recurrent_project_states(&p->cell2, summaries, p->across, projected);
}

// Writes one of the four parts of the output channels of a row of windows.
ALWAYS_INLINE void rnnpool_store(const rnnpool_t *p, uint32_t part, int8_t *out)
{
    const uint32_t hidden = p->cell2.hidden;
    const int16_t *states = cell_states(&p->cell2, p->patch - 1u, p->states);
    tap(p->tensor + 2u, states, p->across * hidden * sizeof *states);
    out += part * hidden;
    for (uint32_t i = 0; i < p->across; i++, out += 4 * hidden) {
        for (uint32_t j = 0; j < hidden; j++) {
            out[j] = saturate_s8((states[i * hidden + j] + 128) >> 8);
        }
    }
}

// The second RNN down and up the rows of the window row that ends with `row`.
ALWAYS_INLINE void rnnpool_finish_rows(const rnnpool_t *p, uint32_t row, int8_t *out)
{
    const uint32_t rows2 = cell_rows(&p->cell2);
    for (uint32_t part = 0; part < 2; part++) {
        for (uint32_t t = 0; t < p->patch; t++) {
            const uint32_t source = part == 0 ? row - p->patch + 1 + t : row - t;
            const int16_t *wx = p->row_ring + (source % p->patch) * p->across * rows2;
            recurrent_sweep(&p->cell2, t, wx, rows2, p->states, p->across);
        }
        rnnpool_store(p, part, out);
    }
}

// The second RNN along the columns of a window row, rightwards and leftwards.
ALWAYS_INLINE void rnnpool_finish_columns(const rnnpool_t *p, uint32_t window, int8_t *out)
{
    const uint32_t width = rnnpool_width(p), rows2 = cell_rows(&p->cell2);
    int16_t *phase = p->columns + (window % rnnpool_phases(p)) * rnnpool_phase(p);
    const int16_t *summaries = cell_states(&p->cell1, p->patch - 1u, phase);
    int16_t *projected = p->scratch;
    tap(p->tensor + 1u, summaries, width * p->cell1.hidden * sizeof *summaries);
    recurrent_project_states(&p->cell2, summaries, width, projected);
    for (uint32_t part = 2; part < 4; part++) {
        for (uint32_t t = 0; t < p->patch; t++) {
            const uint32_t column = part == 2 ? t : p->patch - 1 - t;
            recurrent_sweep(&p->cell2, t, projected + column * rows2, p->stride * rows2, p->states, p->across);
        }
        rnnpool_store(p, part, out);
    }
}

// Takes one row of input. Returns true when it completes a row of output, which is then in `out`.
ALWAYS_INLINE bool rnnpool_push_row(const rnnpool_t *p, uint32_t row, const uint8_t *in, int8_t *out)
{
    const uint32_t width = rnnpool_width(p), channels_out = 4u * p->cell2.hidden;
    if (row >= (uint32_t)(p->rows - 1) * p->stride + p->patch) {
        return false;  // below the last whole window
    }
    recurrent_project_pixels(&p->cell1, in, p->input, width, p->scratch, p->states, p->across);
    rnnpool_sweep_row(p, row, p->scratch);
    rnnpool_sweep_columns(p, row, p->scratch);
    if (row + 1 < p->patch || (row + 1 - p->patch) % p->stride != 0) {
        return false;
    }
    rnnpool_finish_rows(p, row, out);
    rnnpool_finish_columns(p, (row + 1 - p->patch) / p->stride, out);
    if (p->is_padded) {
        memcpy(out + p->across * channels_out, out + (p->across - 1u) * channels_out, channels_out);
    }
    return true;
}

#endif
