#include "ring.h"

#include <string.h>

const uint8_t *ring_padded_row(const ring_t *ring, int32_t row)
{
    return row < 0 || row >= ring->height ? ring->zero : ring_slot(ring, (uint32_t)row);
}

uint8_t *ring_slot(const ring_t *ring, uint32_t row)
{
    return ring->rows + (row % ring->depth) * ring->pitch;
}

uint8_t *ring_row(const ring_t *ring, uint32_t row)
{
    return ring_slot(ring, row) + ring->lead;
}

void ring_pad_row(const ring_t *ring, uint8_t *row)
{
    if (ring->lead != 0) {
        memcpy(row - ring->lead, ring->zero, ring->lead);
        memcpy(row + ring->bytes, ring->zero, ring->lead);
    }
}
