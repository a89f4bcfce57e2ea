// The board's SDRAM, where it has one and the network needs it: the order of RM0090, 37.7.3.
#include "board.h"
#include "internal.h"
#include "port.h"
#include "stm32f4.h"

#ifdef BOARD_SDRAM_BANK

#define ALTERNATE_FUNCTION 12u
#define POWER_UP_CYCLES (BOARD_CLOCK_HZ / 10000)  // 100 us with a running clock before the first command
#define REFRESHES 8                               // that the data sheet wants before the mode is set
#define MODE (BOARD_SDRAM_CAS << 4 | 1u << 9)     // bursts of one, sequential, single writes
#define REFRESH_CYCLES (BOARD_CLOCK_HZ / 2 / 1000 * BOARD_SDRAM_REFRESH_MS / (1 << BOARD_SDRAM_ROW_BITS))
#define REFRESH_MARGIN 20  // an access may be under way when a refresh falls due (RM0090, FMC_SDRTR)

extern uint32_t _sdram_start[], _sdram_end[];

static void start_pins(void)
{
    static const struct {
        gpio_t *port;
        uint16_t pins;
    } groups[] = {BOARD_SDRAM_PINS};
    RCC->AHB1ENR |= BOARD_SDRAM_PORTS;
    for (uint32_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        for (uint32_t pin = 0; pin < 16; pin++)
            if (groups[i].pins >> pin & 1u) {
                gpio_t *port = groups[i].port;
                port->AFR[pin / 8] = (port->AFR[pin / 8] & ~(15u << pin % 8 * 4)) | ALTERNATE_FUNCTION << pin % 8 * 4;
                port->OSPEEDR |= 2u << pin * 2;  // 100 MHz into the 10 pF of one chip nearby
                port->PUPDR &= ~(3u << pin * 2);
                port->MODER = (port->MODER & ~(3u << pin * 2)) | 2u << pin * 2;
            }
}

static void command(uint32_t command)
{
    FMC_SDRAM->SDCMR = command | FMC_SDCMR_BANK(BOARD_SDRAM_BANK);
    while (FMC_SDRAM->SDSR & FMC_SDSR_BUSY)
        ;
}

// Clock, pipe and the times that both banks share are read from bank 1's registers, whichever bank is used.
static void start_controller(void)
{
    const uint32_t shared = FMC_SDCR_CLOCK_HALF | FMC_SDCR_PIPE_ONE;
    const uint32_t geometry = FMC_SDCR_COLUMNS(BOARD_SDRAM_COLUMN_BITS) | FMC_SDCR_ROWS(BOARD_SDRAM_ROW_BITS) |
                              FMC_SDCR_WIDTH(BOARD_SDRAM_BUS_BITS) | FMC_SDCR_FOUR_BANKS | FMC_SDCR_CAS(BOARD_SDRAM_CAS);
    const uint32_t times = (BOARD_SDRAM_LOAD_TO_ACTIVE - 1) | (BOARD_SDRAM_EXIT_SELF_REFRESH - 1) << 4 |
                           (BOARD_SDRAM_SELF_REFRESH - 1) << 8 | (BOARD_SDRAM_ROW_CYCLE - 1) << 12 |
                           (BOARD_SDRAM_WRITE_RECOVERY - 1) << 16 | (BOARD_SDRAM_ROW_PRECHARGE - 1) << 20 |
                           (BOARD_SDRAM_ROW_TO_COLUMN - 1) << 24;
    RCC->AHB3ENR |= RCC_AHB3_FMC;
    FMC_SDRAM->SDCR[0] = shared | geometry;
    FMC_SDRAM->SDTR[0] = times;
    FMC_SDRAM->SDCR[BOARD_SDRAM_BANK - 1] = shared | geometry;
    FMC_SDRAM->SDTR[BOARD_SDRAM_BANK - 1] = times;
    command(FMC_SDCMR_CLOCK);
    for (uint32_t start = port_cycles(); port_cycles() - start < POWER_UP_CYCLES;)
        ;
    command(FMC_SDCMR_PRECHARGE_ALL);
    command(FMC_SDCMR_REFRESH | FMC_SDCMR_REFRESHES(REFRESHES));
    command(FMC_SDCMR_LOAD_MODE | FMC_SDCMR_MODE(MODE));
    FMC_SDRAM->SDRTR = (REFRESH_CYCLES - REFRESH_MARGIN) << 1;
}

// By default these addresses are a device's, where an unaligned load is unpredictable (ARMv7-M, A3.2.1 and B3.1): make
// them ordinary memory.
static void allow_unaligned(void)
{
    MPU->RNR = 0;
    MPU->RBAR = BOARD_SDRAM_BANK == 1 ? 0xc0000000u : 0xd0000000u;
    MPU->RASR = MPU_RASR_NO_CODE | MPU_RASR_FULL_ACCESS | MPU_RASR_NORMAL_UNCACHED |
                MPU_RASR_SIZE(BOARD_SDRAM_BYTES_LOG2) | MPU_RASR_ENABLE;
    MPU->CTRL = MPU_CTRL_DEFAULT_MAP | MPU_CTRL_ENABLE;
    __asm volatile("dsb\n isb");
}

void sdram_start(void)
{
    if (&_sdram_start[0] == &_sdram_end[0])
        return;
    start_pins();
    start_controller();
    allow_unaligned();
    for (uint32_t *word = _sdram_start; word < _sdram_end; word++)
        *word = 0;
}

#else

void sdram_start(void)
{
}

#endif
