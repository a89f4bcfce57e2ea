// The network as the application sees it: rows of an image go in, boxes come out.
// Implemented by the generated model.c on top of kernels/.
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "model_config.h"

// A box in pixels of the image as sent, its score in 0..1, and of which class it is where there are several.
typedef struct {
    float x0, y0, x1, y1, score;
#if MODEL_BOX_CLASSES > 1
    float label;  // 0 to MODEL_BOX_CLASSES - 1: six numbers of one kind
#endif
} detection_t;

// Forgets the previous image.
void model_begin(void);

// Where the next row of the image goes, MODEL_WIDTH x MODEL_CHANNELS bytes (HWC). It can be written, a part at a time, from
// model_begin or the end of the row before on.
uint8_t *model_row(void);

// Takes the row that lies there and runs every layer as far as it goes.
void model_push_row(void);

// Decodes the boxes once MODEL_HEIGHT rows are in. Returns how many; they stay valid for the first MODEL_RESULT_ROWS rows of
// the next image.
uint32_t model_finish(const detection_t **detections);

// What a classifier says once MODEL_HEIGHT rows are in: MODEL_LOGITS numbers with 8 fractional bits. A detector has none.
const int16_t *model_logits(void);

// Cycles of this image: layer by layer (each without the others), of decoding, and of what lies between them.
extern uint64_t model_layer_cycles[MODEL_LAYERS];
extern uint64_t model_decode_cycles;
extern uint64_t model_schedule_cycles;

// Whether the cycle counter went backwards: a step of this image took more than half of what it can hold, which none does.
bool model_ran_back(void);

extern const char *const model_layer_names[MODEL_LAYERS];

// Bytes of the planned arena that were really written since start-up.
uint32_t model_arena_used(void);

// The tensor that is handed to model_on_tap, or one of these. Set before the first row. The first MODEL_LAYERS of
// MODEL_TENSORS are the layers' outputs; then come the image, states inside layers, and what the decoder reads (plan.json).
enum { MODEL_TAP_NONE = -1, MODEL_TAP_ALL = -2 };
extern int16_t model_tap_tensor;

// Called with the tapped tensor, a row or a piece of one at a time, in order. The application implements it.
void model_on_tap(uint16_t tensor, const uint8_t *data, uint32_t bytes);

// Cycles spent for taps, of any image: they count for no layer.
extern uint32_t model_tap_cycles;

#endif
