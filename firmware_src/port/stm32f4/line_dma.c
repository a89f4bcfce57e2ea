// The link's bytes by DMA: nothing is done a byte.
#include "board.h"

#ifdef BOARD_DMA

#include "internal.h"
#include "line.h"
#include "stm32f4.h"

#define RX (&BOARD_DMA->stream[BOARD_RX_STREAM])
#define TX (&BOARD_DMA->stream[BOARD_TX_STREAM])
#define STOP_PATIENCE 1000000

static uint32_t head;  // where the DMA was when last looked at

static void clear_flags(uint32_t stream)
{
    BOARD_DMA->IFCR[stream / 4] = DMA_ALL_FLAGS << DMA_FLAGS_SHIFT(stream);
}

void line_start(void)
{
    RCC->AHB1ENR |= BOARD_RCC_DMA;
    clear_flags(BOARD_RX_STREAM);
    RX->PAR = (uint32_t)&BOARD_UART->DR;
    RX->M0AR = (uint32_t)line_ring;
    RX->NDTR = LINE_RING;
    RX->CR = DMA_CR_CHANNEL(BOARD_DMA_CHANNEL) | DMA_CR_PRIORITY_HIGH | DMA_CR_MINC | DMA_CR_CIRCULAR | DMA_CR_EN;
    TX->PAR = (uint32_t)&BOARD_UART->DR;
    BOARD_UART->CR3 = USART_CR3_DMAR | USART_CR3_DMAT;
    BOARD_UART->CR1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_IDLEIE;
}

void line_quiet(bool is_quiet)
{
    interrupt_enable(BOARD_TX_DMA_IRQ, !is_quiet);
}

// Only wakes the core. Reading SR and then DR is what clears IDLE (RM0090, 30.6.1).
void uart_handler(void)
{
    (void)BOARD_UART->SR;
    (void)BOARD_UART->DR;
}

void send_dma_handler(void)
{
    clear_flags(BOARD_TX_STREAM);
}

// How far the DMA has come, and whether it has passed the ring's end since. If it has, the position is read again: it may
// have done so between the two reads, and the flag must belong to the position.
static uint32_t position(bool *has_wrapped)
{
    uint32_t left = RX->NDTR;
    *has_wrapped = BOARD_DMA->ISR[BOARD_RX_STREAM / 4] >> DMA_FLAGS_SHIFT(BOARD_RX_STREAM) & DMA_TCIF;
    if (*has_wrapped)
        left = RX->NDTR;
    return (LINE_RING - left) % LINE_RING;
}

uint32_t line_arrived(void)
{
    bool has_wrapped;
    uint32_t now = position(&has_wrapped);
    uint32_t arrived = (now - head) % LINE_RING;
    if (has_wrapped) {
        clear_flags(BOARD_RX_STREAM);
        if (now >= head)
            arrived += LINE_RING;
    }
    head = now;
    return arrived;
}

void line_send(const uint8_t *bytes, size_t count)
{
    clear_flags(BOARD_TX_STREAM);
    TX->M0AR = (uint32_t)bytes;
    TX->NDTR = count;
    TX->CR = DMA_CR_CHANNEL(BOARD_DMA_CHANNEL) | DMA_CR_MINC | DMA_CR_TO_PERIPHERAL | DMA_CR_EN;
}

bool line_is_sending(void)
{
    return TX->CR & DMA_CR_EN;
}

// Most frames are out long before the next, and need no interrupt.
void line_wake_when_sent(void)
{
    TX->CR |= DMA_CR_TCIE;
}

void line_stop_sending(void)
{
    BOARD_UART->CR3 &= ~USART_CR3_DMAT;
    TX->CR = 0;
    for (uint32_t i = 0; i < STOP_PATIENCE && (TX->CR & DMA_CR_EN); i++)
        ;
}

#endif
