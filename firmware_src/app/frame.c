// COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999) and CRC-32, byte by byte and without a buffer more.
#include "frame.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers lie on the wire as they lie in memory");

// One nibble at a time: 64 bytes of table where a byte at a time would take 1024.
static const uint32_t crc_of_nibble[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

static inline uint32_t shift_byte(uint32_t crc)
{
    crc = (crc >> 4) ^ crc_of_nibble[crc & 15];
    return (crc >> 4) ^ crc_of_nibble[crc & 15];
}

uint32_t crc32_update(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *byte = data;
    crc = ~crc;
    for (uint32_t word; bytes >= sizeof word; bytes -= sizeof word, byte += sizeof word) {
        memcpy(&word, byte, sizeof word);
        crc = shift_byte(shift_byte(shift_byte(shift_byte(crc ^ word))));
    }
    for (; bytes > 0; bytes--)
        crc = shift_byte(crc ^ *byte++);
    return ~crc;
}

static void start_over(frame_decoder_t *decoder)
{
    decoder->filled = 0;
    decoder->left = 0;
    decoder->is_inside = 0;
    decoder->owes_zero = 0;
    decoder->is_spoiled = 0;
}

static void keep(frame_decoder_t *decoder, uint8_t byte)
{
    if (decoder->filled == sizeof decoder->bytes)
        decoder->is_spoiled = 1;
    else
        decoder->bytes[decoder->filled++] = byte;
}

static frame_event_t complete(const frame_decoder_t *decoder, frame_t *frame)
{
    if (decoder->is_spoiled || decoder->left > 0 || decoder->filled < FRAME_HEADER_BYTES + FRAME_CRC_BYTES)
        return FRAME_DAMAGED;
    size_t bytes = decoder->filled - FRAME_CRC_BYTES;
    uint32_t sent;
    memcpy(&sent, decoder->bytes + bytes, sizeof sent);
    if (crc32_update(0, decoder->bytes, bytes) != sent)
        return FRAME_DAMAGED;
    frame->type = decoder->bytes[0];
    frame->sequence = (uint16_t)(decoder->bytes[1] | decoder->bytes[2] << 8);
    frame->payload = decoder->bytes + FRAME_HEADER_BYTES;
    frame->bytes = (uint16_t)(bytes - FRAME_HEADER_BYTES);
    return FRAME_GOOD;
}

frame_event_t frame_decode(frame_decoder_t *decoder, uint8_t byte, frame_t *frame)
{
    if (byte == 0) {
        frame_event_t event = decoder->is_inside ? complete(decoder, frame) : FRAME_NONE;
        start_over(decoder);
        return event;
    }
    decoder->is_inside = 1;
    if (decoder->left > 0) {
        keep(decoder, byte);
        decoder->left--;
    } else {
        if (decoder->owes_zero)
            keep(decoder, 0);
        decoder->left = (uint8_t)(byte - 1);
        decoder->owes_zero = byte != 0xff;
    }
    return FRAME_NONE;
}

// Copies up to the first zero. Returns how many bytes that was.
static size_t copy_to_zero(uint8_t *to, const uint8_t *from, size_t most)
{
    const uint8_t *end = from + most, *next = from;
    for (uint32_t word; (size_t)(end - next) >= sizeof word; next += sizeof word, to += sizeof word) {
        memcpy(&word, next, sizeof word);
        if ((word - 0x01010101) & ~word & 0x80808080)
            break;
        memcpy(to, &word, sizeof word);
    }
    for (; next < end && *next != 0; next++)
        *to++ = *next;
    return (size_t)(next - from);
}

size_t frame_decode_run(frame_decoder_t *decoder, const uint8_t *bytes, size_t count)
{
    if (decoder->left < count)
        count = decoder->left;
    if (sizeof decoder->bytes - decoder->filled < count)
        count = sizeof decoder->bytes - decoder->filled;
    size_t used = copy_to_zero(decoder->bytes + decoder->filled, bytes, count);
    decoder->filled += (uint16_t)used;
    decoder->left -= (uint8_t)used;
    return used;
}

typedef struct {
    uint8_t *code;  // where the code byte of the open block belongs
    uint8_t *next;
} encoder_t;

static void close_block(encoder_t *encoder)
{
    *encoder->code = (uint8_t)(encoder->next - encoder->code);
    encoder->code = encoder->next++;
}

static void put(encoder_t *encoder, const void *data, size_t bytes)
{
    const uint8_t *byte = data;
    for (; bytes > 0; bytes--, byte++) {
        if (encoder->next - encoder->code == 0xff)
            close_block(encoder);
        if (*byte == 0)
            close_block(encoder);
        else
            *encoder->next++ = *byte;
    }
}

size_t frame_encode(uint8_t *wire, uint8_t type, uint16_t sequence, frame_span_t head, frame_span_t body)
{
    if (head.bytes + body.bytes > LINK_MAX_PAYLOAD)
        return 0;
    const uint8_t header[FRAME_HEADER_BYTES] = {type, (uint8_t)sequence, (uint8_t)(sequence >> 8)};
    uint32_t crc = crc32_update(0, header, sizeof header);
    crc = crc32_update(crc, head.data, head.bytes);
    crc = crc32_update(crc, body.data, body.bytes);
    wire[0] = 0;  // ends whatever noise came before
    encoder_t encoder = {wire + 1, wire + 2};
    put(&encoder, header, sizeof header);
    put(&encoder, head.data, head.bytes);
    put(&encoder, body.data, body.bytes);
    put(&encoder, &crc, sizeof crc);
    close_block(&encoder);
    *encoder.code = 0;
    *encoder.next++ = 0;  // either may be lost: without its end a frame would wait for the next one's beginning
    return (size_t)(encoder.next - wire);
}
