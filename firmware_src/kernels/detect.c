#include "detect.h"

#include <stdbool.h>
#include <string.h>

#include "dsp.h"

#if MODEL_CANDIDATES > 0

static uint32_t candidate_count;

void detect_begin(void)
{
    candidate_count = 0;
}

enum { LAST_ANCHOR = (1 << ANCHOR_BITS) - 1, DIFFERENCE_BIAS = 1 << 16 };

// By score (class minus background, 8 fractional bits), then by anchor: so the order never depends on arrival.
static uint32_t key(int32_t difference, uint32_t anchor)
{
    return (uint32_t)(difference + DIFFERENCE_BIAS) << ANCHOR_BITS | (LAST_ANCHOR - anchor);
}

static int32_t difference_of(const candidate_t *candidate)
{
    return (int32_t)(candidate->key >> ANCHOR_BITS) - DIFFERENCE_BIAS;
}

static uint32_t anchor_of(const candidate_t *candidate)
{
    return LAST_ANCHOR - (candidate->key & LAST_ANCHOR);
}

// The candidates are a heap with the worst at its root, which is the one that goes when a better one comes. A candidate has
// four below it: in a tree half as high it is moved half as often.
enum { BELOW = 4 };

// Puts a candidate above all that are better, from a place on.
static void sift_up(candidate_t *heap, uint32_t place, const candidate_t moved)
{
    while (place > 0 && heap[(place - 1) / BELOW].key > moved.key) {
        heap[place] = heap[(place - 1) / BELOW];
        place = (place - 1) / BELOW;
    }
    heap[place] = moved;
}

ALWAYS_INLINE uint32_t worst_of(const candidate_t *some, uint32_t count)
{
    uint32_t worst = 0, key = some[0].key;
#pragma GCC unroll 4
    for (uint32_t n = 1; n < count; n++) {
        worst = some[n].key < key ? n : worst;
        key = some[n].key < key ? some[n].key : key;
    }
    return worst;
}

// Puts a candidate in the root's place, or lower, below all that are worse.
static void sift_down(candidate_t *heap, uint32_t count, const candidate_t moved)
{
    uint32_t place = 0;
    for (uint32_t below = 1; below < count; below = BELOW * place + 1) {
        const candidate_t *const some = &heap[below];
        const uint32_t left = count - below, worst = left < BELOW ? worst_of(some, left) : worst_of(some, BELOW);
        if (some[worst].key > moved.key) {
            break;
        }
        heap[place] = some[worst];
        place = below + worst;
    }
    heap[place] = moved;
}

// Takes the heap apart: best first.
static void sort(candidate_t *heap, uint32_t count)
{
    while (count > 1) {
        const candidate_t last = heap[--count];
        heap[count] = heap[0];
        sift_down(heap, count, last);
    }
}

enum { LOC_SHIFT = 6 };  // from the 10 fractional bits of a head's offsets to a candidate's 4

static void insert(candidate_t *heap, uint32_t key, const int16_t *offsets)
{
    candidate_t candidate = {.key = key};
    for (int i = 0; i < 4; i++) {
        candidate.loc[i] = (int8_t)SATURATE_SHIFTED(offsets[i] + (1 << (LOC_SHIFT - 1)), LOC_SHIFT, 8);
    }
    if (candidate_count < MODEL_CANDIDATES) {
        sift_up(heap, candidate_count++, candidate);
    } else if (key > heap[0].key) {
        sift_down(heap, candidate_count, candidate);
    }
}

// The least difference that makes a candidate.
static int32_t least(const detector_t *detector)
{
    return candidate_count < MODEL_CANDIDATES ? detector->threshold + 1 : difference_of(&detector->candidates[0]);
}

void detect_collect_row(const detector_t *detector, const source_t *source, uint32_t row, const int16_t *loc,
                        const int16_t *conf)
{
    const uint32_t width = source->width, backgrounds = source->background, to_conf = source->conf_channels;
    const int16_t *scores = conf + source->conf_channel;
    int32_t limit = least(detector);
    for (uint32_t column = 0; column < width; column++, scores += to_conf) {
        for (uint32_t label = 0; label < MODEL_BOX_CLASSES; label++) {
            const int32_t score = scores[backgrounds + label];
            int32_t difference = score - scores[0];
            for (uint32_t i = 1; i < backgrounds && difference >= limit; i++) {
                difference = score - scores[i] < difference ? score - scores[i] : difference;
            }
            if (__builtin_expect(difference >= limit, false)) {
                const uint32_t anchor = source->first_anchor + (row * width + column) * MODEL_BOX_CLASSES + label;
                insert(detector->candidates, key(difference, anchor),
                       loc + column * source->loc_channels + source->loc_channel);
                limit = least(detector);
            }
        }
    }
}

// e^x within 2 units in the last place, x clamped to -87..88 (the reduction of Cephes' expf). A function of its own: one copy
// of it stays in the flash's cache.
static __attribute__((noinline)) float exponential(float x)
{
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float scaled = x * 1.44269504f + 0.5f;
    int32_t n = (int32_t)scaled;
    n -= (float)n > scaled;
    float r = x - (float)n * 0.693359375f;
    r = r - (float)n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    const float y = p * (r * r) + r + 1.0f;
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return y * power;
}

static detection_t decode(const detector_t *detector, const candidate_t *candidate)
{
    const source_t *source = detector->sources;
    while (anchor_of(candidate) - source->first_anchor >= (uint32_t)source->height * source->width * MODEL_BOX_CLASSES) {
        source++;
    }
    const uint32_t anchor = anchor_of(candidate) - source->first_anchor, cell = anchor / MODEL_BOX_CLASSES;
    float d[4];
    for (int i = 0; i < 4; i++) {
        d[i] = (float)candidate->loc[i] * 0x1p-4f;
    }
    const float column = (float)(cell % source->width), row = (float)(cell / source->width);
    const float cx = (column + 0.5f) * source->step + d[0] * detector->centre_variance * source->size;
    const float cy = (row + 0.5f) * source->step + d[1] * detector->centre_variance * source->size;
    const float half_w = source->size * exponential(d[2] * detector->size_variance) * 0.5f;
    const float half_h = source->size * exponential(d[3] * detector->size_variance) * 0.5f;
    const float score = 1.0f / (1.0f + exponential((float)-difference_of(candidate) * 0x1p-8f));
#if MODEL_BOX_CLASSES > 1
    return (detection_t){cx - half_w, cy - half_h, cx + half_w, cy + half_h, score, (float)(anchor % MODEL_BOX_CLASSES)};
#else
    return (detection_t){cx - half_w, cy - half_h, cx + half_w, cy + half_h, score};
#endif
}

static float area(const detection_t *box)
{
    return (box->x1 - box->x0) * (box->y1 - box->y0);
}

// What two boxes that meet have in common.
static float shared_area(const detection_t *a, const detection_t *b)
{
    const float width = (a->x1 < b->x1 ? a->x1 : b->x1) - (a->x0 > b->x0 ? a->x0 : b->x0);
    const float height = (a->y1 < b->y1 ? a->y1 : b->y1) - (a->y0 > b->y0 ? a->y0 : b->y0);
    return width * height;
}

// Whether two boxes of a class overlap by more than the threshold; `kept` is the one with the higher score. Most do not meet,
// which four comparisons show.
static bool is_suppressed(const detection_t *kept, const detection_t *box, float threshold)
{
#if MODEL_BOX_CLASSES > 1
    if (kept->label != box->label) {
        return false;
    }
#endif
    const bool meet = kept->x1 > box->x0 && box->x1 > kept->x0 && kept->y1 > box->y0 && box->y1 > kept->y0;
    if (__builtin_expect(!meet, true)) {
        return false;
    }
    const float shared = shared_area(kept, box);
    return shared > threshold * (area(kept) + area(box) - shared);
}

// Draws a kept box towards one that it suppresses: to the mean of them all, weighted by the square of score times overlap.
static void draw_towards(detection_t *kept, float *weight, const detection_t *box)
{
    const float shared = shared_area(kept, box), overlap = shared / (area(kept) + area(box) - shared);
    const float pull = box->score * overlap, added = pull * pull;
    *weight += added;
    const float part = added / *weight;
    kept->x0 += (box->x0 - kept->x0) * part;
    kept->y0 += (box->y0 - kept->y0) * part;
    kept->x1 += (box->x1 - kept->x1) * part;
    kept->y1 += (box->y1 - kept->y1) * part;
}

// Raises each detection's score by what it suppressed, its odds by the root of all the weight over its own score, and sorts them
// again: best first.
static void raise_scores(const detector_t *detector, uint32_t count)
{
    detection_t *const kept = detector->detections;
    for (uint32_t i = 0; i < count; i++) {
        detection_t box = kept[i];
        if (detector->candidates[i].weight == box.score * box.score) {
            continue;  // it suppressed none, and no one before it has less
        }
        const float root = __builtin_sqrtf(detector->candidates[i].weight);
        box.score = root / (root + (1.0f - box.score));
        uint32_t place = i;
        for (; place > 0 && kept[place - 1].score < box.score; place--) {
            kept[place] = kept[place - 1];
        }
        kept[place] = box;
    }
}

// Which of a number of equal parts of the input, 0 to last, a coordinate lies in; what lies beyond counts as the edge.
static uint32_t part_of(float coordinate, float part, uint32_t last)
{
    const float n = coordinate * (1.0f / part);
    return n > 0.0f ? n < (float)last ? (uint32_t)n : last : 0;
}

// The cells that a box reaches, of eight across and four down: a bit each.
static uint32_t cells_of(const detection_t *box)
{
    const float width = MODEL_WIDTH / 8.0f, height = MODEL_HEIGHT / 4.0f;
    const uint32_t columns = (2u << part_of(box->x1, width, 7)) - (1u << part_of(box->x0, width, 7));
    const uint32_t rows = 0x01010101u >> 8 * (3 - part_of(box->y1, height, 3)) & 0x01010101u << 8 * part_of(box->y0, height, 3);
    return columns * rows;
}

// The first of the detections that suppresses a box; `count` where none does. Most have no cell in common with it.
static uint32_t suppressor(const detector_t *detector, uint32_t count, const detection_t box, uint32_t cells)
{
    const detection_t *const kept = detector->detections;
    candidate_t *const taken = detector->candidates;
    const float threshold = detector->nms_iou;
    taken[count].cells = UINT32_MAX;  // the search ends there
    for (uint32_t n = 0;; n++) {
        while ((taken[n].cells & cells) == 0) {
            n++;
        }
        if (n == count || is_suppressed(&kept[n], &box, threshold)) {
            return n;
        }
    }
}

uint32_t detect_finish(const detector_t *detector)
{
    candidate_t *const candidates = detector->candidates;
    uint32_t count = 0;
    sort(candidates, candidate_count);
    for (uint32_t i = 0; i < candidate_count && count < MODEL_MAX_DETECTIONS; i++) {
        const detection_t box = decode(detector, &candidates[i]);
        const uint32_t cells = cells_of(&box), n = suppressor(detector, count, box, cells);
        if (n == count) {
            candidates[count] = (candidate_t){.cells = cells, .weight = box.score * box.score};
            detector->detections[count++] = box;
        } else if (MODEL_WEIGHTED_NMS) {
            candidates[n].cells |= cells;
            draw_towards(&detector->detections[n], &candidates[n].weight, &box);
        }
    }
    if (MODEL_WEIGHTED_NMS) {
        raise_scores(detector, count);
    }
    return count;
}

#endif
