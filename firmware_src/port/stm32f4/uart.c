// The link's UART. Reception: the DMA fills a ring, nothing is done a byte. The core sleeps in WFI and is woken when the
// line falls idle, or by SysTick. Transmission: one DMA transfer a frame.
#include "board.h"
#include "internal.h"
#include "port.h"
#include "stm32f4.h"

#define RING BOARD_RX_RING_BYTES
_Static_assert((RING & (RING - 1)) == 0, "the ring's positions wrap by a mask");

#define RX (&BOARD_DMA->stream[BOARD_RX_STREAM])
#define TX (&BOARD_DMA->stream[BOARD_TX_STREAM])
#define ALTERNATE_FUNCTION 7u  // USART1 to 3
#define POLL_PATIENCE 1000000

static uint8_t ring[RING];  // .bss: the DMA cannot reach the CCM
static uint32_t tail;       // next byte to be read
static uint32_t head;       // where the DMA was when last looked at
static uint32_t filled;
static uint32_t overruns;

static void use_pin(uint32_t pin)
{
    GPIOA->AFR[pin / 8] |= ALTERNATE_FUNCTION << pin % 8 * 4;
    GPIOA->OSPEEDR |= 2u << pin * 2;
    GPIOA->PUPDR |= 1u << pin * 2;  // pulled up: an open RX reads idle, not noise
    GPIOA->MODER |= 2u << pin * 2;
}

static void clear_flags(uint32_t stream)
{
    BOARD_DMA->IFCR[stream / 4] = DMA_ALL_FLAGS << DMA_FLAGS_SHIFT(stream);
}

static void enable_interrupt(uint32_t irq, bool on)
{
    (on ? NVIC_ISER : NVIC_ICER)[irq / 32] = BIT(irq % 32);
}

void port_start(void)
{
    RCC->AHB1ENR |= RCC_AHB1_GPIOA | BOARD_RCC_DMA;
    BOARD_RCC_UART_ENABLE();
    use_pin(BOARD_TX_PIN);
    use_pin(BOARD_RX_PIN);
    clear_flags(BOARD_RX_STREAM);
    RX->PAR = (uint32_t)&BOARD_UART->DR;
    RX->M0AR = (uint32_t)ring;
    RX->NDTR = RING;
    RX->CR = DMA_CR_CHANNEL(BOARD_DMA_CHANNEL) | DMA_CR_PRIORITY_HIGH | DMA_CR_MINC | DMA_CR_CIRCULAR | DMA_CR_EN;
    TX->PAR = (uint32_t)&BOARD_UART->DR;
    BOARD_UART->BRR = (BOARD_UART_BUS_HZ + BOARD_BAUD / 2) / BOARD_BAUD;
    BOARD_UART->CR3 = USART_CR3_DMAR | USART_CR3_DMAT;
    BOARD_UART->CR1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_IDLEIE;
    uart_quiet(false);
}

void uart_quiet(bool is_quiet)
{
    enable_interrupt(BOARD_UART_IRQ, !is_quiet);
    enable_interrupt(BOARD_TX_DMA_IRQ, !is_quiet);
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

// How far the DMA has come, and whether it has passed the ring's end since. The position is read again after the flag,
// so that the flag belongs to it.
static uint32_t position(bool *has_wrapped)
{
    uint32_t before, after;
    do {
        before = RX->NDTR;
        *has_wrapped = BOARD_DMA->ISR[BOARD_RX_STREAM / 4] >> DMA_FLAGS_SHIFT(BOARD_RX_STREAM) & DMA_TCIF;
        after = RX->NDTR;
    } while (after > before);
    return (RING - after) % RING;
}

static void look(void)
{
    bool has_wrapped;
    uint32_t now = position(&has_wrapped);
    uint32_t arrived = (now - head) % RING;
    if (has_wrapped) {
        clear_flags(BOARD_RX_STREAM);
        if (now >= head)
            arrived += RING;
    }
    head = now;
    filled += arrived;
    if (filled > RING) {  // what was not read yet is gone; frames that lost bytes fail their CRC
        overruns++;
        tail = head;
        filled = 0;
    }
}

size_t port_received(const uint8_t **bytes)
{
    look();
    *bytes = ring + tail;
    return filled < RING - tail ? filled : RING - tail;
}

void port_consume(size_t bytes)
{
    tail = (tail + bytes) % RING;
    filled -= bytes;
}

uint32_t port_overruns(void)
{
    return overruns;
}

uint32_t port_receive_bytes(void)
{
    return RING;
}

void port_sleep(void)
{
    // With interrupts masked a pending one still ends WFI, so none can slip in between the look and the sleep.
    __asm volatile("cpsid i" ::: "memory");
    look();
    if (filled == 0)
        __asm volatile("dsb\n wfi" ::: "memory");
    __asm volatile("cpsie i\n isb" ::: "memory");
}

void port_send(const uint8_t *bytes, size_t count)
{
    clear_flags(BOARD_TX_STREAM);
    TX->M0AR = (uint32_t)bytes;
    TX->NDTR = count;
    TX->CR = DMA_CR_CHANNEL(BOARD_DMA_CHANNEL) | DMA_CR_MINC | DMA_CR_TO_PERIPHERAL | DMA_CR_EN;
}

void port_send_wait(void)
{
    while (TX->CR & DMA_CR_EN) {
        TX->CR |= DMA_CR_TCIE;  // only now: most frames are out long before the next, and need no interrupt
        __asm volatile("cpsid i" ::: "memory");
        if (TX->CR & DMA_CR_EN)
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
    BOARD_UART->CR3 &= ~USART_CR3_DMAT;
    TX->CR = 0;
    wait_for(&TX->CR, DMA_CR_EN, 0);
    while (count-- > 0) {
        wait_for(&BOARD_UART->SR, USART_SR_TXE, USART_SR_TXE);
        BOARD_UART->DR = *bytes++;
    }
    wait_for(&BOARD_UART->SR, USART_SR_TC, USART_SR_TC);
}
