// A tapped layer's output, piece by piece: the network stands still until the host has read each.
#include "image.h"
#include "link.h"
#include "model.h"
#include "port.h"

#define PATIENCE_MS 10000  // a host that takes longer to read a piece has gone

void model_on_tap(uint16_t tensor, const uint8_t *data, uint32_t bytes)
{
    if (!image_show(tensor, data, bytes))
        return;
    uint32_t since = port_milliseconds();
    port_quiet(false);
    link_send_status();
    while (image_shows()) {
        port_sleep();
        port_alive();
        link_serve();
        if (port_milliseconds() - since > PATIENCE_MS)
            image_give_up();
    }
    port_quiet(true);
    image_shown();
}
