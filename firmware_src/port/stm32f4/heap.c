// The heap, which nothing here uses: the network's buffers are planned. Whoever calls malloc after all is accounted for.
#include <stddef.h>

#include "port.h"

extern uint8_t _heap_start[], _heap_end[];

static uint8_t *heap_break = _heap_start;
static uint32_t heap_most;

// Where a C library's malloc asks for memory; -1 says that there is none left.
void *_sbrk(ptrdiff_t increment)
{
    uint8_t *previous = heap_break;
    if (increment > _heap_end - heap_break || increment < _heap_start - heap_break)
        return (void *)-1;
    heap_break += increment;
    if ((uint32_t)(heap_break - _heap_start) > heap_most)
        heap_most = (uint32_t)(heap_break - _heap_start);
    return previous;
}

uint32_t port_heap_used(void)
{
    return heap_most;
}
