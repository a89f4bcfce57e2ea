// Runs generated C for one image and writes what it made: run_model IMAGE OUTPUT.
// IMAGE: MODEL_HEIGHT x MODEL_WIDTH x MODEL_CHANNELS bytes. OUTPUT: for each tensor its rows, then detections or logits.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "port.h"

static uint8_t *tensors[MODEL_TENSORS];
static size_t lengths[MODEL_TENSORS];

uint32_t port_cycles(void)
{
    return 0;
}

void port_alive(void)
{
}

void model_on_tap(uint16_t tensor, const uint8_t *data, uint32_t bytes)
{
    tensors[tensor] = realloc(tensors[tensor], lengths[tensor] + bytes);
    memcpy(tensors[tensor] + lengths[tensor], data, bytes);
    lengths[tensor] += bytes;
}

int main(int argc, char **argv)
{
    static uint8_t image[MODEL_HEIGHT][MODEL_WIDTH * MODEL_CHANNELS];
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL || fread(image, sizeof image, 1, file) != 1) {
        return 1;
    }
    fclose(file);
    const detection_t *detections;
    model_tap_tensor = MODEL_TAP_ALL;
    model_begin();
    for (int y = 0; y < MODEL_HEIGHT; y++) {
        memcpy(model_row(), image[y], sizeof image[y]);
        model_push_row();
    }
    const uint32_t count = model_finish(&detections);
    file = fopen(argv[2], "wb");
    for (int i = 0; i < MODEL_TENSORS; i++) {
        fwrite(tensors[i], 1, lengths[i], file);
    }
    if (count > 0) {
        fwrite(detections, sizeof detections[0], count, file);
    }
    if (MODEL_LOGITS > 0) {  // they are to be there still
        fwrite(model_logits(), sizeof *model_logits(), MODEL_LOGITS, file);
    }
    fclose(file);
    return model_arena_used() <= MODEL_ARENA_BYTES ? 0 : 2;
}
