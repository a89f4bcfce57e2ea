#include "image.h"
#include "link.h"
#include "port.h"

int main(void)
{
    port_start();
    for (;;) {
        link_serve();
        port_alive();
        if (image_has_tile())
            image_run_tiles();
        else
            port_sleep();
    }
}
