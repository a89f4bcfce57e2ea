// The host as a board: the link on standard input and output. The ring is the pipe; reading blocks, nothing polls.
#define _GNU_SOURCE
#include "port.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// At most what a pipe holds, so that the host can send all it has credit for without waiting for this process to read.
#define RECEIVE_BYTES 65536
#define TICK_MS 1000
#define BOOTS "HIL_NATIVE_BOOTS"  // what a board keeps in memory over a reset, this process keeps in its environment

static uint8_t received[RECEIVE_BYTES];
static size_t head, tail;

static uint64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint32_t port_cycles(void)
{
    return (uint32_t)nanoseconds();
}

uint32_t port_count_cycles(void)
{
    return LINK_COUNTER_NONE;
}

uint32_t port_milliseconds(void)
{
    return (uint32_t)(nanoseconds() / 1000000u);
}

size_t port_received(const uint8_t **bytes)
{
    *bytes = received + tail;
    return head - tail;
}

void port_consume(size_t bytes)
{
    tail += bytes;
    if (tail == head)
        head = tail = 0;
}

uint32_t port_overruns(void)
{
    return 0;  // a pipe makes its writer wait
}

uint32_t port_receive_bytes(void)
{
    return RECEIVE_BYTES;
}

void port_sleep(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (head != tail || poll(&input, 1, TICK_MS) <= 0)
        return;
    ssize_t count = read(STDIN_FILENO, received, sizeof received);
    if (count == 0 || (count < 0 && errno != EINTR))
        exit(0);  // whoever drove us has gone
    if (count > 0)
        head = (size_t)count;
}

void port_send(const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = write(STDOUT_FILENO, bytes, count);
        if (sent < 0 && errno != EINTR)
            _exit(0);
        if (sent > 0) {
            bytes += sent;
            count -= (size_t)sent;
        }
    }
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

uint32_t port_stack_used(void)
{
    return LINK_UNKNOWN;  // this processor's stack says nothing about the board's
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
    const char *boots = getenv(BOOTS);
    return (uint16_t)(boots ? atoi(boots) : 1);
}

bool port_kept_fault(link_fault_t *fault)
{
    (void)fault;
    return false;
}

void port_forget_fault(void)
{
}

_Noreturn void port_reset(void)
{
    char boots[8];
    snprintf(boots, sizeof boots, "%u", (uint16_t)(port_boots() + 1));
    setenv(BOOTS, boots, 1);
    execl("/proc/self/exe", "firmware", (char *)NULL);
    _exit(1);
}
