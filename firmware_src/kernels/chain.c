#include "chain.h"

#include <string.h>

#include "port.h"
#include "tap.h"

// The row that each layer makes when row `row` of layer `first` comes, at or below its height where the padding below the map
// flows through. Returns how many layers it reaches.
static uint32_t follow(const chain_t *chain, uint32_t first, uint32_t row, int32_t rows[])
{
    uint32_t i = first;
    rows[i++] = (int32_t)row;
    for (; i < chain->length; i++) {
        const chain_layer_t *layer = &chain->layers[i];
        const int32_t top = rows[i - 1] + 1 + layer->padding - layer->kernel;
        if (top < 0 || top % layer->stride != 0) {
            break;
        }
        rows[i] = top / layer->stride;
    }
    return i;
}

// A turn of the first layer, from whole rows of its inputs.
static void run_first(const chain_layer_t *layer, const turn_t *turn, int32_t row, uint8_t *out)
{
    const uint8_t *in[CHAIN_MAX_KERNEL];
    for (int32_t k = 0; k < layer->kernel; k++) {
        in[k] = ring_padded_row(layer->input, row * layer->stride - layer->padding + k) + turn->from;
    }
    if (layer->other != 0) {
        in[1] = ring_row(layer->other, (uint32_t)row) + (turn->from - layer->input->lead);
    }
    if (turn->pixels != 0) {
        layer->part(in, turn->pixels, out + turn->to);
    }
}

// Adds to new pixels in a piece what the layer looks at besides: what the turn before left, or the padding at either end.
static void complete(const chain_layer_t *layer, const turn_t *turn, uint8_t *piece, const uint8_t *carry)
{
    const uint32_t lead = layer->input == 0 ? 0 : layer->input->lead;
    if (turn->from == 0 && lead != 0) {
        memcpy(piece, layer->input->zero, lead);
    }
    if (turn->from != 0 && turn[-1].carry != 0) {
        memcpy(piece, carry, turn[-1].carry);
    }
    if (lead != 0 && turn->ends_row) {
        memcpy(piece + turn->keep - lead, layer->input->zero, lead);
    }
}

// A turn of a later layer: the pixels that it makes of row `row`, unless that is none of the map's (-1), then room for more.
// newest: the row of its input that is there in pieces.
static void run_later(const chain_layer_t *layer, const turn_t *turn, int32_t newest, int32_t row, uint8_t *out)
{
    uint8_t *piece = layer[-1].piece;
    const bool is_there = newest < layer[-1].height;
    if (is_there) {
        complete(layer, turn, piece, layer[-1].carry);
    }
    if (row >= 0 && turn->pixels != 0) {
        const uint8_t *in[CHAIN_MAX_KERNEL];
        for (int32_t k = 0; k < layer->kernel - 1; k++) {
            in[k] = ring_padded_row(layer->input, newest - layer->kernel + 1 + k) + turn->from;
        }
        in[layer->kernel - 1] = is_there ? piece : layer->input->zero + turn->from;
        if (layer->other != 0) {
            in[1] = ring_row(layer->other, (uint32_t)row) + turn->from;
        }
        layer->part(in, turn->pixels, out + turn->to);
    }
    if (is_there && layer->kernel > 1) {
        memcpy(ring_slot(layer->input, (uint32_t)newest) + turn->from, piece, turn->keep);
        if (turn->carry != 0) {
            memcpy(layer[-1].carry, piece + turn->keep, turn->carry);
        }
    }
}

// A turn of the first two layers where the first makes all rows that the second looks at anew, a piece for each.
// Returns when the second one began.
static uint32_t run_again(const chain_t *chain, uint32_t number, int32_t row, uint8_t *out)
{
    const chain_layer_t *first = chain->layers, *second = first + 1;
    const turn_t *turn = &second->turns[number];
    const uint8_t *in[CHAIN_MAX_KERNEL];
    for (int32_t k = 0; k < second->kernel; k++) {
        const int32_t source = row * second->stride - second->padding + k;
        uint8_t *piece = first->piece + (uint32_t)k * chain->again;
        const bool is_there = source >= 0 && source < first->height;
        in[k] = is_there ? piece : second->input->zero + turn->from;
        if (is_there) {
            run_first(first, &first->turns[number], source, piece);
            complete(second, turn, piece, first->carry + (uint32_t)k * chain->carry);
        }
    }
    const uint32_t begun = port_cycles();
    if (turn->pixels != 0) {
        second->part(in, turn->pixels, out + turn->to);
    }
    for (uint32_t k = 0; k < second->kernel; k++) {
        const uint8_t *piece = first->piece + k * chain->again;
        if (turn->carry != 0) {
            memcpy(first->carry + k * chain->carry, piece + turn->keep, turn->carry);
        }
    }
    return begun;
}

// Shows the rows of the first layer that a step makes for the first time, where they are made again: once, and in order.
static void tap_new_rows(const chain_t *chain, uint32_t step)
{
    const chain_layer_t *first = chain->layers, *second = first + 1;
    const uint32_t spent = model_tap_cycles, begun = port_cycles();
    const int32_t end = (int32_t)step * second->stride - second->padding + second->kernel;
    int32_t row = step == 0 ? 0 : end - second->stride;
    for (; row < end && row < first->height; row++) {
        for (uint32_t number = 0; number < chain->turns; number++) {
            const turn_t *turn = &first->turns[number];
            run_first(first, turn, row, first->piece);
            tap(first->index, first->piece + turn->to, turn->pixels * first->pixel_bytes);
        }
    }
    model_tap_cycles = spent + port_cycles() - begun;
}

bool chain_step(const chain_t *chain, uint32_t step, uint8_t *out, uint64_t *cycles, uint32_t *mark)
{
    const uint32_t begin = chain->again != 0;
    int32_t rows[CHAIN_MAX] = {0};
    uint32_t begun = *mark, spent = model_tap_cycles;
    if (chain->again != 0 && is_tapped(chain->layers[0].index)) {
        tap_new_rows(chain, step);
        begun += model_tap_cycles - spent;
    }
    const uint32_t reached = follow(chain, begin, step, rows);
    for (uint32_t number = 0; number < chain->turns; number++) {
        for (uint32_t i = begin; i <= reached && i < chain->length; i++) {
            const chain_layer_t *layer = &chain->layers[i];
            uint8_t *to = layer->piece != 0 ? layer->piece : out;
            const bool makes = i < reached && rows[i] < layer->height;
            if (i == 0 && makes) {
                run_first(layer, &layer->turns[number], rows[0], to);
            } else if (i == begin && makes) {
                const uint32_t middle = run_again(chain, number, rows[i], to);
                cycles[chain->layers[0].index] += middle - begun;
                begun = middle;
            } else if (i > begin) {
                run_later(layer, &layer->turns[number], rows[i - 1], makes ? rows[i] : -1, to);
            }
            const uint32_t now = port_cycles();
            cycles[layer->index] += now - begun;
            begun = now;
            if (makes && layer->piece != 0 && is_tapped(layer->index)) {
                const turn_t *turn = &layer->turns[number];
                spent = model_tap_cycles;
                tap(layer->index, to + turn->to, turn->pixels * layer->pixel_bytes);
                begun += model_tap_cycles - spent;  // what asking for it took goes to the next layer
            }
        }
    }
    *mark = begun;
    return reached == chain->length && rows[reached - 1] < chain->layers[reached - 1].height;
}
