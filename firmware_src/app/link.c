// The board's end of the link: takes frames out of the ring, hands them on, answers. The host leads; the board repeats
// nothing of its own accord, so it needs no timers and no copies of what it sent (docs/link.md, "Who repeats").
#include "link.h"

#include <string.h>

#include "frame.h"
#include "image.h"
#include "messages.h"
#include "port.h"
#include "provoke.h"
#include "receive.h"

static frame_decoder_t decoder;
static uint8_t wire[FRAME_MAX_WIRE_BYTES];  // what is being sent; the DMA reads it, so not in the CCM
static uint16_t last_sequence;              // of the host's latest good frame: every answer carries it
static enum { ANSWER_NONE, ANSWER_STATUS, ANSWER_REPEAT } due;
static image_link_counts_t counted;

// What the host reads, frame by frame: boxes are on their way while the next image comes in.
static struct {
    bool is_on;
    uint16_t sequence;  // of the request
    uint16_t chunk;
    link_data_t where;  // the next frame belongs
    frame_span_t object;
    size_t end;
} reading;

// Sends a frame; returns once it is on its way.
static void send_for(uint16_t sequence, uint8_t type, frame_span_t head, frame_span_t body)
{
    port_send_wait();
    port_send(wire, frame_encode(wire, type, sequence, head, body));
}

// In answer to the host's latest one.
static void send(uint8_t type, frame_span_t head, frame_span_t body)
{
    send_for(last_sequence, type, head, body);
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

static void send_piece(void)
{
    frame_span_t body = {0};  // an object of no bytes may have no address either
    const size_t left = reading.end - reading.where.offset;
    if (left > 0)
        body = (frame_span_t){(const uint8_t *)reading.object.data + reading.where.offset,
                              left < reading.chunk ? left : reading.chunk};
    send_for(reading.sequence, LINK_DATA, (frame_span_t){&reading.where, sizeof reading.where}, body);
    port_alive();
    reading.where.offset += (uint32_t)body.bytes;
    reading.is_on = reading.where.offset < reading.end;
}

void link_finish_reading(void)
{
    while (reading.is_on)
        send_piece();
}

// Begins to send the part of an object that was asked for, cut into frames of the size that was asked for.
static void read_object(const link_read_t *read)
{
    frame_span_t object = {0};
    if (!image_object(read->object, read->index, &counted, &object)) {
        refuse(LINK_READ, read->object > LINK_OBJECT_LOGITS ? LINK_UNKNOWN_OBJECT : LINK_NOT_THERE);
        return;
    }
    if (read->chunk == 0 || read->chunk > LINK_MAX_PAYLOAD - sizeof(link_data_t) || read->offset > object.bytes) {
        refuse(LINK_READ, LINK_BAD_LENGTH);
        return;
    }
    const size_t rest = object.bytes - read->offset;
    reading.where = (link_data_t){read->object, read->index, read->offset, (uint32_t)object.bytes};
    reading.end = read->offset + (read->length < rest ? read->length : rest);
    reading.chunk = read->chunk;
    reading.object = object;
    reading.sequence = last_sequence;
    reading.is_on = true;  // at least one frame, for it says how long the object is
    if (!image_keeps(read->object))
        link_finish_reading();
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
    if (frame->type != LINK_BEGIN && frame->type != LINK_TILE)
        link_finish_reading();
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

// Handles the next event. Returns false where there is nothing to be done now.
static bool serve_one(void)
{
    frame_t frame;
    switch (receive_event(&decoder, &frame)) {
    case FRAME_GOOD:
        handle(&frame);
        return true;
    case FRAME_DAMAGED:
        counted.damaged++;
        due = ANSWER_REPEAT;
        return true;
    default:
        if (!reading.is_on || port_is_sending())
            return false;
        send_piece();
        return true;
    }
}

void link_serve(void)
{
    while (!image_has_row() && serve_one())
        ;
    if (due == ANSWER_NONE || (reading.is_on && last_sequence == reading.sequence))
        return;  // what was asked for comes before the status that says so
    if (decoder.is_inside && !image_has_row())
        return;  // a frame is arriving: one status for both
    send_state(due == ANSWER_REPEAT ? LINK_REPEAT : LINK_STATUS);
    due = ANSWER_NONE;
}
