// The receive side: whatever comes, it stays in its buffer; and what is a frame is the same when it is sent on.
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "fuzz.h"

static void send_on(const frame_t *frame)
{
    uint8_t wire[FRAME_MAX_WIRE_BYTES];
    frame_span_t payload = {frame->payload, frame->bytes};
    size_t count = frame_encode(wire, frame->type, frame->sequence, payload, (frame_span_t){0});
    static frame_decoder_t decoder;
    frame_t again;
    size_t good = 0;
    for (size_t i = 0; i < count; i++)
        good += frame_decode(&decoder, wire[i], &again) == FRAME_GOOD && again.type == frame->type &&
                again.sequence == frame->sequence && again.bytes == frame->bytes;
    if (count > sizeof wire || good != 1)
        abort();
}

// The first byte says whether the rest is raw or the content of a frame, whose CRC no fuzzer would guess.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    frame_decoder_t *decoder = calloc(1, sizeof *decoder);
    frame_t frame;
    if (size > 4 && data[0] & 1) {
        uint8_t wire[FRAME_MAX_WIRE_BYTES];
        size_t bytes = size - 4 > LINK_MAX_PAYLOAD ? LINK_MAX_PAYLOAD : size - 4;
        size_t count = frame_encode(wire, data[1], (uint16_t)(data[2] | data[3] << 8), (frame_span_t){data + 4, bytes / 2},
                                    (frame_span_t){data + 4 + bytes / 2, bytes - bytes / 2});
        for (size_t i = 0; i < count; i++)
            if (frame_decode(decoder, wire[i], &frame) == FRAME_GOOD)
                send_on(&frame);
    }
    for (size_t i = 0; i < size;) {
        if (frame_decode(decoder, data[i++], &frame) == FRAME_GOOD)
            send_on(&frame);
        i += frame_decode_run(decoder, data + i, size - i);
    }
    free(decoder);
    return 0;
}
