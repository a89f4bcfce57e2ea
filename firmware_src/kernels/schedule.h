// Rows flow through the network: after each row of the image every layer runs as far as its inputs reach,
// the layer nearest to the output first, so that rows are used up before new ones are made.
// The compiler (hil/compiler/schedule.py) replays the same rule to find how many rows each ring has to hold.
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

// The rows of a map that are alive, in a ring. A row is lead + bytes + lead: the lead is the padding on either side.
typedef struct {
    uint8_t *rows;
    const uint8_t *zero;  // a row of the map's zero, for padding on all four sides
    uint16_t depth;       // rows held
    uint16_t pitch;       // bytes from row to row
    uint16_t lead;
    uint16_t bytes;
    uint16_t height;
} ring_t;

// One input of a layer: step s needs the first min(s * stride + reach, ring->height) rows of `producer`.
typedef struct {
    uint8_t producer;  // 0: the image, n: node n - 1
    uint8_t stride;
    uint8_t reach;
    uint16_t rows;
} feed_t;

// A layer. step() does step number `step` and returns true when that completed the row in `out`.
typedef struct {
    bool (*step)(uint32_t step, void *out);
    const ring_t *output;  // 0 for a node that makes no map
    uint16_t steps;
    uint8_t last_reader;  // the last node that a step of this one can make ready
    uint8_t feeds;
    feed_t feed[2];
} node_t;

// What has happened to the current image.
typedef struct {
    uint16_t *rows;     // [nodes + 1] rows done: of the image, then of each node
    uint16_t *steps;    // [nodes] steps done
    uint32_t *cycles;   // [nodes] spent in each node
} progress_t;

// The row, or the row of zeros above and below the map; points at the padding on its left.
const uint8_t *ring_padded_row(const ring_t *ring, int32_t row);

// The row without its padding.
const uint8_t *ring_row(const ring_t *ring, uint32_t row);

// Where row number `row` is to be written; its padding is filled in.
uint8_t *ring_new_row(const ring_t *ring, uint32_t row);

void schedule_begin(const progress_t *progress, uint32_t nodes);

// Runs every node as far as it goes after a new row of the image. last_reader: the last node that reads the image.
void schedule_run(const node_t *nodes, uint32_t last_reader, const progress_t *progress);

#endif
