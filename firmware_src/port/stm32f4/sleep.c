// The main loop's sleep: in WFI until the line falls idle or SysTick wakes the core.
#include "internal.h"
#include "port.h"

#define PAUSE_MS 4  // after which a line without bytes is idle

void port_sleep(void)
{
    static const uint8_t *place_before;
    static uint32_t heard_ms;
    const uint8_t *place;
    // With interrupts masked a pending one still ends WFI, so none can slip in between the look and the sleep.
    __asm volatile("cpsid i" ::: "memory");
    if (port_received(&place) == 0) {
        if (place != place_before)
            heard_ms = port_milliseconds();
        place_before = place;
        tick_for(port_milliseconds() - heard_ms < PAUSE_MS);
        __asm volatile("dsb\n wfi" ::: "memory");
    }
    __asm volatile("cpsie i\n isb" ::: "memory");
}
