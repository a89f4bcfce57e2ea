// Quiet while the network runs: no interrupt of the link, hardly any of the clock.
#include "internal.h"
#include "port.h"

void port_quiet(bool is_quiet)
{
    uart_quiet(is_quiet);
    tick_rarely(is_quiet);
}
