// The core's clock, from the crystal or without it, and the two counters: cycles (DWT) and milliseconds (SysTick).
#include "board.h"
#include "internal.h"
#include "port.h"
#include "stm32f4.h"

#define CRYSTAL_PATIENCE 100000  // turns of a loop of about 5 cycles at 16 MHz: 30 ms, the data sheet says 2 ms
#define TICK_CYCLES (BOARD_CLOCK_HZ / 500)
#define IDLE_TICK_CYCLES (BOARD_CLOCK_HZ / 100)
#define COUNTER_PATIENCE 100  // reads; the counter moves between any two
#define LONGEST_TICK_CYCLES (1u << 24)  // SysTick counts 24 bits: 0.1 s

static volatile uint32_t milliseconds, silent_ms;
static uint32_t period_cycles;

static void wait_for(reg_t *reg, uint32_t mask, uint32_t value)
{
    while ((*reg & mask) != value)
        ;
}

// The PLL's settings with the board's crystal or clock as its source; without one, or where it does not start, with the HSI.
static uint32_t pll_settings(void)
{
#ifdef BOARD_PLL_HSE
#ifdef BOARD_HSE_BYPASS
    RCC->CR |= RCC_CR_HSEBYP;
#endif
    RCC->CR |= RCC_CR_HSEON;
    for (uint32_t i = 0; i < CRYSTAL_PATIENCE; i++)
        if (RCC->CR & RCC_CR_HSERDY)
            return BOARD_PLL_HSE | RCC_PLLCFGR_HSE;
#endif
    return BOARD_PLL_HSI;
}

static uint32_t flash_settings(void)
{
    const uint32_t settings = FLASH_ACR_ICACHE | FLASH_ACR_DCACHE | BOARD_FLASH_WAIT_STATES;
#ifdef BOARD_NO_PREFETCH_ID
    if ((DBGMCU_IDCODE & DBGMCU_DEVICE_MASK) == BOARD_NO_PREFETCH_ID)
        return settings;
#endif
    return settings | FLASH_ACR_PREFETCH;
}

void clock_start(void)
{
    RCC->APB1ENR |= RCC_APB1_PWR;
    PWR->CR = (PWR->CR & ~PWR_CR_VOS_MASK) | PWR_CR_VOS(BOARD_PWR_VOS);
    FLASH->ACR = flash_settings();
    RCC->PLLCFGR = pll_settings();
    RCC->CR |= RCC_CR_PLLON;
    wait_for(&RCC->CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY);
    wait_for(&PWR->CSR, PWR_CSR_VOSRDY, PWR_CSR_VOSRDY);
#ifdef BOARD_OVER_DRIVE
    PWR->CR |= PWR_CR_ODEN;
    wait_for(&PWR->CSR, PWR_CSR_ODRDY, PWR_CSR_ODRDY);
    PWR->CR |= PWR_CR_ODSWEN;
    wait_for(&PWR->CSR, PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY);
#endif
    RCC->CFGR = BOARD_RCC_PRESCALERS | RCC_CFGR_SW_PLL;
    wait_for(&RCC->CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL);

    DWT_CYCCNT = 0;
    (void)port_count_cycles();
    tick_rarely(false);
    SYSTICK->CTRL = SYSTICK_ENABLE_INTERRUPT_CORE_CLOCK;
}

static void tick_every(uint32_t cycles)
{
    period_cycles = cycles;
    SYSTICK->LOAD = period_cycles - 1;
    SYSTICK->VAL = 0;
}

// While the network runs, a tick is only the watchdog's, and one that starts over with each row hardly ever comes: a
// layer's cycles are its own. (Milliseconds stand still meanwhile; only waiting is timed.)
void tick_rarely(bool is_rare)
{
    tick_every(is_rare ? LONGEST_TICK_CYCLES : TICK_CYCLES);
}

// On a line without a pause it is the tick that wakes the core for what has arrived: a row begins 1 ms late on average, of
// 20 ms that the ring lasts. Where nothing comes, the core sleeps longer.
void tick_for(bool is_line_busy)
{
    const uint32_t cycles = is_line_busy ? TICK_CYCLES : IDLE_TICK_CYCLES;
    if (cycles != period_cycles)
        tick_every(cycles);
}

uint32_t port_cycles(void)
{
    return DWT_CYCCNT;
}

uint32_t port_count_cycles(void)
{
    DEMCR |= DEMCR_TRCENA;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    uint32_t begun = DWT_CYCCNT;
    for (int i = 0; i < COUNTER_PATIENCE; i++)
        if (DWT_CYCCNT != begun)
            return LINK_COUNTER_RUNS;
    return LINK_COUNTER_STANDS_STILL;
}

uint32_t port_milliseconds(void)
{
    return milliseconds;
}

void port_alive(void)
{
    silent_ms = 0;
}

__attribute__((used)) static void tick(const exception_frame_t *interrupted, uint32_t exc_return)
{
    uint32_t elapsed_ms = period_cycles / (BOARD_CLOCK_HZ / 1000);
    milliseconds += elapsed_ms;
    silent_ms += elapsed_ms;
    if (silent_ms > PORT_WATCHDOG_MS)
        fault_report(interrupted, exc_return, LINK_FAULT_WATCHDOG);
}

// Naked, so that sp still points at what the exception pushed: where the main loop hangs, if it does.
__attribute__((naked)) void systick_handler(void)
{
    __asm volatile("mov r0, sp\n mov r1, lr\n b tick");
}
