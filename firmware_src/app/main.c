#include "image.h"
#include "link.h"
#include "port.h"

int main(void)
{
    port_start();
    link_send_status();  // who waits for this board knows that it is there, or that it has been reset
    for (;;) {
        link_serve();
        port_alive();
        if (!image_has_row()) {
            port_sleep();
            continue;
        }
        if (image_writes_over_results())
            link_finish_reading();
        if (image_run_rows())
            link_send_status();
    }
}
