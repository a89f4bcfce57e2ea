// Boxes from head outputs: candidates are collected as the heads' rows come, the best are kept, decoded and suppressed.
//
// All floats are IEEE single precision, one operation after another (the build forbids contraction) with an exponential
// of our own, so that every target gives the same bits as hil/compiler/decode.py.
#ifndef DETECT_H
#define DETECT_H

#include <stdint.h>

#include "model.h"

// A map of anchors, one for each class of each cell: where in its pixels the offsets and scores lie, and the priors' geometry in image pixels.
typedef struct {
    uint16_t first_anchor;
    uint16_t height;
    uint16_t width;
    uint8_t loc_channels;  // values a pixel
    uint8_t loc_channel;   // of the first offset
    uint8_t conf_channels;
    uint8_t conf_channel;  // of the first background score
    uint8_t background;    // scores of the background, of which the largest counts; the classes' follow
    float step;
    float size;
} source_t;

enum { ANCHOR_BITS = 15 };

// A candidate until it is decoded; then place n has what detection n needs besides its box.
typedef struct {
    union {
        uint32_t key;    // 17 bits of class minus background, then the anchor counted from the last: more is better
        uint32_t cells;  // of the input that the boxes in detection n reach (cells_of)
    };
    union {
        int8_t loc[4];  // dx dy dw dh, 4 fractional bits
        float weight;   // of all boxes that are in detection n
    };
} candidate_t;

typedef struct {
    const source_t *sources;
    int32_t threshold;  // on difference
    float nms_iou;
    float centre_variance;
    float size_variance;
    candidate_t *candidates;  // [MODEL_CANDIDATES]
    detection_t *detections;  // [MODEL_MAX_DETECTIONS]
} detector_t;

void detect_begin(void);

// Takes one row of a source's head outputs.
void detect_collect_row(const detector_t *detector, const source_t *source, uint32_t row, const int16_t *loc,
                        const int16_t *conf);

// Decodes and suppresses, best first; returns the number of detections. To be called once an image.
uint32_t detect_finish(const detector_t *detector);

#endif
