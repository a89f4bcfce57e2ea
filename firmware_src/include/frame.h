// Frames: what stands between zero bytes on the wire (docs/link.md, "Frames").
// COBS keeps zeros out of a frame, CRC-32 finds damage, the sequence number tells answers apart.
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

#ifndef LINK_MAX_PAYLOAD
#define LINK_MAX_PAYLOAD 267  // 256 bytes of a tensor and the 11 that say where they belong
#endif

#define FRAME_HEADER_BYTES 3  // type, sequence number
#define FRAME_CRC_BYTES 4
#define FRAME_MAX_BYTES (FRAME_HEADER_BYTES + LINK_MAX_PAYLOAD + FRAME_CRC_BYTES)
// One delimiter before and two behind, one code byte, and one more for each 254 bytes without a zero.
#define FRAME_MAX_WIRE_BYTES (FRAME_MAX_BYTES + 4 + FRAME_MAX_BYTES / 254)

typedef struct {
    uint8_t type;
    uint16_t sequence;
    const uint8_t *payload;  // points into the decoder: valid until its next byte
    uint16_t bytes;
} frame_t;

typedef enum { FRAME_NONE, FRAME_GOOD, FRAME_DAMAGED } frame_event_t;

typedef struct {
    uint8_t bytes[FRAME_MAX_BYTES];
    uint16_t filled;
    uint8_t left;       // data bytes until the next code byte
    uint8_t is_inside;  // something has come since the last delimiter
    uint8_t owes_zero;  // the block that ends stands for data and a zero
    uint8_t is_spoiled; // too long: skip to the next delimiter
} frame_decoder_t;

// Part of a payload: a frame is gathered from a header made on the spot and a body that lies elsewhere.
typedef struct {
    const void *data;
    size_t bytes;
} frame_span_t;

// Takes the next byte from the wire; a delimiter completes a frame, good or damaged. Empty frames are skipped.
frame_event_t frame_decode(frame_decoder_t *decoder, uint8_t byte, frame_t *frame);

// Takes what comes before the next byte that is more than data, several bytes at a time: as frame_decode for each of them.
// Returns how many that was, 0 if the first one is frame_decode's.
size_t frame_decode_run(frame_decoder_t *decoder, const uint8_t *bytes, size_t count);

// Writes delimiter, frame and two delimiters to wire (FRAME_MAX_WIRE_BYTES). Returns the bytes written, 0 if the payload is too long.
size_t frame_encode(uint8_t *wire, uint8_t type, uint16_t sequence, frame_span_t head, frame_span_t body);

// Goes on with a CRC-32 (IEEE 802.3, as zlib's crc32: start from 0).
uint32_t crc32_update(uint32_t crc, const void *data, size_t bytes);

#endif
