// The firmware's main loop on any line: message handlers, the image's intake, taps. The input is a row of records: a type, a
// length, that many bytes of payload; each becomes a frame whose CRC is right, or with bit 6 of the type raw bytes.
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "fuzz.h"
#include "image.h"
#include "link.h"
#include "messages.h"
#include "model_config.h"

enum { RAW = 0x40, FAULT_KEPT = 0x20, MOST = 1 << 16 };

static bool has_fault;

bool fuzz_has_fault(void)
{
    return has_fault;
}

static size_t put_record(uint8_t *wire, const uint8_t *record, size_t bytes)
{
    uint8_t type = record[0] & 0x1f;
    const uint8_t *payload = record + 2;
    if (record[0] & RAW) {
        memcpy(wire, payload, bytes);
        return bytes;
    }
    if (type == LINK_RESET)
        type = LINK_POLL;
    link_status_t status;
    image_status(&status);
    uint8_t head[2] = {0};
    size_t named = 0;
    if (bytes > 2 && (type == LINK_BEGIN || type == LINK_TILE || type == LINK_RELEASE) && !(payload[0] & 1)) {
        uint16_t session = (uint16_t)(status.session + (type == LINK_BEGIN));  // which the fuzzer cannot know
        memcpy(head, &session, named = sizeof head);
    }
    return frame_encode(wire, type, record[1], (frame_span_t){head, named}, (frame_span_t){payload + named, bytes - named});
}

static void serve(const uint8_t *wire, size_t count)
{
    fuzz_input(wire, count);
    do {
        link_serve();
        if (image_has_row() && image_writes_over_results())
            link_finish_reading();
        if (image_has_row() && image_run_rows())
            link_send_status();
    } while (!fuzz_is_at_end());
    fuzz_input(NULL, 0);
}

// A new image, whatever the input before has left: the same input does the same.
static size_t put_begin(uint8_t *wire, int8_t tap)
{
    link_status_t status;
    image_status(&status);
    link_begin_t begin = {(uint16_t)(status.session + 1), tap, MODEL_WIDTH * MODEL_HEIGHT * MODEL_CHANNELS};
    return frame_encode(wire, LINK_BEGIN, 0, (frame_span_t){&begin, sizeof begin}, (frame_span_t){0});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *wire = malloc(MOST);
    has_fault = false;
    size_t count = put_begin(wire, size > 0 ? (int8_t)(data[size - 1] % 6 - 2) : 0);
    serve(wire, count);
    count = 0;
    for (size_t at = 0; at + 2 < size && count < MOST / 2;) {
        size_t bytes = data[at + 1], rest = size - at - 2;
        bytes = bytes < rest ? bytes : rest;
        has_fault = data[at] & FAULT_KEPT;
        count += put_record(wire + count, data + at, bytes);
        if (data[at] & 0x80) {  // the host waits for an answer
            serve(wire, count);
            count = 0;
        }
        at += 2 + bytes;
    }
    serve(wire, count);
    free(wire);
    return 0;
}
