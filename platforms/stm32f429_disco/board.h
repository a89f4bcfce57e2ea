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

// The SDRAM, an ISSI IS42S16400J-7: 4 banks of 4096 rows of 256 columns of 16 bits, on SDNE1 and SDCKE1 (UM1670, 6.11,
// table 6). Times are cycles of its clock, half the core's: 11.9 ns at 168 MHz. The data sheet's least: tMRD 2 cycles,
// tXSR 70 ns, tRAS 42 ns, tRC 63 ns, tDPL 14 ns, tRP 20 ns, tRCD 20 ns; all 4096 rows within 64 ms.
#define BOARD_SDRAM_BANK 2
#define BOARD_SDRAM_BYTES_LOG2 23
#define BOARD_SDRAM_COLUMN_BITS 8
#define BOARD_SDRAM_ROW_BITS 12
#define BOARD_SDRAM_CAS 3
#define BOARD_SDRAM_LOAD_TO_ACTIVE 2
#define BOARD_SDRAM_EXIT_SELF_REFRESH 7
#define BOARD_SDRAM_SELF_REFRESH 4
#define BOARD_SDRAM_ROW_CYCLE 6
#define BOARD_SDRAM_WRITE_RECOVERY 2
#define BOARD_SDRAM_ROW_PRECHARGE 2
#define BOARD_SDRAM_ROW_TO_COLUMN 2
#define BOARD_SDRAM_REFRESH_MS 64
#define BOARD_SDRAM_PINS  /* all of them are the FMC's as alternate function 12 */ \
    {GPIOB, 0x0060}, {GPIOC, 0x0001}, {GPIOD, 0xc703}, {GPIOE, 0xff83}, {GPIOF, 0xf83f}, {GPIOG, 0x8133}
#define BOARD_SDRAM_PORTS 0x7e  // B to G, in RCC_AHB1ENR

#endif
