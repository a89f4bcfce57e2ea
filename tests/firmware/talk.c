// Ways to use the serial port other than echo.c's; the first byte received says which.
#include "chip.h"

static uint8_t pattern[1000];
volatile uint32_t received_by_interrupt, sent_marks, overruns, spoils;
static volatile uint8_t kept[64];

void usart2_handler(void) {  // one interrupt a byte
    uint32_t status = USART2_SR;
    uint8_t byte = (uint8_t)USART2_DR;
    overruns += status >> 3 & 1u;
    if (status & 1u << 5) {
        kept[received_by_interrupt++ % sizeof kept] = byte;
    }
}

void dma1_stream6_handler(void) {
    for (uint32_t n = 0; spoils && n < sizeof pattern; n++) {
        pattern[n] = 0xEE;  // before anything of the DMA is looked at
    }
    DMA1_HIFCR = 0x3Du << 16;
    sent_marks++;
}

static void send_by_dma(uint32_t bytes) {
    USART2_CR3 = 1u << 7;
    DMA1_S6PAR = 0x40004404u;
    DMA1_S6M0AR = (uint32_t)pattern;
    DMA1_S6NDTR = bytes;
    DMA1_S6CR = 4u << 25 | 1u << 10 | 1u << 6 | 1u << 4 | 1u;
    NVIC_ISER(0) = 1u << 17;
    while (!sent_marks) {
        __asm volatile("wfi");
    }
}

static void receive_by_interrupt(void) {
    NVIC_ISER(1) = 1u << (38 - 32);
    USART2_CR1 |= 1u << 5;
    while (received_by_interrupt < 10) {
        __asm volatile("wfi");
    }
    send((const void *)kept, 10);
}

static void sleep_through_bytes(void) {  // nobody takes what arrives
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1u;
    while (DWT_CYCCNT < 1680000u) {
    }
    uint8_t late[2] = {(uint8_t)(USART2_SR >> 3 & 1u), (uint8_t)USART2_DR};
    send(late, 2);
}

void main_program(void) {
    run_at_168_mhz();
    for (uint32_t n = 0; n < sizeof pattern; n++) {
        pattern[n] = (uint8_t)(n * 7u);
    }
#ifdef OTHER_PORT
    REGISTER(0x40023844u) |= 1u << 4;  // USART1, as on another board
    REGISTER(0x4001100Cu) = 1u << 13 | 1u << 3 | 1u << 2;
    for (;;) {
        __asm volatile("wfi");
    }
#endif
    open_usart();
    send("?", 1);
#ifdef WRONG_BAUD
    while (!(USART2_SR & 1u << 6)) {
    }
    USART2_BRR = 364;  // 115200
#endif
    while (!(USART2_SR & 1u << 5)) {
    }
    switch (USART2_DR) {
    case 's':
        spoils = 1;
        send_by_dma(sizeof pattern);
        break;
    case 'd':
        send_by_dma(sizeof pattern);
        break;
    case 'i':
        receive_by_interrupt();
        break;
    case 'o':
        sleep_through_bytes();
        break;
    default:
        send(pattern, 100);
    }
    for (;;) {
        __asm volatile("wfi");
    }
}
