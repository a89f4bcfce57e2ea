// The heap, which nothing here uses: the network's buffers are planned. Whoever calls malloc after all is accounted for.
#include <errno.h>
#include <stddef.h>

#include "port.h"

extern uint8_t _heap_start[], _heap_end[];

static uint8_t *heap_break = _heap_start;
static uint32_t heap_most;

// newlib's malloc asks for memory here.
void *_sbrk(ptrdiff_t increment)
{
    uint8_t *previous = heap_break;
    if (increment > _heap_end - heap_break || increment < _heap_start - heap_break) {
        errno = ENOMEM;
        return (void *)-1;
    }
    heap_break += increment;
    if ((uint32_t)(heap_break - _heap_start) > heap_most)
        heap_most = (uint32_t)(heap_break - _heap_start);
    return previous;
}

uint32_t port_heap_used(void)
{
    return heap_most;
}
