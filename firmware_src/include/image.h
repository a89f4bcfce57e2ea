// One image's way through the board: rows arrive in tiles, the network runs, results lie ready to be read.
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "link.h"

// Starts an image. Returns 0 or a reason to refuse. One that is asked for in the middle of another's row waits for that row.
uint8_t image_begin(const link_begin_t *begin);

// Takes the next bytes of the image. Those behind the end of the tile stay where they are until the tile has been run.
// Returns false for bytes that are not the next ones or have no room: the host must repeat.
bool image_take(const link_tile_t *where, const uint8_t *bytes, uint32_t count);

// A tile is complete: no frame is to be handled before it has been run.
bool image_has_tile(void);

// Runs the network over it, and over those that the bytes behind it complete.
void image_run_tiles(void);

// Lets the tapped layer go on after its row has been read.
void image_release(const link_release_t *release);

void image_status(link_status_t *status);

// What READ may ask for. Returns false where it is not there now.
bool image_object(uint8_t object, uint16_t index, frame_span_t *span);

#endif
