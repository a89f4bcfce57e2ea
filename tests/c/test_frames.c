// The firmware's frame codec against the golden vectors: test_frames FILE. Prints what failed; exit status 1 if anything did.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

enum { LONGEST_LINE = 8192 };

static int failures;

static void expect(int holds, const char *name, const char *what)
{
    if (!holds) {
        printf("%s: %s\n", name, what);
        failures++;
    }
}

static size_t unhex(const char *text, uint8_t *bytes)
{
    size_t count = 0;
    for (unsigned value; sscanf(text + 2 * count, "%2x", &value) == 1; count++)
        bytes[count] = (uint8_t)value;
    return count;
}

// The next event of a frame that comes in pieces of a few bytes, as the receive side takes it. Moves *at behind it.
static frame_event_t decode_pieces(frame_decoder_t *decoder, const uint8_t *wire, size_t count, size_t piece, size_t *at,
                                   frame_t *frame)
{
    frame_event_t event = FRAME_NONE;
    while (*at < count && event == FRAME_NONE) {
        event = frame_decode(decoder, wire[(*at)++], frame);
        *at += frame_decode_run(decoder, wire + *at, count - *at < piece ? count - *at : piece);
    }
    return event;
}

// Several bytes at a time make of a wire what each by itself makes of it.
static void check_runs(const char *name, const uint8_t *wire, size_t count)
{
    for (size_t piece = 0; piece < 20; piece++) {
        frame_decoder_t one = {0}, other = {0};
        frame_t by_bytes = {0}, by_runs = {0};
        for (size_t at = 0, begun = 0; at < count; begun = at) {
            frame_event_t event = decode_pieces(&other, wire, count, piece, &at, &by_runs);
            frame_event_t wanted = FRAME_NONE;
            for (size_t i = begun; i < at; i++) {
                expect(wanted == FRAME_NONE, name, "an event comes late by runs");
                wanted = frame_decode(&one, wire[i], &by_bytes);
            }
            expect(event == wanted && memcmp(&one, &other, sizeof one) == 0, name, "decodes to something else by runs");
        }
    }
}

static void check_frame(const char *line)
{
    static char name[64], payload_hex[LONGEST_LINE], wire_hex[LONGEST_LINE];
    static uint8_t payload[LONGEST_LINE], wire[LONGEST_LINE], encoded[FRAME_MAX_WIRE_BYTES];
    unsigned type, sequence;
    if (sscanf(line, "frame %63s %x %u %s %s", name, &type, &sequence, payload_hex, wire_hex) != 5) {
        expect(0, line, "is no `frame NAME TYPE SEQUENCE PAYLOAD WIRE`");
        return;
    }
    size_t bytes = unhex(payload_hex, payload), wire_bytes = unhex(wire_hex, wire);
    // In two spans, cut anywhere: the codec gathers.
    frame_span_t head = {payload, bytes / 3}, body = {payload + bytes / 3, bytes - bytes / 3};
    size_t encoded_bytes = frame_encode(encoded, (uint8_t)type, (uint16_t)sequence, head, body);
    expect(encoded_bytes == wire_bytes && memcmp(encoded, wire, wire_bytes) == 0, name, "encodes to something else");

    frame_decoder_t decoder = {0};
    frame_t frame = {0};
    int good = 0, damaged = 0;
    for (size_t i = 0; i < wire_bytes; i++) {
        frame_event_t event = frame_decode(&decoder, wire[i], &frame);
        damaged += event == FRAME_DAMAGED;
        if (event != FRAME_GOOD)
            continue;
        good++;
        expect(frame.type == type && frame.sequence == sequence, name, "decodes to another type or sequence");
        expect(frame.bytes == bytes && memcmp(frame.payload, payload, bytes) == 0, name, "decodes to another payload");
    }
    expect(good == 1 && damaged == 0, name, "does not decode to one frame");
    check_runs(name, wire, wire_bytes);
    for (size_t i = 0; i < wire_bytes; i++) {  // with a delimiter that does not belong there
        uint8_t kept = wire[i];
        wire[i] = 0;
        check_runs(name, wire, wire_bytes);
        wire[i] = kept;
    }
}

static void check_damaged(const char *line)
{
    static char name[64], wire_hex[LONGEST_LINE];
    static uint8_t wire[LONGEST_LINE];
    if (sscanf(line, "damaged %63s %s", name, wire_hex) != 2) {
        expect(0, line, "is no `damaged NAME WIRE`");
        return;
    }
    size_t wire_bytes = unhex(wire_hex, wire);
    frame_decoder_t decoder = {0};
    frame_t frame;
    int good = 0, damaged = 0;
    for (size_t i = 0; i < wire_bytes; i++) {
        frame_event_t event = frame_decode(&decoder, wire[i], &frame);
        good += event == FRAME_GOOD;
        damaged += event == FRAME_DAMAGED;
    }
    expect(good == 0 && damaged > 0, name, "passes for good");
    check_runs(name, wire, wire_bytes);
    // The decoder must be ready for the next frame.
    uint8_t next[FRAME_MAX_WIRE_BYTES];
    size_t next_bytes = frame_encode(next, 4, 7, (frame_span_t){0}, (frame_span_t){0});
    for (size_t i = 0; i < next_bytes; i++)
        good += frame_decode(&decoder, next[i], &frame) == FRAME_GOOD;
    expect(good == 1, name, "spoils the frame behind it");
}

static void check_too_long(void)
{
    static uint8_t payload[LINK_MAX_PAYLOAD + 1], wire[FRAME_MAX_WIRE_BYTES];
    frame_span_t longest = {payload, LINK_MAX_PAYLOAD}, longer = {payload, LINK_MAX_PAYLOAD + 1}, none = {0};
    expect(frame_encode(wire, 3, 1, longest, none) > 0, "too_long", "the longest payload does not encode");
    expect(frame_encode(wire, 3, 1, longer, none) == 0, "too_long", "a longer one does");
    frame_decoder_t decoder = {0};
    frame_t frame;
    for (size_t i = 0; i < 3 * LINK_MAX_PAYLOAD; i++)
        expect(frame_decode(&decoder, 0xff, &frame) == FRAME_NONE, "too_long", "an endless frame gives something");
    expect(frame_decode(&decoder, 0, &frame) == FRAME_DAMAGED, "too_long", "an endless frame is not damaged");
    static uint8_t endless[3 * LINK_MAX_PAYLOAD];
    memset(endless, 0xff, sizeof endless - 1);
    check_runs("too_long", endless, sizeof endless);
}

int main(int argc, char **argv)
{
    static char line[2 * LONGEST_LINE];
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (file == NULL)
        return 2;
    int vectors = 0;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "frame ", 6) == 0)
            check_frame(line);
        else if (strncmp(line, "damaged ", 8) == 0)
            check_damaged(line);
        else
            continue;
        vectors++;
    }
    fclose(file);
    check_too_long();
    printf("%d vectors, %d failures\n", vectors, failures);
    return failures > 0 || vectors == 0;
}
