// Three layers: the image inverted; running sums of rows in pairs, as uint16; the last row once, at the end of the image.
// Boxes: one for each sixth of the rows, made of a checksum of them, so that no byte of the image can change unnoticed.
#include "model.h"

#include <string.h>

#include "port.h"

enum { ROW_BYTES = MODEL_WIDTH * MODEL_CHANNELS, BANDS = 6, BAND_ROWS = MODEL_HEIGHT / BANDS };

uint64_t model_layer_cycles[MODEL_LAYERS];
uint64_t model_decode_cycles;
uint64_t model_schedule_cycles;
const char *const model_layer_names[MODEL_LAYERS] = {"invert", "sums", "last"};
int16_t model_tap_tensor = -1;
uint32_t model_tap_cycles;

static uint8_t row[ROW_BYTES];
static uint8_t inverted[ROW_BYTES];
HIL_CCM static uint16_t sums[ROW_BYTES];
static uint32_t rows;
static uint32_t steps;  // their cycles, or'ed
static uint32_t checksums[BANDS];
static detection_t boxes[MODEL_MAX_DETECTIONS];

void model_begin(void)
{
    rows = steps = 0;
    memset(sums, 0, sizeof sums);
    memset(checksums, 0, sizeof checksums);
    memset(model_layer_cycles, 0, sizeof model_layer_cycles);
}

// In two pieces, as a layer does that does not make whole rows.
static void offer(uint16_t layer, const void *data, uint32_t bytes)
{
    if (model_tap_tensor != layer && model_tap_tensor != MODEL_TAP_ALL)
        return;
    uint32_t begun = port_cycles();
    model_on_tap(layer, data, bytes / 3);
    model_on_tap(layer, (const uint8_t *)data + bytes / 3, bytes - bytes / 3);
    model_tap_cycles += port_cycles() - begun;
}

static void count(uint16_t layer, uint32_t elapsed)
{
    model_layer_cycles[layer] += elapsed;
    steps |= elapsed;
}

bool model_ran_back(void)
{
    return steps >> 31 != 0;
}

static void invert(void)
{
    uint32_t begun = port_cycles();
    for (uint32_t i = 0; i < ROW_BYTES; i++)
        inverted[i] = (uint8_t)~row[i];
    count(0, port_cycles() - begun);
}

static void add(void)
{
    uint32_t begun = port_cycles();
    for (uint32_t i = 0; i < ROW_BYTES; i++)
        sums[i] = (uint16_t)(sums[i] + row[i]);
    for (uint32_t i = 0; i < ROW_BYTES; i++)
        checksums[rows / BAND_ROWS] = checksums[rows / BAND_ROWS] * 31 + row[i];
    count(1, port_cycles() - begun);
}

uint8_t *model_row(void)
{
    return row;
}

void model_push_row(void)
{
    invert();
    offer(0, inverted, sizeof inverted);
    add();
    if (rows % 2 == 1)
        offer(1, sums, sizeof sums);
    rows++;
    if (rows == MODEL_HEIGHT)
        offer(2, inverted, sizeof inverted);
}

uint32_t model_finish(const detection_t **detections)
{
    uint32_t begun = port_cycles();
    for (uint32_t band = 0; band < BANDS; band++) {
        uint32_t sum = checksums[band];
        boxes[band] = (detection_t){(float)(sum & 0xff), (float)(sum >> 8 & 0xff), (float)(sum >> 16 & 0xff),
                                    (float)(sum >> 24), (float)band / BANDS};
    }
    *detections = boxes;
    model_decode_cycles = port_cycles() - begun;
    return BANDS;
}

const int16_t *model_logits(void)
{
    return 0;
}

uint32_t model_arena_used(void)
{
    return rows > 0 ? sizeof sums : 0;
}
