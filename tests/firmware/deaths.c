// More ways to die than crashes.c has, each in a function named for it; the byte received says which.
#include "chip.h"

#define IWDG_KR REGISTER(0x40003000u)
#define IWDG_RLR REGISTER(0x40003008u)
#define WWDG_CR REGISTER(0x40002C00u)
#define WWDG_CFR REGISTER(0x40002C04u)
#define FLASH_CR REGISTER(0x40023C10u)
#define ASLEEP() __asm volatile("wfi")

volatile uint32_t sink, zero, mode;
enum { ONCE, AGAIN, LOOP, SLEEP, TURNS, MOVES };

void irq0_handler(void) {
    if (mode == AGAIN) {
        NVIC_ISPR(0) = 1u;
        BARRIER();
    }
    if (mode == TURNS) {
        ICSR = 1u << 28;
        BARRIER();
    }
}

void nmi_handler(void) {
    if (mode != AGAIN) {
        for (;;) {
        }
    }
    ICSR = 1u << 31;
    BARRIER();
}

void usart2_handler(void) { sink++; }
void sys_tick_handler(void) { sink++; }

void pend_sv_handler(void) {
    while (mode == LOOP) {
        sink++;
    }
    while (mode == SLEEP) {
        ASLEEP();
    }
    if (mode == MOVES) {
        VTOR = 0x30000000u;
    }
    if (mode == TURNS || mode == MOVES) {
        NVIC_ISPR(0) = 1u;
        BARRIER();
    }
}

static void wait_for_ever(void) {
    for (;;) {
        sink++;
    }
}

void storm_of_one_that_pends_itself(void) {
    mode = AGAIN;
    NVIC_ISER(0) = 1u;
    NVIC_ISPR(0) = 1u;
    wait_for_ever();
}

void storm_of_a_line_nobody_lowers(void) {
    NVIC_ISER(1) = 1u << 6;
    USART2_CR1 |= 1u << 7;  // the transmitter is empty
    wait_for_ever();
}

void storm_of_two_that_take_turns(void) {
    mode = TURNS;
    NVIC_ISER(0) = 1u;
    ICSR = 1u << 28;
    wait_for_ever();
}

void storm_of_nmi(void) {
    mode = AGAIN;
    ICSR = 1u << 31;
    wait_for_ever();
}

static void tick_every(uint32_t cycles) {
    SYST_RVR = cycles - 1u;
    SYST_CVR = 0;
    SYST_CSR = 7u;
}

void storm_of_a_timer_at_its_limit(void) {
    tick_every(2);
    wait_for_ever();
}

void storm_of_a_fast_timer(void) {
    tick_every(400);
    wait_for_ever();
}

void storm_while_it_sleeps(void) {
    tick_every(300);
    for (;;) {
        ASLEEP();
    }
}

void loop_in_a_handler(void) {
    mode = LOOP;
    ICSR = 1u << 28;
    BARRIER();
}

void sleep_that_nothing_ends(void) {
    for (;;) {
        ASLEEP();
    }
}

void sleep_in_a_handler(void) {
    mode = SLEEP;
    ICSR = 1u << 28;
    BARRIER();
}

void sleep_beside_a_masked_interrupt(void) {
    __asm volatile("cpsid i");
    ICSR = 1u << 28;
    for (;;) {
        ASLEEP();
    }
}

void wait_for_an_event_of_its_own(void) {
    for (;;) {
        __asm volatile("sev\n wfe");
    }
}

void vector_table_moved_by_a_handler(void) {
    mode = MOVES;
    NVIC_ISER(0) = 1u;
    ICSR = 1u << 28;
    wait_for_ever();
}

void vector_table_nowhere(void) {
    VTOR = 0x30000000u;
    ICSR = 1u << 28;
    BARRIER();
}

void bus_fault_handler(void) { sink++; }

void fault_that_its_handler_returns_to(void) {
    SHCSR = 1u << 17;
    BARRIER();
    sink = *(volatile uint32_t *)(0x30000000u + zero);
}

static uint32_t __attribute__((aligned(512))) empty_table[128];

void vector_table_overwritten(void) {
    for (uint32_t i = 0; i < 128u; i++) {
        empty_table[i] = 0;
    }
    VTOR = (uint32_t)empty_table;
    ICSR = 1u << 28;
    BARRIER();
}

static volatile uint16_t data[4] = {0xDE00u, 0xDE00u, 0xDE00u, 0xDE00u};  // udf

void jump_into_data(void) {
    ((handler_t)((uint32_t)data | 1u))();
    sink++;
}

void jump_into_erased_flash(void) {
    ((handler_t)(0x080F0001u + zero))();
    sink++;
}

void code_that_changes_itself(void) {
    data[0] = 0x4770u;  // bx lr
    BARRIER();
    ((handler_t)((uint32_t)data | 1u))();
    data[0] = 0xDE00u;
    BARRIER();
    ((handler_t)((uint32_t)data | 1u))();
    sink++;
}

void code_written_again_and_again(void) {
    for (uint16_t loaded = 0;; loaded ^= 1u) {
        data[0] = 0x2000u | loaded;  // movs r0, #loaded
        data[1] = 0x4770u;
        BARRIER();
        ((handler_t)((uint32_t)data | 1u))();
    }
}

void return_address_overwritten(void) {
    __asm volatile("push {r4, lr}\n ldr r0, =0x60000001\n str r0, [sp, #4]\n pop {r4, pc}" ::: "r0", "memory");
}

void unprivileged_write(void) {
    __asm volatile("msr control, %0\n isb" : : "r"(1u));
    SYST_CSR = 0;
    sink++;
}

void unprivileged_read(void) {
    __asm volatile("msr control, %0\n isb" : : "r"(1u));
    sink = VTOR;
}

void polling_a_flag_that_never_comes(void) {
    while (!(RCC_CR & 1u << 27)) {
    }
}

void polling_two_registers_by_turns(void) {
    while (!(RCC_CR & 1u << 27) && !(RCC_CSR & 1u << 1)) {
    }
}

void writing_a_register_again_and_again(void) {
    for (;;) {
        NVIC_ICER(0) = 1u;
    }
}

void sending_without_a_look_whether_there_is_room(void) {
    for (;;) {
        USART2_DR = 'x';
    }
}

void polling_the_cycle_counter(void) {
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1u;
    while (DWT_CYCCNT + 1u) {
    }
}

void masked_supervisor_call(void) { __asm volatile("cpsid i\n svc #1\n cpsie i"); }

void process_stack_nowhere(void) {
    __asm volatile("msr psp, %0\n msr control, %1\n isb\n push {r0}" : : "r"(0x30000000u), "r"(2u) : "memory");
}

void exception_on_a_stack_nowhere(void) {
    __asm volatile("msr psp, %0\n msr control, %1\n isb" : : "r"(0x10u), "r"(2u));
    ICSR = 1u << 28;
    BARRIER();
}

void memory_protection_switched_on(void) { REGISTER(0xE000ED94u) = 1u; }

void write_through_null(void) { *(volatile uint32_t *)zero = 1u; }
void write_to_system_memory(void) { *(volatile uint32_t *)0x1FFF7A10u = 1u; }
void unaligned_exclusive(void) { __asm volatile("ldr r0, =sink\n add r0, r0, #1\n ldrex r1, [r0]" ::: "r0", "r1"); }

void stack_moved_into_flash(void) { __asm volatile("ldr r0, =0x08001000\n mov sp, r0\n push {r0}" ::: "r0", "memory"); }

void fault_in_a_masked_section(void) {
    __asm volatile("cpsid f");
    sink = *(volatile uint32_t *)(0x30000000u + zero);
}

void nmi_that_hangs(void) {
    ICSR = 1u << 31;
    BARRIER();
}

__attribute__((noinline, noreturn)) void reset_again_and_again(void) {
    AIRCR = 0x05FA0004u;
    for (;;) {
    }
}

void independent_watchdog_starved(void) {
    IWDG_KR = 0x5555u;
    IWDG_RLR = 7u;  // 8 x 4 / 32 kHz
    IWDG_KR = 0xCCCCu;
    wait_for_ever();
}

void window_watchdog_fed_too_soon(void) {
    RCC_APB1ENR |= 1u << 11;
    WWDG_CFR = 0x50u;
    WWDG_CR = 0xFFu;
    WWDG_CR = 0xFFu;
    wait_for_ever();
}

void window_watchdog_starved(void) {
    RCC_APB1ENR |= 1u << 11;
    WWDG_CR = 0xFFu;
    wait_for_ever();
}

void flash_erased_under_it(void) {
    FLASH_CR = 1u << 1 | 1u << 16;
    wait_for_ever();
}

void clock_lost(void) {
    RCC_CFGR &= ~3u;
    while (RCC_CFGR >> 2 & 3u) {
    }
    RCC_CR &= ~(1u << 24);
    RCC_PLLCFGR = 8u | 1u << 22;
    RCC_CR |= 1u << 24;
    RCC_CFGR |= 2u;
    wait_for_ever();
}

void baud_changed(void) {
    USART2_BRR = 460;
    send("x", 1);
    wait_for_ever();
}

// Where received bytes go by DMA, and what the stream says of it.
static void receive_to(uint32_t address) {
    DMA1_S5PAR = 0x40004404u;
    DMA1_S5M0AR = address;
    DMA1_S5NDTR = 4;
    USART2_CR3 = 1u << 6;
    DMA1_S5CR = 4u << 25 | 1u << 10 | 1u;
    send("?", 1);
    while (!(DMA1_HISR >> 6 & 0x28u)) {  // an error, or all of it
    }
    uint32_t flags = DMA1_HISR >> 6 & 0x3Fu;
    send(&flags, 1);
}

void dma_over_the_stack(void) {
    __asm volatile("push {r4, lr}\n add r0, sp, #4\n bl receive_here\n pop {r4, pc}" ::: "r0", "memory");
}

__attribute__((used)) void receive_here(uint32_t address) { receive_to(address); }

void dma_into_ccm(void) { receive_to(0x10000000u); }
void dma_into_flash(void) { receive_to(0x08080000u); }
void dma_nowhere(void) { receive_to(0x30000000u); }

static void (*const deaths[])(void) = {
    storm_of_one_that_pends_itself, storm_of_a_line_nobody_lowers, storm_of_a_timer_at_its_limit, storm_of_a_fast_timer,
    storm_while_it_sleeps, loop_in_a_handler, sleep_that_nothing_ends, sleep_in_a_handler, vector_table_nowhere,
    vector_table_overwritten, jump_into_data, jump_into_erased_flash, code_that_changes_itself,
    return_address_overwritten, unprivileged_write, unprivileged_read, polling_a_flag_that_never_comes,
    polling_the_cycle_counter, masked_supervisor_call, process_stack_nowhere, write_through_null, write_to_system_memory,
    unaligned_exclusive, stack_moved_into_flash, fault_in_a_masked_section, nmi_that_hangs, reset_again_and_again,
    independent_watchdog_starved, window_watchdog_fed_too_soon, window_watchdog_starved, flash_erased_under_it,
    clock_lost, baud_changed, storm_of_two_that_take_turns, storm_of_nmi, sleep_beside_a_masked_interrupt,
    polling_two_registers_by_turns, writing_a_register_again_and_again, wait_for_an_event_of_its_own, fault_that_its_handler_returns_to, vector_table_moved_by_a_handler, dma_over_the_stack, dma_into_ccm, dma_into_flash, dma_nowhere,
    exception_on_a_stack_nowhere, memory_protection_switched_on, code_written_again_and_again,
    sending_without_a_look_whether_there_is_room,
};

void main_program(void) {
    if (RCC_CSR >> 28 & 1u) {  // a software reset
        reset_again_and_again();
    }
    if (RCC_CSR >> 29 & 1u) {
        independent_watchdog_starved();
    }
    run_at_168_mhz();
    open_usart();
    uint32_t hello = 0x0B007000u | RCC_CSR >> 24;
    send(&hello, 4);
    while (!(USART2_SR & 1u << 5)) {
    }
    uint32_t which = USART2_DR;
    deaths[which]();
    send("done", 4);
    sleep_that_nothing_ends();
}
