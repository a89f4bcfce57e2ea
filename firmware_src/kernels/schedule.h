// Rows flow through the network: after each row of the image every layer runs as far as its inputs reach,
// the layer nearest to the output first, so that rows are used up before new ones are made.
// The compiler (hil/compiler/planning/schedule.py) replays the same rule to find how many rows each ring has to hold.
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "chain.h"

// One input of a node: step s needs the first min((s >> halvings) * stride + reach, rows) rows of `producer`.
typedef struct {
    uint16_t producer;  // 0: the image, n: node n - 1
    uint16_t stride;
    int16_t reach;
    uint16_t rows;
    uint8_t halvings;
} feed_t;

// A chain of layers, or something else that step() does: it takes step number `step` and returns true when that completed the
// row in `out`.
typedef struct {
    const chain_t *chain;
    bool (*step)(uint32_t step, void *out);
    const ring_t *output;  // 0 for a node that makes no map
    uint16_t steps;
    uint16_t index;        // of the layer that makes the output
    uint16_t last_reader;  // the last node that a step of this one can make ready
    uint8_t feeds;
    feed_t feed[CHAIN_MAX + 1];
} node_t;

// What has happened to the current image.
typedef struct {
    uint16_t *rows;     // [nodes + 1] rows done: of the image, then of each node
    uint16_t *steps;    // [nodes] steps done
    uint64_t *cycles;   // [indices] spent in each layer
    uint64_t *between;  // and between them
} progress_t;

void schedule_begin(const progress_t *progress, uint32_t nodes, uint32_t indices);

// Begins to count: what passes until a layer's step begins is `between`.
void schedule_mark(void);

// Whether the cycle counter went backwards since schedule_begin().
bool schedule_ran_back(void);

// Runs every node as far as it goes after a new row of the image. last_reader: the last node that reads the image.
void schedule_run(const node_t *nodes, uint32_t last_reader, const progress_t *progress);

#endif
