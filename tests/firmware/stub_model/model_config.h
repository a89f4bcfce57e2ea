// A network small enough to read: for tests of the link and of the firmware around it.
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#define MODEL_NAME "stub"
#define MODEL_HASH "00000000cafe0001"
#define BUILD_ID "00000000beef0001"
#define MODEL_WIDTH 40
#define MODEL_HEIGHT 30
#define MODEL_CHANNELS 3
#define MODEL_RESULT_ROWS 8
#define MODEL_LAYERS 3
#define MODEL_TENSORS 3
#define MODEL_TOP_K 16
#define MODEL_MAX_DETECTIONS 8
#define MODEL_BOX_CLASSES 1
#define MODEL_LOGITS 0
#define MODEL_ARENA_BYTES 240

#endif
