// A machine whose line is the fuzzer's input: bytes lie ready, answers go nowhere, time stands still but for a tick a sleep.
#include "port.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static const uint8_t *input;
static size_t left;
static uint32_t ticks;

void fuzz_input(const uint8_t *bytes, size_t count)
{
    input = bytes;
    left = count;
}

bool fuzz_is_at_end(void)
{
    return left == 0;
}

size_t port_received(const uint8_t **bytes)
{
    *bytes = input;
    return left;
}

void port_consume(size_t bytes)
{
    if (bytes > left)
        abort();
    input += bytes;
    left -= bytes;
}

void port_sleep(void)
{
    ticks += 500;
}

uint32_t port_milliseconds(void)
{
    return ticks;
}

// Every byte that is sent is read, as the DMA would: what was not written there is found.
void port_send(const uint8_t *bytes, size_t count)
{
    static volatile uint8_t sum;
    if (count == 0 || bytes[0] != 0 || bytes[count - 1] != 0)
        abort();
    for (size_t i = 0; i < count; i++)
        sum = (uint8_t)(sum + bytes[i]);
}

uint32_t port_cycles(void)
{
    return ++ticks;
}

uint32_t port_count_cycles(void)
{
    return LINK_COUNTER_RUNS;
}

void port_start(void)
{
}

uint32_t port_overruns(void)
{
    return 0;
}

uint32_t port_receive_bytes(void)
{
    return 2048;
}

void port_send_wait(void)
{
}

bool port_is_sending(void)
{
    return false;
}

void port_quiet(bool is_quiet)
{
    (void)is_quiet;
}

void port_alive(void)
{
}

uint32_t port_stack_used(void)
{
    return LINK_UNKNOWN;
}

uint32_t port_heap_used(void)
{
    return LINK_UNKNOWN;
}

uint32_t port_chip_id(void)
{
    return 0;
}

void port_unique_id(uint8_t id[12])
{
    memset(id, 0, 12);
}

uint8_t port_reset_cause(void)
{
    return 0;
}

uint16_t port_boots(void)
{
    return 1;
}

bool port_kept_fault(link_fault_t *fault)
{
    memset(fault, 0, sizeof *fault);
    return fuzz_has_fault();
}

void port_forget_fault(void)
{
}

_Noreturn void port_reset(void)
{
    abort();  // the fuzzer leaves RESET out
}

void provoke(uint8_t kind)
{
    (void)kind;
}
