// The link's messages, byte for byte as docs/link.md tables them: little-endian, no padding that is not named.
// hil/link/messages.py is the other side.
#ifndef MESSAGES_H
#define MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#define LINK_PROTOCOL 2

#if __has_attribute(nonstring)
#define LINK_TEXT __attribute__((nonstring))
#else
#define LINK_TEXT
#endif

enum {  // frame types; the board's have bit 7 set
    LINK_HELLO = 0x01,
    LINK_BEGIN = 0x02,
    LINK_TILE = 0x03,
    LINK_POLL = 0x04,
    LINK_READ = 0x05,
    LINK_RELEASE = 0x06,
    LINK_PROVOKE = 0x07,
    LINK_RESET = 0x08,
    LINK_WELCOME = 0x81,
    LINK_STATUS = 0x82,
    LINK_REPEAT = 0x83,
    LINK_DATA = 0x84,
    LINK_REFUSED = 0x85,
    LINK_FAULT = 0x86,
};

enum { LINK_IDLE, LINK_RECEIVING, LINK_TAP_WAITS, LINK_DONE };  // status.state
#define LINK_FAULT_KEPT 0x80  // status.state: a fault report is there to be read

enum { LINK_OBJECT_INFO, LINK_OBJECT_RESULT, LINK_OBJECT_DETECTIONS, LINK_OBJECT_LAYER_CYCLES,
       LINK_OBJECT_TAP_PIECE, LINK_OBJECT_DIGESTS, LINK_OBJECT_FAULT, LINK_OBJECT_LOGITS };

enum { LINK_BAD_LENGTH = 1, LINK_BAD_TYPE, LINK_BAD_TAP, LINK_BAD_IMAGE_SIZE, LINK_NOT_THERE, LINK_UNKNOWN_OBJECT,
       LINK_CANNOT_DO };  // refused.reason

#define LINK_UNKNOWN 0xffffffffu  // a number that this port cannot know
#define LINK_TAP_NONE (-1)
#define LINK_TAP_DIGESTS (-2)  // no pieces: a CRC-32 of each tensor instead

typedef struct __attribute__((packed)) {
    uint16_t session;
    int16_t tap;
    uint32_t image_bytes;
} link_begin_t;

typedef struct __attribute__((packed)) {
    uint16_t session;
    uint32_t offset;
} link_tile_t;  // then the bytes

typedef struct __attribute__((packed)) {
    uint8_t object;
    uint16_t index;
    uint32_t offset;
    uint32_t length;
    uint16_t chunk;
} link_read_t;

typedef struct __attribute__((packed)) {
    uint16_t session;
    uint16_t piece;
} link_release_t;

typedef struct __attribute__((packed)) {
    uint16_t protocol;
    uint16_t max_payload;
    uint32_t receive_bytes;
    uint16_t info_bytes;
    uint16_t session;
    uint16_t boots;
    uint8_t reset_cause;
} link_welcome_t;

typedef struct __attribute__((packed)) {
    uint16_t session;
    uint8_t state;
    uint32_t taken;  // image bytes so far
    uint32_t limit;  // image bytes that may be sent
    uint16_t piece;  // of the tapped layer's output, while LINK_TAP_WAITS
} link_status_t;

typedef struct __attribute__((packed)) {
    uint8_t object;
    uint16_t index;
    uint32_t offset;
    uint32_t total;  // bytes of the object
} link_data_t;  // then the bytes

typedef struct __attribute__((packed)) {
    uint8_t type;
    uint8_t reason;
} link_refused_t;

typedef struct __attribute__((packed)) {
    uint32_t chip_id;
    uint8_t unique_id[12];
    uint32_t clock_hz, baud;
    uint16_t width, height, channels, tile_rows, layers, tensors, max_detections;
    uint32_t arena_bytes, stack_bytes;
    LINK_TEXT char board[24], build_id[16], model[32], model_hash[16];  // padded with zeros; may fill their places
    // Of this ELF alone; written into it when it has been linked (hil/firmware/stamp.py), zeros without.
    LINK_TEXT char elf_hash[32];
} link_info_t;

typedef struct __attribute__((packed)) {
    uint64_t cycles;  // model_push_row and model_finish, taps left out
    uint64_t decode_cycles, schedule_cycles;
    uint32_t detections;
    uint32_t stack_used, heap_used, arena_used;
    uint32_t frames, damaged, repeated, overruns;  // the link's, since the board started
    uint32_t counter;  // what became of the cycle counter
} link_result_t;

enum { LINK_COUNTER_NONE, LINK_COUNTER_RUNS, LINK_COUNTER_STANDS_STILL, LINK_COUNTER_RAN_BACK };  // result.counter

enum { LINK_FAULT_EXCEPTION = 1, LINK_FAULT_STACK_OVERFLOW, LINK_FAULT_WATCHDOG, LINK_FAULT_SIGNAL };

typedef struct __attribute__((packed)) {
    uint32_t kind, exception;  // exception: number of the vector, or of the signal
    uint32_t pc, lr, sp, psr;
    uint32_t cfsr, hfsr, mmfar, bfar;
} link_fault_t;

#endif
