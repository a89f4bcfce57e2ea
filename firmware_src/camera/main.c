// A camera without optics: plays the photos in its flash to a detector's board, as the host's end of the link
// (docs/link.md), and keeps what that has found. One frame is on its way at a time; what is lost is sent again.
#include <string.h>

#include "frame.h"
#include "messages.h"
#include "photos.h"
#include "port.h"
#include "receive.h"

#define PATIENCE_MS 5000  // the last row of a photo may take seconds, in which the detector does not answer
#define HELLO_PATIENCE_MS 100
#define ATTEMPTS 8
#define TILE_BYTES (LINK_MAX_PAYLOAD - sizeof(link_tile_t))
#define MOST_PHOTOS 8
#define MOST_BYTES 240  // of detections, best first, in one frame

// For whoever looks into the camera's memory.
volatile struct {
    uint32_t done;      // photos whose detections are here
    uint32_t repeated;  // requests, but for greetings before the detector had started
    uint32_t has_given_up;
    struct {
        uint32_t bytes;
        uint8_t detections[MOST_BYTES];
    } photos[MOST_PHOTOS];
} camera;

static frame_decoder_t decoder;
static uint8_t wire[FRAME_MAX_WIRE_BYTES];
static uint16_t sequence;
static uint8_t payload[LINK_MAX_PAYLOAD];  // of the latest answer

// Sends a request and waits for its answer. Returns the answer's type, 0 if none came in time.
static uint8_t request(uint8_t type, frame_span_t head, frame_span_t body, uint32_t patience_ms)
{
    frame_t frame;
    sequence++;
    port_send_wait();
    port_send(wire, frame_encode(wire, type, sequence, head, body));
    for (uint32_t begun = port_milliseconds(); port_milliseconds() - begun < patience_ms;) {
        port_alive();
        frame_event_t event = receive_event(&decoder, &frame);
        if (event == FRAME_NONE)
            port_sleep();
        else if (event == FRAME_GOOD && frame.sequence == sequence) {
            memcpy(payload, frame.payload, frame.bytes);
            return frame.type;
        }
    }
    camera.repeated++;
    return 0;
}

static bool ask(uint8_t type, frame_span_t head, uint8_t wanted, uint32_t patience_ms)
{
    for (int i = 0; i < ATTEMPTS; i++)
        if (request(type, head, (frame_span_t){0}, patience_ms) == wanted)
            return true;
    return false;
}

static bool ask_status(link_status_t *status)
{
    bool is_there = ask(LINK_POLL, (frame_span_t){0}, LINK_STATUS, PATIENCE_MS);
    memcpy(status, payload, sizeof *status);
    return is_there;
}

// Tile by tile from where the detector says that it is, until it is done.
static bool stream(uint16_t session, const uint8_t *photo)
{
    link_status_t status;
    int idle = 0;
    if (!ask_status(&status))
        return false;
    while (status.session == session && status.state != LINK_DONE && idle < ATTEMPTS) {
        uint32_t before = status.taken;
        if (before < PHOTO_BYTES) {
            uint32_t rest = PHOTO_BYTES - before;
            link_tile_t where = {session, before};
            frame_span_t body = {photo + before, rest < TILE_BYTES ? rest : TILE_BYTES};
            uint8_t answer = request(LINK_TILE, (frame_span_t){&where, sizeof where}, body, PATIENCE_MS);
            if (answer == LINK_STATUS)
                memcpy(&status, payload, sizeof status);
            else if (!ask_status(&status))
                return false;
        } else if (!ask_status(&status)) {
            return false;
        }
        idle = status.taken > before ? 0 : idle + 1;
    }
    return status.session == session && status.state == LINK_DONE;
}

static bool play(uint16_t session, uint32_t index)
{
    link_begin_t begin = {session, LINK_TAP_NONE, PHOTO_BYTES};
    if (!ask(LINK_BEGIN, (frame_span_t){&begin, sizeof begin}, LINK_STATUS, PATIENCE_MS))
        return false;
    if (!stream(session, photos_start + index * PHOTO_BYTES))
        return false;
    link_read_t read = {LINK_OBJECT_DETECTIONS, 0, 0, MOST_BYTES, MOST_BYTES};
    if (!ask(LINK_READ, (frame_span_t){&read, sizeof read}, LINK_DATA, PATIENCE_MS))
        return false;
    link_data_t where;
    memcpy(&where, payload, sizeof where);
    camera.photos[index].bytes = where.total < MOST_BYTES ? where.total : MOST_BYTES;
    for (uint32_t i = 0; i < camera.photos[index].bytes; i++)
        camera.photos[index].detections[i] = payload[sizeof where + i];
    camera.done = index + 1;
    return true;
}

int main(void)
{
    port_start();
    bool is_well = ask(LINK_HELLO, (frame_span_t){0}, LINK_WELCOME, HELLO_PATIENCE_MS);
    camera.repeated = 0;
    link_welcome_t welcome;
    memcpy(&welcome, payload, sizeof welcome);
    uint32_t count = (uint32_t)(photos_end - photos_start) / PHOTO_BYTES;
    for (uint32_t i = 0; is_well && i < count && i < MOST_PHOTOS; i++)
        is_well = play((uint16_t)(welcome.session + 1 + i), i);
    camera.has_given_up = !is_well;
    for (;;) {
        port_alive();
        port_sleep();
    }
}
