// What the self-test needs of the chip's registers, and of its own start-up.
#ifndef CHIP_H
#define CHIP_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define RCC_CR REGISTER(0x40023800u)
#define RCC_PLLCFGR REGISTER(0x40023804u)
#define RCC_CFGR REGISTER(0x40023808u)
#define RCC_AHB1ENR REGISTER(0x40023830u)
#define RCC_APB1ENR REGISTER(0x40023840u)
#define RCC_CSR REGISTER(0x40023874u)
#define FLASH_ACR REGISTER(0x40023C00u)
#define USART2_SR REGISTER(0x40004400u)
#define USART2_DR REGISTER(0x40004404u)
#define USART2_BRR REGISTER(0x40004408u)
#define USART2_CR1 REGISTER(0x4000440Cu)
#define USART2_CR3 REGISTER(0x40004414u)
#define DMA1_LISR REGISTER(0x40026000u)
#define DMA1_HISR REGISTER(0x40026004u)
#define DMA1_HIFCR REGISTER(0x4002600Cu)
#define DMA1_S5CR REGISTER(0x40026088u)
#define DMA1_S5NDTR REGISTER(0x4002608Cu)
#define DMA1_S5PAR REGISTER(0x40026090u)
#define DMA1_S5M0AR REGISTER(0x40026094u)
#define DMA1_S6CR REGISTER(0x400260A0u)
#define DMA1_S6NDTR REGISTER(0x400260A4u)
#define DMA1_S6PAR REGISTER(0x400260A8u)
#define DMA1_S6M0AR REGISTER(0x400260ACu)
#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)
#define NVIC_ISER(n) REGISTER(0xE000E100u + 4u * (n))
#define NVIC_ICER(n) REGISTER(0xE000E180u + 4u * (n))
#define NVIC_ISPR(n) REGISTER(0xE000E200u + 4u * (n))
#define NVIC_IPR8(n) (*(volatile uint8_t *)(0xE000E400u + (n)))
#define ICSR REGISTER(0xE000ED04u)
#define VTOR REGISTER(0xE000ED08u)
#define AIRCR REGISTER(0xE000ED0Cu)
#define SCR REGISTER(0xE000ED10u)
#define CCR REGISTER(0xE000ED14u)
#define SHPR8(n) (*(volatile uint8_t *)(0xE000ED18u + (n) - 4u))
#define SHCSR REGISTER(0xE000ED24u)
#define CFSR REGISTER(0xE000ED28u)
#define HFSR REGISTER(0xE000ED2Cu)
#define BFAR REGISTER(0xE000ED38u)
#define CPACR REGISTER(0xE000ED88u)
#define DEMCR REGISTER(0xE000EDFCu)
#define DWT_CTRL REGISTER(0xE0001000u)
#define DWT_CYCCNT REGISTER(0xE0001004u)
#define BARRIER() __asm volatile("dsb\n isb" ::: "memory")

typedef void (*handler_t)(void);

// Each program defines its own; the start-up's weak ones stay in place otherwise.
void main_program(void);
void nmi_handler(void);
void hard_fault_handler(void);
void mem_manage_handler(void);
void bus_fault_handler(void);
void usage_fault_handler(void);
void svc_handler(void);
void pend_sv_handler(void);
void sys_tick_handler(void);
void irq0_handler(void);
void irq1_handler(void);
void irq2_handler(void);
void dma1_stream5_handler(void);
void dma1_stream6_handler(void);
void usart2_handler(void);

void run_at_168_mhz(void);
void open_usart(void);                    // USART2 at 921600 baud, transmitter and receiver on
void send(const void *data, uint32_t bytes);  // polled

#endif
