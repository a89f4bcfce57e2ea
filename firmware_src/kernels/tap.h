// What was made, on its way to whoever looks on.
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>

#include "model.h"
#include "port.h"

static inline bool is_tapped(uint32_t tensor)
{
    return model_tap_tensor == (int16_t)tensor || model_tap_tensor == MODEL_TAP_ALL;
}

static inline void tap(uint32_t tensor, const void *data, uint32_t bytes)
{
    if (is_tapped(tensor) && bytes != 0) {
        const uint32_t begun = port_cycles();
        model_on_tap((uint16_t)tensor, data, bytes);
        model_tap_cycles += port_cycles() - begun;
    }
}

#endif
