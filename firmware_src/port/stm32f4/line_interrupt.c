// The link's bytes by interrupts, one a byte: for boards whose UART has no DMA stream to itself.
#include "board.h"

#ifndef BOARD_DMA

#include "internal.h"
#include "line.h"
#include "stm32f4.h"

static volatile uint32_t received;  // bytes since the start, modulo 2^32
static uint32_t seen;               // of them
static const uint8_t *volatile next;
static volatile uint32_t left;      // bytes that are still to be sent

void line_start(void)
{
    BOARD_UART->CR3 = 0;
    BOARD_UART->CR1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE;
}

// Receiving goes on while the network runs: nothing else would take the bytes.
void line_quiet(bool is_quiet)
{
    (void)is_quiet;
}

void uart_handler(void)
{
    const uint32_t status = BOARD_UART->SR;
    if (status & (USART_SR_RXNE | USART_SR_ORE)) {
        const uint8_t byte = (uint8_t)BOARD_UART->DR;  // reading SR and then DR clears both
        if (status & USART_SR_RXNE)
            line_ring[received++ % LINE_RING] = byte;
    }
    if (status & USART_SR_TXE && BOARD_UART->CR1 & USART_CR1_TXEIE) {
        if (left > 0) {
            BOARD_UART->DR = *next++;
            left--;
        }
        if (left == 0)
            BOARD_UART->CR1 &= ~USART_CR1_TXEIE;
    }
}

uint32_t line_arrived(void)
{
    const uint32_t now = received, arrived = now - seen;
    seen = now;
    return arrived;
}

void line_send(const uint8_t *bytes, size_t count)
{
    next = bytes;
    left = count;
    BOARD_UART->CR1 |= USART_CR1_TXEIE;
}

bool line_is_sending(void)
{
    return left > 0;
}

// Every byte wakes it.
void line_wake_when_sent(void)
{
}

void line_stop_sending(void)
{
    BOARD_UART->CR1 &= ~USART_CR1_TXEIE;
}

#endif
