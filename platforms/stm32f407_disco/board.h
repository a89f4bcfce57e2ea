// Where the link's UART and its DMA streams are (RM0090, tables 42 and 61; UM1472 for the pins). The numbers that the
// host needs as well come from board.toml, through CMake.
#ifndef BOARD_H
#define BOARD_H

#define BOARD_INTERRUPTS 82
#define BOARD_UART USART2
#define BOARD_UART_IRQ 38
#define BOARD_UART_BUS_HZ 42000000  // APB1
#define BOARD_RCC_UART_ENABLE() (RCC->APB1ENR |= RCC_APB1_USART2)
#define BOARD_TX_PIN 2  // of port A
#define BOARD_RX_PIN 3
#define BOARD_DMA DMA1
#define BOARD_RCC_DMA RCC_AHB1_DMA1
#define BOARD_DMA_CHANNEL 4
#define BOARD_RX_STREAM 5
#define BOARD_TX_STREAM 6
#define BOARD_TX_DMA_IRQ 17

#endif
