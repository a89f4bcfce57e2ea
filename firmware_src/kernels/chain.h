// Chains: layers of which each is read by the next one alone hand on pieces of rows, so that no whole row of a map between
// them need exist.
//
// A turn makes the next few pixels of the last layer's row, and of each layer before it what that takes. Of a map that the
// next layer looks at several rows of, the older rows lie in a ring; the newest is only there a piece at a time and takes the
// place of the oldest, behind the pixels that nobody looks at any more. A layer on its own is a chain of one.
#ifndef CHAIN_H
#define CHAIN_H

#include <stdbool.h>

#include "ring.h"

enum { CHAIN_MAX = 8, CHAIN_MAX_KERNEL = 15 };  // hil/compiler/planning/chains.py keeps to these

// What a layer does in a turn, all but `pixels` in bytes. A row of input begins with the padding on its left.
typedef struct {
    uint32_t pixels;  // to make
    uint32_t to;      // where in the output: the row, or the piece
    uint32_t from;    // where in a row of input the first one looks, and the input's piece begins
    uint32_t keep;    // of the piece: done with, and moved to the ring
    uint32_t carry;   // behind them: looked at again in the next turn
    bool ends_row;    // it makes the last pixels
} turn_t;

typedef struct {
    // Makes `pixels` pixels of a row. in: for each kernel row, or each input of a sum, where the first pixel looks.
    void (*part)(const uint8_t *const in[], uint32_t pixels, void *out);
    const ring_t *input;   // the first layer's input; of a later one the rows before the newest, if it looks at any
    const ring_t *other;   // the second input of a sum
    uint8_t *piece;        // where its pixels wait for the next layer; 0 for the last
    uint8_t *carry;        // what the next layer looks at again, from one turn to the next
    const turn_t *turns;   // [turns of the chain]
    uint16_t height;       // of its output
    uint16_t pixel_bytes;  // of its output
    uint8_t kernel;
    uint8_t stride;
    uint8_t padding;
    uint16_t index;  // the layer's number
} chain_layer_t;

typedef struct {
    const chain_layer_t *layers;
    uint8_t length;
    uint8_t turns;
    uint32_t again;  // 0, or: the first layer makes its rows anew for each row of the second; bytes from piece to piece
    uint32_t carry;  // bytes from what is carried of one of these pieces to that of the next
} chain_t;

// Brings the next row into the chain. Returns whether that completed the last layer's row, which is then in `out`.
// cycles: a sum for each layer of the network, to which what the chain's layers took is added. mark: up to when everything
// has been counted, before and after.
bool chain_step(const chain_t *chain, uint32_t step, uint8_t *out, uint64_t *cycles, uint32_t *mark);

#endif
