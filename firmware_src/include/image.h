// One image's way through the board: rows arrive piece by piece, the network runs, results lie ready to be read.
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "messages.h"

// Starts an image. Returns 0 or a reason to refuse. One that is asked for in the middle of another's row waits for that row.
uint8_t image_begin(const link_begin_t *begin);

// Takes the next bytes of the image. Those behind the end of the row stay where they are until the row has been run.
// Returns false for bytes that are not the next ones or have no room: the host must repeat.
bool image_take(const link_tile_t *where, const uint8_t *bytes, uint32_t count);

// A row is complete: no frame is to be handled before it has been run.
bool image_has_row(void);

// The row, or those that bytes behind it complete, write over what image_keeps.
bool image_writes_over_results(void);

// Runs the network over it, and over those that the bytes behind it complete. Returns whether the host waits to hear of it:
// the limit has moved, or the results are there.
bool image_run_rows(void);

// Takes a piece of a tapped layer's output. Returns whether the host is to read it first; then until image_shows says that it
// has, or that nobody wants it any more, the data must stay, and image_shown follows.
bool image_show(uint16_t tensor, const uint8_t *data, uint32_t bytes);
bool image_shows(void);
void image_shown(void);

// Lets the tapped layer go on after its piece has been read.
void image_release(const link_release_t *release);

// Leaves the image as it is: nobody wants it any more.
void image_give_up(void);

void image_status(link_status_t *status);

// Frames since the board started: good, damaged, and those that the host was asked to repeat.
typedef struct {
    uint32_t frames, damaged, repeated;
} image_link_counts_t;

// What READ may ask for; link: for the result. Returns false where it is not there now.
bool image_object(uint8_t object, uint16_t index, const image_link_counts_t *link, frame_span_t *span);

// Whether an object outlives its image for a while: until image_writes_over_results.
bool image_keeps(uint8_t object);

#endif
