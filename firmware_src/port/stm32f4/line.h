// The way of the link's bytes between the UART and memory: DMA streams where board.h names them (line_dma.c), else an interrupt
// a byte (line_interrupt.c).
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_RING BOARD_RX_RING_BYTES
_Static_assert((LINE_RING & (LINE_RING - 1)) == 0, "the ring's positions wrap by a mask");

extern uint8_t line_ring[LINE_RING];  // .bss: the DMA cannot reach the CCM

// Starts reception into the ring, which begins at its first byte, and sets the UART's CR3 and CR1.
void line_start(void);

// Bytes that came since the last call; more than the ring holds where it has gone round.
uint32_t line_arrived(void);

// Switches the line's own interrupts on or off.
void line_quiet(bool is_quiet);

void line_send(const uint8_t *bytes, size_t count);
bool line_is_sending(void);
// Makes the end of sending wake the core.
void line_wake_when_sent(void);
// For the last words: sending by anything but the core ends.
void line_stop_sending(void);

#endif
