#include "board.h"
#include "image.h"

#include <string.h>

#include "model.h"
#include "port.h"

#define ROW_BYTES ((uint32_t)MODEL_WIDTH * MODEL_CHANNELS)
#define IMAGE_BYTES (ROW_BYTES * MODEL_HEIGHT)
#define TILE_ROWS 1  // received before the network runs over them

static uint16_t session;
static uint8_t state = LINK_IDLE;
static uint32_t taken;     // image bytes so far, in this row and those before
static frame_span_t rest;  // of a frame that reaches into the next row
static bool is_full;       // the row waits to be run, or is being run
static bool is_running;    // the row is being pushed
static bool is_given_up;   // nobody wants the image that is running any more
static bool has_next;      // its successor waits for the row to end
static link_begin_t next;

static struct {
    uint16_t piece;  // number of the span of output that waits to be read
    frame_span_t data;
    bool waits;
} tap;

static uint32_t digests[MODEL_TENSORS];
static const detection_t *detections;
static link_result_t result;
static link_fault_t fault;

static link_info_t info = {
    .clock_hz = BOARD_CLOCK_HZ,
    .baud = BOARD_BAUD,
    .width = MODEL_WIDTH,
    .height = MODEL_HEIGHT,
    .channels = MODEL_CHANNELS,
    .tile_rows = TILE_ROWS,
    .layers = MODEL_LAYERS,
    .tensors = MODEL_TENSORS,
    .max_detections = MODEL_MAX_DETECTIONS,
    .arena_bytes = MODEL_ARENA_BYTES,
    .stack_bytes = BOARD_STACK_BYTES,
    .board = BOARD_NAME,
    .build_id = BUILD_ID,
    .model = MODEL_NAME,
    .model_hash = MODEL_HASH,
};

static void start(const link_begin_t *begin)
{
    session = begin->session;
    model_tap_tensor = begin->tap;
    memset(digests, 0, sizeof digests);
    tap.piece = 0;
    memset(&result, 0, sizeof result);
    result.counter = port_count_cycles();
    taken = 0;
    rest = (frame_span_t){0};
    is_full = false;
    is_given_up = false;
    has_next = false;
    port_forget_fault();
    model_begin();
    state = LINK_RECEIVING;
}

void image_give_up(void)
{
    is_given_up = true;
    tap.waits = false;
    state = LINK_IDLE;
}

uint8_t image_begin(const link_begin_t *begin)
{
    if (begin->image_bytes != IMAGE_BYTES)
        return LINK_BAD_IMAGE_SIZE;
    if (begin->tap < LINK_TAP_DIGESTS || begin->tap >= MODEL_TENSORS)
        return LINK_BAD_TAP;
    if (begin->session != (uint16_t)(session + 1))
        return 0;  // a doubled or late frame: the status says which session is on
    if (is_running) {
        next = *begin;
        has_next = true;
        image_give_up();
    } else {
        start(begin);
    }
    return 0;
}

// Adds what has passed, and looks at the counter: no row is free.
static void count(uint32_t elapsed, bool ran_back)
{
    result.cycles += elapsed;
    if (result.counter == LINK_COUNTER_RUNS && (elapsed == 0 || ran_back))
        result.counter = elapsed == 0 ? LINK_COUNTER_STANDS_STILL : LINK_COUNTER_RAN_BACK;
}

// Adds the rounds of the counter that passed unseen: a row may take longer than one (25 s), and the layers' cycles were
// added up step by step.
static void add_rounds(void)
{
    uint64_t parts = model_decode_cycles + model_schedule_cycles;
    for (uint32_t i = 0; i < MODEL_LAYERS; i++)
        parts += model_layer_cycles[i];
    result.cycles += (parts - result.cycles + (1u << 31)) >> 32 << 32;
}

static void push_row(void)
{
    port_quiet(true);
    uint32_t begun = port_cycles(), begun_taps = model_tap_cycles;
    model_push_row();
    count(port_cycles() - begun - (model_tap_cycles - begun_taps), model_ran_back());
    port_quiet(false);
    port_alive();
}

static void finish(void)
{
    port_quiet(true);
    uint32_t begun = port_cycles();
    result.detections = model_finish(&detections);
    const uint32_t elapsed = port_cycles() - begun;
    count(elapsed, elapsed > INT32_MAX);
    port_quiet(false);
    result.decode_cycles = model_decode_cycles;
    result.schedule_cycles = model_schedule_cycles;
    add_rounds();
    state = LINK_DONE;
}

// Bytes that the row has room for now.
static uint32_t row_room(void)
{
    return is_full || taken == IMAGE_BYTES ? 0 : ROW_BYTES - taken % ROW_BYTES;
}

// Straight into the network's memory.
static void fill_row(void)
{
    uint32_t count = rest.bytes < row_room() ? (uint32_t)rest.bytes : row_room();
    if (count == 0)
        return;
    memcpy(model_row() + taken % ROW_BYTES, rest.data, count);
    rest = (frame_span_t){(const uint8_t *)rest.data + count, rest.bytes - count};
    taken += count;
    is_full = taken % ROW_BYTES == 0;
}

bool image_take(const link_tile_t *where, const uint8_t *bytes, uint32_t count)
{
    if (where->session != session || state != LINK_RECEIVING || is_full || where->offset > taken)
        return false;
    uint32_t known = taken - where->offset;  // of a repetition
    if (known >= count)
        return true;
    count -= known;
    // While a tapped piece is being read, other frames come into the buffer that these bytes are in.
    if (count > (model_tap_tensor >= 0 ? row_room() : IMAGE_BYTES - taken))
        return false;
    rest = (frame_span_t){bytes + known, count};
    fill_row();
    return true;
}

bool image_has_row(void)
{
    return is_full && !is_running;
}

bool image_writes_over_results(void)
{
    return taken + rest.bytes > MODEL_RESULT_ROWS * ROW_BYTES;
}

bool image_keeps(uint8_t object)
{
    return object == LINK_OBJECT_DETECTIONS;
}

static void run_row(void)
{
    is_running = true;
    push_row();
    if (taken == IMAGE_BYTES && !is_given_up)
        finish();
    is_running = false;
    is_full = false;
}

bool image_run_rows(void)
{
    while (is_full) {
        run_row();
        fill_row();
    }
    if (has_next)
        start(&next);
    return model_tap_tensor >= 0 || state == LINK_DONE;
}

bool image_show(uint16_t tensor, const uint8_t *data, uint32_t bytes)
{
    if (model_tap_tensor == LINK_TAP_DIGESTS) {
        digests[tensor] = crc32_update(digests[tensor], data, bytes);
        return false;
    }
    if (is_given_up)
        return false;
    tap.data = (frame_span_t){data, bytes};
    tap.waits = true;
    state = LINK_TAP_WAITS;
    return true;
}

bool image_shows(void)
{
    return tap.waits;
}

void image_shown(void)
{
    tap.piece++;
}

void image_release(const link_release_t *release)
{
    if (!tap.waits || release->session != session || release->piece != tap.piece)
        return;  // doubled
    tap.waits = false;
    state = LINK_RECEIVING;
}

void image_status(link_status_t *status)
{
    *status = (link_status_t){
        .session = session,
        .state = (uint8_t)(state | (port_kept_fault(&fault) ? LINK_FAULT_KEPT : 0)),
        .taken = taken + (uint32_t)rest.bytes,
        .limit = model_tap_tensor >= 0 ? taken + row_room() : IMAGE_BYTES,
        .piece = tap.piece,
    };
}

static frame_span_t describe_board(void)
{
    info.chip_id = port_chip_id();
    port_unique_id(info.unique_id);
    return (frame_span_t){&info, sizeof info};
}

// The marks are looked up when they are asked for: they then include what the link itself takes.
static frame_span_t count_result(const image_link_counts_t *link)
{
    result.stack_used = port_stack_used();
    result.heap_used = port_heap_used();
    result.arena_used = model_arena_used();
    result.frames = link->frames;
    result.damaged = link->damaged;
    result.repeated = link->repeated;
    result.overruns = port_overruns();
    return (frame_span_t){&result, sizeof result};
}

bool image_object(uint8_t object, uint16_t index, const image_link_counts_t *link, frame_span_t *span)
{
    bool is_done = state == LINK_DONE;
    switch (object) {
    case LINK_OBJECT_INFO:
        *span = describe_board();
        return true;
    case LINK_OBJECT_RESULT:
        *span = count_result(link);
        return is_done;
    case LINK_OBJECT_DETECTIONS:
        *span = (frame_span_t){detections, result.detections * sizeof *detections};
        return is_done;
    case LINK_OBJECT_LAYER_CYCLES:
        *span = (frame_span_t){model_layer_cycles, sizeof model_layer_cycles};
        return is_done;
    case LINK_OBJECT_TAP_PIECE:
        *span = tap.data;
        return tap.waits && tap.piece == index;
    case LINK_OBJECT_DIGESTS:
        *span = (frame_span_t){digests, sizeof digests};
        return is_done;
    case LINK_OBJECT_LOGITS:
        *span = (frame_span_t){model_logits(), MODEL_LOGITS * sizeof *model_logits()};
        return is_done;
    case LINK_OBJECT_FAULT:
        *span = (frame_span_t){&fault, sizeof fault};
        return port_kept_fault(&fault);
    default:
        return false;
    }
}
