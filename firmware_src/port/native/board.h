// The host in the place of a board: no clock, no line rate, no stack of its own.
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "native"
#define BOARD_CLOCK_HZ 0
#define BOARD_BAUD 0
#define BOARD_STACK_BYTES 0

#endif
