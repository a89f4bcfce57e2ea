#include "schedule.h"

#include <string.h>

#include "model.h"
#include "port.h"

const uint8_t *ring_padded_row(const ring_t *ring, int32_t row)
{
    if (row < 0 || row >= ring->height) {
        return ring->zero;
    }
    return ring->rows + ((uint32_t)row % ring->depth) * ring->pitch;
}

const uint8_t *ring_row(const ring_t *ring, uint32_t row)
{
    return ring->rows + (row % ring->depth) * ring->pitch + ring->lead;
}

uint8_t *ring_new_row(const ring_t *ring, uint32_t row)
{
    uint8_t *start = ring->rows + (row % ring->depth) * ring->pitch;
    if (ring->lead != 0) {
        memcpy(start, ring->zero, ring->lead);
        memcpy(start + ring->lead + ring->bytes, ring->zero, ring->lead);
    }
    return start + ring->lead;
}

void schedule_begin(const progress_t *progress, uint32_t nodes)
{
    memset(progress->rows, 0, (nodes + 1) * sizeof progress->rows[0]);
    memset(progress->steps, 0, nodes * sizeof progress->steps[0]);
    memset(progress->cycles, 0, nodes * sizeof progress->cycles[0]);
}

static bool is_ready(const node_t *node, uint32_t step, const uint16_t *rows)
{
    if (step == node->steps) {
        return false;
    }
    for (uint32_t i = 0; i < node->feeds; i++) {
        const feed_t *feed = &node->feed[i];
        const uint32_t needed = step * feed->stride + feed->reach;
        if (rows[feed->producer] < (needed < feed->rows ? needed : feed->rows)) {
            return false;
        }
    }
    return true;
}

// Returns whether the step completed a row.
static bool run_step(const node_t *node, uint32_t index, const progress_t *progress)
{
    uint16_t *row = &progress->rows[index + 1];
    const uint32_t start = port_cycles();
    void *out = node->output == 0 ? 0 : ring_new_row(node->output, *row);
    const bool is_complete = node->step(progress->steps[index], out);
    progress->cycles[index] += port_cycles() - start;
    progress->steps[index]++;
    port_alive();  // one row of the image can set off seconds of work, but no layer's step lasts that long
    if (is_complete) {
        if (node->output != 0 && (model_tap_layer == (int16_t)index || model_tap_layer == MODEL_TAP_ALL)) {
            model_on_tap((uint16_t)index, *row, out, node->output->bytes);
        }
        (*row)++;
    }
    return is_complete;
}

void schedule_run(const node_t *nodes, uint32_t last_reader, const progress_t *progress)
{
    uint32_t i = last_reader + 1;
    while (i-- > 0) {
        if (is_ready(&nodes[i], progress->steps[i], progress->rows)) {
            // Nothing behind the node was ready, and only a new row of its output can have changed that.
            i = run_step(&nodes[i], i, progress) ? nodes[i].last_reader + 1u : i + 1;
        }
    }
}
