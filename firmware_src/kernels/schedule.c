#include "schedule.h"

#include <string.h>

#include "port.h"
#include "tap.h"

static uint32_t mark, taps_at_mark;  // up to when everything has been counted
static uint32_t laps;                // or'ed: the highest bit is set if one took half of the counter, 12 s, which none does

void schedule_mark(void)
{
    mark = port_cycles();
    taps_at_mark = model_tap_cycles;
}

// Cycles since the mark, taps left out, which then is here.
static uint32_t lap(void)
{
    const uint32_t now = port_cycles(), elapsed = now - mark - (model_tap_cycles - taps_at_mark);
    mark = now;
    taps_at_mark = model_tap_cycles;
    laps |= elapsed;
    return elapsed;
}

bool schedule_ran_back(void)
{
    return laps >> 31 != 0;
}

void schedule_begin(const progress_t *progress, uint32_t nodes, uint32_t indices)
{
    memset(progress->rows, 0, (nodes + 1) * sizeof progress->rows[0]);
    memset(progress->steps, 0, nodes * sizeof progress->steps[0]);
    memset(progress->cycles, 0, indices * sizeof progress->cycles[0]);
    *progress->between = 0;
    laps = 0;
}

static bool is_ready(const node_t *node, uint32_t step, const uint16_t *rows)
{
    if (step == node->steps) {
        return false;
    }
    for (uint32_t i = 0; i < node->feeds; i++) {
        const feed_t *feed = &node->feed[i];
        const int32_t needed = (int32_t)(step >> feed->halvings) * feed->stride + feed->reach;
        if (rows[feed->producer] < (needed < feed->rows ? needed : feed->rows)) {
            return false;
        }
    }
    return true;
}

// Returns whether the step completed a row.
static bool run_step(const node_t *node, uint32_t number, const progress_t *progress)
{
    uint16_t *row = &progress->rows[number + 1];
    const uint32_t step = progress->steps[number];
    uint8_t *out = node->output == 0 ? 0 : ring_row(node->output, *row);
    bool is_complete;
    *progress->between += lap();
    if (node->chain != 0) {
        const uint32_t begun = mark, spent = model_tap_cycles;
        is_complete = chain_step(node->chain, step, out, progress->cycles, &mark);
        taps_at_mark = model_tap_cycles;
        laps |= mark - begun - (taps_at_mark - spent);
    } else {
        is_complete = node->step(step, out);
        progress->cycles[node->index] += lap();
    }
    progress->steps[number]++;
    port_alive();  // one row of the image can set off seconds of work, but no node's step lasts that long
    if (is_complete) {
        if (node->output != 0) {
            ring_pad_row(node->output, out);
            tap(node->index, out, node->output->bytes);
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
    *progress->between += lap();
}
