// The board's end of the link: takes frames out of the ring, hands them on, answers. The host leads; the board repeats
// nothing of its own accord, so it needs no timers and no copies of what it sent (docs/link.md, "Who repeats").
#include "link.h"

#include <string.h>

#include "frame.h"
#include "image.h"
#include "messages.h"
#include "port.h"
#include "provoke.h"

static frame_decoder_t decoder;
static uint8_t wire[FRAME_MAX_WIRE_BYTES];  // what is being sent; the DMA reads it, so not in the CCM
static uint16_t last_sequence;              // of the host's latest good frame: every answer carries it
static enum { ANSWER_NONE, ANSWER_STATUS, ANSWER_REPEAT } due;
static image_link_counts_t counted;

// Sends a frame in answer to the host's latest one; returns once it is on its way.
static void send(uint8_t type, frame_span_t head, frame_span_t body)
{
    port_send_wait();
    port_send(wire, frame_encode(wire, type, last_sequence, head, body));
}

static void send_state(uint8_t type)
{
    link_status_t status;
    image_status(&status);
    send(type, (frame_span_t){&status, sizeof status}, (frame_span_t){0});
}

void link_send_status(void)
{
    send_state(LINK_STATUS);
}

static void refuse(uint8_t type, uint8_t reason)
{
    link_refused_t refused = {type, reason};
    send(LINK_REFUSED, (frame_span_t){&refused, sizeof refused}, (frame_span_t){0});
}

static void welcome(void)
{
    link_status_t status;
    image_status(&status);
    link_welcome_t answer = {
        .protocol = LINK_PROTOCOL,
        .max_payload = LINK_MAX_PAYLOAD,
        .receive_bytes = port_receive_bytes(),
        .info_bytes = sizeof(link_info_t),
        .session = status.session,
        .boots = port_boots(),
        .reset_cause = port_reset_cause(),
    };
    send(LINK_WELCOME, (frame_span_t){&answer, sizeof answer}, (frame_span_t){0});
}

// Sends the part of an object that was asked for, cut into frames of the size that was asked for.
static void read_object(const link_read_t *read)
{
    frame_span_t object = {0};
    if (!image_object(read->object, read->index, &counted, &object)) {
        refuse(LINK_READ, read->object > LINK_OBJECT_LOGITS ? LINK_UNKNOWN_OBJECT : LINK_NOT_THERE);
        return;
    }
    size_t chunk = read->chunk;
    if (chunk == 0 || chunk > LINK_MAX_PAYLOAD - sizeof(link_data_t) || read->offset > object.bytes) {
        refuse(LINK_READ, LINK_BAD_LENGTH);
        return;
    }
    size_t rest = object.bytes - read->offset;
    size_t end = read->offset + (read->length < rest ? read->length : rest);
    size_t offset = read->offset;
    do {  // at least one frame, for it says how long the object is
        link_data_t where = {read->object, read->index, (uint32_t)offset, (uint32_t)object.bytes};
        frame_span_t body = {0};  // an object of no bytes may have no address either
        if (offset < end)
            body = (frame_span_t){(const uint8_t *)object.data + offset, end - offset < chunk ? end - offset : chunk};
        send(LINK_DATA, (frame_span_t){&where, sizeof where}, body);
        port_alive();
        offset += chunk;
    } while (offset < end);
}

static void take_tile(const uint8_t *payload, uint16_t bytes)
{
    link_tile_t where;
    memcpy(&where, payload, sizeof where);
    if (image_take(&where, payload + sizeof where, (uint32_t)(bytes - sizeof where)))
        return;
    counted.repeated++;
    due = ANSWER_REPEAT;
}

static void begin(const uint8_t *payload)
{
    link_begin_t begin;
    memcpy(&begin, payload, sizeof begin);
    uint8_t reason = image_begin(&begin);
    if (reason != 0)
        refuse(LINK_BEGIN, reason);
}

// What a type's payload must have; LINK_TILE's is the least, the others' exact.
static const struct {
    uint8_t type;
    uint8_t bytes;
} lengths[] = {
    {LINK_HELLO, 0}, {LINK_BEGIN, sizeof(link_begin_t)}, {LINK_TILE, sizeof(link_tile_t) + 1},
    {LINK_POLL, 0}, {LINK_READ, sizeof(link_read_t)}, {LINK_RELEASE, sizeof(link_release_t)},
    {LINK_PROVOKE, 1}, {LINK_RESET, 0},
};

// Returns 0 or the reason why no handler may see the frame.
static uint8_t check(const frame_t *frame)
{
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        if (lengths[i].type != frame->type)
            continue;
        bool fits = frame->type == LINK_TILE ? frame->bytes >= lengths[i].bytes : frame->bytes == lengths[i].bytes;
        return fits ? 0 : LINK_BAD_LENGTH;
    }
    return LINK_BAD_TYPE;
}

static void handle(const frame_t *frame)
{
    counted.frames++;
    last_sequence = frame->sequence;
    if (due == ANSWER_NONE)
        due = ANSWER_STATUS;
    uint8_t reason = check(frame);
    if (reason != 0) {
        refuse(frame->type, reason);
        return;
    }
    link_read_t read;
    link_release_t release;
    switch (frame->type) {
    case LINK_HELLO:
        welcome();
        break;
    case LINK_BEGIN:
        begin(frame->payload);
        break;
    case LINK_TILE:
        take_tile(frame->payload, frame->bytes);
        break;
    case LINK_READ:
        memcpy(&read, frame->payload, sizeof read);
        read_object(&read);
        break;
    case LINK_RELEASE:
        memcpy(&release, frame->payload, sizeof release);
        image_release(&release);
        break;
    case LINK_PROVOKE:
        port_forget_fault();
        provoke(frame->payload[0]);
        refuse(LINK_PROVOKE, LINK_CANNOT_DO);
        break;
    case LINK_RESET:
        port_reset();
    default:  // LINK_POLL: the status is the answer
        break;
    }
}

// Decodes up to the end of the next frame, and gives its room in the ring back.
static frame_event_t next_event(frame_t *frame)
{
    const uint8_t *bytes;
    size_t count;
    while ((count = port_received(&bytes)) > 0) {
        frame_event_t event = FRAME_NONE;
        size_t used = 0;
        while (used < count && event == FRAME_NONE)
            event = frame_decode(&decoder, bytes[used++], frame);
        port_consume(used);
        if (event != FRAME_NONE)
            return event;
    }
    return FRAME_NONE;
}

void link_serve(void)
{
    frame_t frame;
    frame_event_t event;
    while (!image_has_tile() && (event = next_event(&frame)) != FRAME_NONE) {
        if (event == FRAME_GOOD) {
            handle(&frame);
        } else {
            counted.damaged++;
            due = ANSWER_REPEAT;
        }
    }
    if (due != ANSWER_NONE)
        send_state(due == ANSWER_REPEAT ? LINK_REPEAT : LINK_STATUS);
    due = ANSWER_NONE;
}
