// The rows of a map that are alive, in a ring. A row is lead + bytes + lead: the lead is the padding on either side.
#ifndef RING_H
#define RING_H

#include <stdint.h>

typedef struct {
    uint8_t *rows;
    const uint8_t *zero;  // a row of the map's zero, for padding on all four sides
    uint16_t depth;       // rows held
    uint16_t height;
    uint32_t pitch;       // bytes from row to row
    uint32_t lead;
    uint32_t bytes;
} ring_t;

// The row, or the row of zeros above and below the map; points at the padding on its left.
const uint8_t *ring_padded_row(const ring_t *ring, int32_t row);

// The place of row number `row`, to be read or written, with its padding.
uint8_t *ring_slot(const ring_t *ring, uint32_t row);

// The same without its padding.
uint8_t *ring_row(const ring_t *ring, uint32_t row);

// Fills in the padding of a row that has been written. Not before: until a row is complete its place may be somebody else's.
void ring_pad_row(const ring_t *ring, uint8_t *row);

#endif
