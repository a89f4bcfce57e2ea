// The registers this firmware touches, from ST's RM0090 (STM32F405/407/415/417/427/429 reference manual, rev 19; chapter
// beside each block; the other lines have them at the same places) and Arm's ARMv7-M architecture reference manual (DDI 0403, the core's own).
#ifndef STM32F4_H
#define STM32F4_H

#include <stdint.h>

typedef volatile uint32_t reg_t;

#define BIT(n) (1u << (n))

// 7: reset and clock control
typedef struct {
    reg_t CR, PLLCFGR, CFGR, CIR, AHB1RSTR, AHB2RSTR, AHB3RSTR, reserved0, APB1RSTR, APB2RSTR, reserved1[2];
    reg_t AHB1ENR, AHB2ENR, AHB3ENR, reserved2, APB1ENR, APB2ENR, reserved3[2], AHB1LPENR, AHB2LPENR, AHB3LPENR, reserved4;
    reg_t APB1LPENR, APB2LPENR, reserved5[2], BDCR, CSR;
} rcc_t;
#define RCC ((rcc_t *)0x40023800)
#define RCC_CR_HSEON BIT(16)
#define RCC_CR_HSERDY BIT(17)
#define RCC_CR_HSEBYP BIT(18)
#define RCC_CR_PLLON BIT(24)
#define RCC_CR_PLLRDY BIT(25)
#define RCC_PLLCFGR_HSE BIT(22)
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS_MASK (3u << 2)
#define RCC_CFGR_SWS_PLL (2u << 2)
#define RCC_AHB3_FMC BIT(0)
#define RCC_APB1_PWR BIT(28)
#define RCC_CSR_RMVF BIT(24)
#define RCC_CSR_POWER (BIT(25) | BIT(27))  // BORRSTF, PORRSTF: supply came, or came back

// 5: power controller
typedef struct {
    reg_t CR, CSR;
} pwr_t;
#define PWR ((pwr_t *)0x40007000)
#define PWR_CR_VOS(scale) ((uint32_t)(scale) << 14)  // F407: bit 14 alone, bit 15 is not there
#define PWR_CR_VOS_MASK PWR_CR_VOS(3)
#define PWR_CR_ODEN BIT(16)    // over-drive: F42x, F446, F469
#define PWR_CR_ODSWEN BIT(17)
#define PWR_CSR_VOSRDY BIT(14)
#define PWR_CSR_ODRDY BIT(16)
#define PWR_CSR_ODSWRDY BIT(17)

// 3: embedded flash interface
typedef struct {
    reg_t ACR, KEYR, OPTKEYR, SR, CR, OPTCR;
} flash_t;
#define FLASH ((flash_t *)0x40023c00)
#define FLASH_ACR_PREFETCH BIT(8)
#define FLASH_ACR_ICACHE BIT(9)
#define FLASH_ACR_DCACHE BIT(10)

// 8: general-purpose I/O
typedef struct {
    reg_t MODER, OTYPER, OSPEEDR, PUPDR, IDR, ODR, BSRR, LCKR, AFR[2];
} gpio_t;
#define GPIO(port) ((gpio_t *)(0x40020000 + 0x400 * (port)))  // 0 is port A

// 30: universal synchronous asynchronous receiver transmitter
typedef struct {
    reg_t SR, DR, BRR, CR1, CR2, CR3, GTPR;
} usart_t;
#define USART_SR_ORE BIT(3)
#define USART_SR_IDLE BIT(4)
#define USART_SR_RXNE BIT(5)
#define USART_SR_TC BIT(6)
#define USART_SR_TXE BIT(7)
#define USART_CR1_RE BIT(2)
#define USART_CR1_TE BIT(3)
#define USART_CR1_IDLEIE BIT(4)
#define USART_CR1_RXNEIE BIT(5)
#define USART_CR1_TXEIE BIT(7)
#define USART_CR1_UE BIT(13)
#define USART_CR3_DMAR BIT(6)
#define USART_CR3_DMAT BIT(7)

// 10: DMA controller
typedef struct {
    reg_t CR, NDTR, PAR, M0AR, M1AR, FCR;
} dma_stream_t;
typedef struct {
    reg_t ISR[2], IFCR[2];
    dma_stream_t stream[8];
} dma_t;
#define DMA_CR_EN BIT(0)
#define DMA_CR_HTIE BIT(3)
#define DMA_CR_TCIE BIT(4)
#define DMA_CR_TO_PERIPHERAL BIT(6)
#define DMA_CR_CIRCULAR BIT(8)
#define DMA_CR_MINC BIT(10)
#define DMA_CR_PRIORITY_HIGH BIT(17)
#define DMA_CR_CHANNEL(n) ((uint32_t)(n) << 25)
// A stream's flags within ISR[stream / 4] and IFCR[stream / 4]: FEIF, DMEIF, TEIF, HTIF, TCIF.
#define DMA_FLAGS_SHIFT(stream) (((stream) & 1) * 6 + ((stream) & 2) * 8)
#define DMA_ALL_FLAGS 0x3du
#define DMA_TCIF BIT(5)

// 37.7: the SDRAM part of the flexible memory controller, F42x and F43x only; bank 1 first
typedef struct {
    reg_t SDCR[2], SDTR[2], SDCMR, SDRTR, SDSR;
} fmc_sdram_t;
#define FMC_SDRAM ((fmc_sdram_t *)0xa0000140)
#define FMC_SDCR_COLUMNS(bits) ((uint32_t)(bits) - 8u)
#define FMC_SDCR_ROWS(bits) (((uint32_t)(bits) - 11u) << 2)
#define FMC_SDCR_WIDTH(bits) ((uint32_t)((bits) / 16) << 4)
#define FMC_SDCR_FOUR_BANKS BIT(6)
#define FMC_SDCR_CAS(cycles) ((uint32_t)(cycles) << 7)
#define FMC_SDCR_CLOCK_HALF (2u << 10)
#define FMC_SDCR_PIPE_ONE BIT(13)
#define FMC_SDCMR_CLOCK 1u
#define FMC_SDCMR_PRECHARGE_ALL 2u
#define FMC_SDCMR_REFRESH 3u
#define FMC_SDCMR_LOAD_MODE 4u
#define FMC_SDCMR_BANK(bank) ((bank) == 1 ? BIT(4) : BIT(3))
#define FMC_SDCMR_REFRESHES(count) (((uint32_t)(count) - 1u) << 5)
#define FMC_SDCMR_MODE(word) ((uint32_t)(word) << 9)
#define FMC_SDSR_BUSY BIT(5)

// 38: debug support; 39: device electronic signature
#define DBGMCU_IDCODE (*(reg_t *)0xe0042000)
#define DBGMCU_DEVICE_MASK 0xfffu
#define UNIQUE_ID ((const volatile uint32_t *)0x1fff7a10)

// ARMv7-M, B3.2: system control block
typedef struct {
    reg_t CPUID, ICSR, VTOR, AIRCR, SCR, CCR, SHPR[3], SHCSR, CFSR, HFSR, DFSR, MMFAR, BFAR, AFSR;
} scb_t;
#define SCB ((scb_t *)0xe000ed00)
#define SCB_CPACR (*(reg_t *)0xe000ed88)
#define SCB_CPACR_FPU (0xfu << 20)
#define SCB_CCR_DIV_0_TRP BIT(4)
#define SCB_SHCSR_FAULTS (7u << 16)
#define SCB_AIRCR_RESET (0x05fa0000u | BIT(2))
#define SCB_CFSR_STACKING (BIT(4) | BIT(12))  // MSTKERR, STKERR: the exception frame could not be written

// B3.5: memory protection unit
typedef struct {
    reg_t TYPE, CTRL, RNR, RBAR, RASR;
} mpu_t;
#define MPU ((mpu_t *)0xe000ed90)
#define MPU_CTRL_ENABLE BIT(0)
#define MPU_CTRL_DEFAULT_MAP BIT(2)
#define MPU_RASR_ENABLE BIT(0)
#define MPU_RASR_SIZE(log2) (((uint32_t)(log2) - 1u) << 1)
#define MPU_RASR_NORMAL_UNCACHED (1u << 19)
#define MPU_RASR_FULL_ACCESS (3u << 24)
#define MPU_RASR_NO_CODE BIT(28)

// B3.3: SysTick; B3.4: NVIC
typedef struct {
    reg_t CTRL, LOAD, VAL, CALIB;
} systick_t;
#define SYSTICK ((systick_t *)0xe000e010)
#define SYSTICK_ENABLE_INTERRUPT_CORE_CLOCK 7u
#define NVIC_ISER ((reg_t *)0xe000e100)
#define NVIC_ICER ((reg_t *)0xe000e180)

// C1.6: debug; C1.8: data watchpoint and trace
#define DEMCR (*(reg_t *)0xe000edfc)
#define DEMCR_TRCENA BIT(24)
#define DWT_CTRL (*(reg_t *)0xe0001000)
#define DWT_CTRL_CYCCNTENA BIT(0)
#define DWT_CYCCNT (*(reg_t *)0xe0001004)

#endif
