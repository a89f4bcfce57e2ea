// Where the link's UART and its DMA streams are (RM0090, tables 43 and 62; UM1670 for the pins). The numbers that the
// host needs as well come from board.toml, through CMake.
#ifndef BOARD_H
#define BOARD_H

#define BOARD_INTERRUPTS 91
#define BOARD_UART USART1
#define BOARD_UART_IRQ 37
#define BOARD_UART_BUS_HZ 84000000  // APB2
#define BOARD_RCC_UART_ENABLE() (RCC->APB2ENR |= RCC_APB2_USART1)
#define BOARD_TX_PIN 9  // of port A
#define BOARD_RX_PIN 10
#define BOARD_DMA DMA2
#define BOARD_RCC_DMA RCC_AHB1_DMA2
#define BOARD_DMA_CHANNEL 4
#define BOARD_RX_STREAM 2
#define BOARD_TX_STREAM 7
#define BOARD_TX_DMA_IRQ 70

#endif
