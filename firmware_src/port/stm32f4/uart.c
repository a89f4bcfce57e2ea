// The link's UART. Bytes arrive in a ring (line.h).
#include "board.h"
#include "internal.h"
#include "line.h"
#include "port.h"
#include "stm32f4.h"

#define POLL_PATIENCE 1000000

uint8_t line_ring[LINE_RING];
static uint32_t tail;  // next byte to be read
static uint32_t head;  // where the line was when last looked at
static uint32_t filled;
static uint32_t overruns;

static void use_pin(gpio_t *port, uint32_t pin)
{
    port->AFR[pin / 8] |= (uint32_t)BOARD_UART_FUNCTION << pin % 8 * 4;
    port->OSPEEDR |= 2u << pin * 2;
    port->PUPDR |= 1u << pin * 2;  // pulled up: an open RX reads idle, not noise
    port->MODER |= 2u << pin * 2;
}

void interrupt_enable(uint32_t irq, bool on)
{
    (on ? NVIC_ISER : NVIC_ICER)[irq / 32] = BIT(irq % 32);
}

void port_start(void)
{
    RCC->AHB1ENR |= BOARD_RCC_UART_PORTS;
    BOARD_RCC_UART_ENABLE();
    use_pin(BOARD_TX_PORT, BOARD_TX_PIN);
    use_pin(BOARD_RX_PORT, BOARD_RX_PIN);
    BOARD_UART->BRR = (BOARD_UART_BUS_HZ + BOARD_BAUD / 2) / BOARD_BAUD;
    line_start();
    uart_quiet(false);
}

void uart_quiet(bool is_quiet)
{
#ifdef BOARD_DMA
    interrupt_enable(BOARD_UART_IRQ, !is_quiet);
#else
    interrupt_enable(BOARD_UART_IRQ, true);
#endif
    line_quiet(is_quiet);
}

static void look(void)
{
    uint32_t arrived = line_arrived();
    head = (head + arrived) % LINE_RING;
    filled += arrived;
    if (filled > LINE_RING) {  // what was not read yet is gone; frames that lost bytes fail their CRC
        overruns++;
        tail = head;
        filled = 0;
    }
}

size_t port_received(const uint8_t **bytes)
{
    look();
    *bytes = line_ring + tail;
    return filled < LINE_RING - tail ? filled : LINE_RING - tail;
}

void port_consume(size_t bytes)
{
    tail = (tail + bytes) % LINE_RING;
    filled -= bytes;
}

uint32_t port_overruns(void)
{
    return overruns;
}

uint32_t port_receive_bytes(void)
{
    return LINE_RING;
}

void port_send(const uint8_t *bytes, size_t count)
{
    line_send(bytes, count);
}

bool port_is_sending(void)
{
    const bool is_sending = line_is_sending();
    if (is_sending)
        line_wake_when_sent();
    return is_sending;
}

void port_send_wait(void)
{
    while (port_is_sending()) {
        __asm volatile("cpsid i" ::: "memory");
        if (line_is_sending())
            __asm volatile("dsb\n wfi" ::: "memory");
        __asm volatile("cpsie i\n isb" ::: "memory");
    }
}

static void wait_for(reg_t *reg, uint32_t mask, uint32_t value)
{
    for (uint32_t i = 0; i < POLL_PATIENCE && (*reg & mask) != value; i++)
        ;
}

void uart_send_polled(const uint8_t *bytes, uint32_t count)
{
    if (!(BOARD_UART->CR1 & USART_CR1_UE))
        return;  // the fault came before the UART was up
    line_stop_sending();
    while (count-- > 0) {
        wait_for(&BOARD_UART->SR, USART_SR_TXE, USART_SR_TXE);
        BOARD_UART->DR = *bytes++;
    }
    wait_for(&BOARD_UART->SR, USART_SR_TC, USART_SR_TC);
}
