// What the firmware needs from the machine it runs on: port/stm32f4 or port/native.
#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "messages.h"

// Where the plan's buffers live. Memory named by HIL_CCM, HIL_SRAM or HIL_SDRAM (not on every board) is zero at start-up;
// HIL_CCM_DATA is copied there from flash. The DMA cannot reach the CCM, and no code runs from it.
#if defined(HIL_NATIVE)
#define HIL_CCM
#define HIL_CCM_DATA
#define HIL_SRAM
#define HIL_SRAM_DATA
#define HIL_SDRAM
#else
#define HIL_CCM __attribute__((section(".ccm")))
#define HIL_CCM_DATA __attribute__((section(".ccm_data")))
#define HIL_SRAM __attribute__((section(".bss.sram")))
#define HIL_SRAM_DATA __attribute__((section(".data.sram")))
#define HIL_SDRAM __attribute__((section(".sdram")))
#endif

// Cycles of the core since it started, modulo 2^32; on the host only a clock.
uint32_t port_cycles(void);
// Switches the counter on, which a debugger may have switched off, and looks whether it moves: LINK_COUNTER_*.
uint32_t port_count_cycles(void);
uint32_t port_milliseconds(void);

// Brings up the UART and the clock that port_milliseconds and the watchdog run on.
void port_start(void);

// Bytes that have arrived and lie in one piece (*bytes says where), until port_consume gives their room back.
size_t port_received(const uint8_t **bytes);
void port_consume(size_t bytes);
// How often the ring was overrun, which means that the host sent more than it had credit for.
uint32_t port_overruns(void);
uint32_t port_receive_bytes(void);

// Starts to send; the bytes must stay until port_send_wait returns.
void port_send(const uint8_t *bytes, size_t count);
void port_send_wait(void);
// Whether they are still being sent; the end then wakes the core.
bool port_is_sending(void);

// Sleeps until something may have arrived, or for a tick.
void port_sleep(void);

// Around each row: while the network runs, interrupts wait, for cycles must not depend on when a byte arrives.
void port_quiet(bool is_quiet);

// Tells the watchdog that the main loop is alive; after this long without it the board reports where it hangs.
#if defined(HIL_NATIVE)
#define PORT_WATCHDOG_MS 1000  // of CPU time, which on a busy computer may be several seconds
#else
#define PORT_WATCHDOG_MS 2000
#endif
void port_alive(void);

// High-water marks in bytes since start-up; LINK_UNKNOWN where the port cannot tell.
uint32_t port_stack_used(void);
uint32_t port_heap_used(void);

uint32_t port_chip_id(void);
void port_unique_id(uint8_t id[12]);
uint8_t port_reset_cause(void);
uint16_t port_boots(void);

// The fault that the previous run ended with. Returns false where there is none.
bool port_kept_fault(link_fault_t *fault);
void port_forget_fault(void);

_Noreturn void port_reset(void);

#endif
