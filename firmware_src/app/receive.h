// Frames out of what the port has received: for both ends of the link, the detector's and the camera's.
#ifndef RECEIVE_H
#define RECEIVE_H

#include "frame.h"
#include "port.h"

// Decodes up to the end of the next frame, and gives its room in the ring back. FRAME_NONE: there is no end yet.
static inline frame_event_t receive_event(frame_decoder_t *decoder, frame_t *frame)
{
    const uint8_t *bytes;
    size_t count;
    while ((count = port_received(&bytes)) > 0) {
        frame_event_t event = FRAME_NONE;
        size_t used = 0;
        while (used < count && event == FRAME_NONE) {
            event = frame_decode(decoder, bytes[used++], frame);
            used += frame_decode_run(decoder, bytes + used, count - used);
        }
        port_consume(used);
        if (event != FRAME_NONE)
            return event;
    }
    return FRAME_NONE;
}

#endif
