// How deep the stack has been.
#include "internal.h"
#include "port.h"

uint32_t port_stack_used(void)
{
    const uint32_t *word = _stack_limit;
    while (word < _stack_top && *word == STACK_PAINT)
        word++;
    return (uint32_t)((const uint8_t *)_stack_top - (const uint8_t *)word);
}
