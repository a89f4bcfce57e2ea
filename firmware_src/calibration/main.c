// Micro-measurements of what hil/timing models and no published figure pins. A byte on the link starts them; the answer
// is a table in text, a line a measurement: name, rules (hil/timing/statement/rules.py), wait states, repetitions, cycles.
// `hil calibrate` runs it and shows each line beside what the model makes of the same instructions.
#include <string.h>

#include "board.h"
#include "measure.h"
#include "port.h"
#include "stm32f4.h"

#define SVC 11
#define PENDSV 14
#define ICSR_PENDSVSET BIT(28)
#define VECTORS (16 + 96)
#define ART (FLASH_ACR_PREFETCH | FLASH_ACR_ICACHE | FLASH_ACR_DCACHE)

MEASURE(nothing, 1, "", "")
MEASURE(nop_16_bit, 64, "", "nop")
MEASURE(nop_32_bit, 64, "", "nop.w")
MEASURE(it_behind_16_bit, 16, "", "cmp r6, r6\n it eq\n moveq r0, r1")
MEASURE(it_behind_32_bit, 16, "", "cmp.w r6, r6\n it eq\n moveq r0, r1")
MEASURE(branch, 16, "", ".balign 4\n b.n 1f\n nop\n 1: nop.w")
MEASURE(branch_to_2_mod_4, 16, "", ".balign 4\n b.n 1f\n 1: nop.w")
MEASURE(branch_not_taken, 16, "cmp r4, r4", "bne.n 1f\n nop.w\n nop\n 1:")
MEASURE(call_and_return, 16, "", "bl 2f")
MEASURE(table_branch, 16, "", "tbb [pc, r2]\n .byte 1, 1")

MEASURE(loads, 32, "", "ldr.w r0, [r4]")
MEASURE(loads_of_two_slaves, 16, "", "ldr.w r0, [r4]\n ldr.w r1, [r5]")
MEASURE(load_and_use, 16, "", "ldr.w r0, [r4]\n adds r0, r0, #1")
MEASURE(address_just_made, 16, "", "mov r8, r4\n ldr.w r0, [r8]")
MEASURE(stores, 32, "", "str.w r0, [r4]")
MEASURE(store_by_register, 16, "", "str.w r0, [r4, r2]\n nop")
MEASURE(load_behind_store, 16, "", "str.w r0, [r4]\n ldr.w r1, [r4, #4]\n nop")
MEASURE(written_back_twice, 16, "", "ldr r0, [r8], #4\n ldr r1, [r8], #-4\n nop")
MEASURE(load_multiple, 16, "", "ldm.w r4, {r0, r1, r3, r9}")
MEASURE(store_multiple, 16, "", "stm.w r4, {r0, r1, r3, r9}")
MEASURE(load_pair, 16, "", "ldrd r0, r1, [r4]")
MEASURE(store_pair, 16, "", "strd r0, r1, [r4]")
MEASURE(word_at_2, 16, "", "str.w r0, [r4, #2]")
MEASURE(word_at_1, 16, "", "str.w r0, [r4, #1]")
MEASURE(halfword_at_1, 16, "", "strh.w r0, [r4, #1]")
MEASURE(flash_word, 16, "ldr r8, =flash_words", "ldr.w r0, [r8]\n nop")
MEASURE(flash_stream, 48, "ldr r8, =flash_words", "ldr r0, [r8], #16\n nop")

#ifdef BOARD_SDRAM_BANK
#define SDRAM "ldr r8, =in_sdram\n add r9, r8, #512"  // r9: the next row
MEASURE(sdram_halfword, 16, SDRAM, "ldrh.w r0, [r8]\n nop")
MEASURE(sdram_word, 16, SDRAM, "ldr.w r0, [r8]\n nop")
MEASURE(sdram_rows, 16, SDRAM, "ldr.w r0, [r8]\n nop\n ldr.w r0, [r9]\n nop")
MEASURE(sdram_words, 16, SDRAM, "ldm.w r8, {r0, r1, r3, r9}")
MEASURE(sdram_write, 16, SDRAM, "str.w r0, [r8]\n nop")
#endif

MEASURE(divide, 16, "", "udiv r0, r6, r7")
MEASURE(divide_signed, 16, "", "sdiv r0, r6, r7")
MEASURE(read_special, 16, "", "mrs r0, primask")
MEASURE(write_special, 16, "", "msr basepri, r2")
MEASURE(data_barrier, 16, "", "dsb")
MEASURE(memory_barrier, 16, "", "dmb")
MEASURE(instruction_barrier, 16, "", "isb")

MEASURE(fp_adds, 16, "", "vadd.f32 s0, s1, s2\n vadd.f32 s3, s4, s5")
MEASURE(fp_adds_in_a_chain, 16, "", "vadd.f32 s0, s0, s1")
MEASURE(fp_multiply_adds, 16, "", "vmla.f32 s0, s1, s2\n vmla.f32 s3, s4, s5")
MEASURE(fp_sum_in_a_chain, 16, "", "vmla.f32 s0, s1, s2")
MEASURE(fp_product_in_a_chain, 16, "", "vmla.f32 s0, s3, s2\n vmla.f32 s3, s0, s2")
MEASURE(fp_add_behind_multiply, 16, "", "vmul.f32 s0, s1, s2\n vadd.f32 s3, s0, s4")
MEASURE(fp_divide, 16, "", "vdiv.f32 s0, s1, s2")
MEASURE(fp_divide_and_nops, 8, "", "vdiv.f32 s0, s1, s2\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop")
MEASURE(fp_root, 16, "", "vsqrt.f32 s0, s1")
MEASURE(fp_load_and_use, 16, "", "vldr s0, [r4]\n vadd.f32 s1, s0, s2")
MEASURE(fp_to_core, 16, "", "vmov r0, s0")
MEASURE(fp_pair_to_core, 16, "", "vmov r0, r1, s0, s1")

// The handlers leave times in registers that exceptions neither stack nor change.
MEASURE(exception_entry, 1, "mrs r0, control\n bic r0, #4\n msr control, r0\n isb", "svc 0\n mov r11, r8\n b.n 3f")
MEASURE(exception_return, 1, "mrs r0, control\n bic r0, #4\n msr control, r0\n isb", "svc 0\n mov r10, r8")
MEASURE(exception_entry_with_fpu, 1, "", "svc 0\n mov r11, r8\n b.n 3f")
MEASURE(exception_return_with_fpu, 1, "", "svc 0\n mov r10, r8")
MEASURE(tail_chain, 1, "mrs r0, control\n bic r0, #4\n msr control, r0\n isb", "svc 1\n mov r10, r8\n mov r11, r9\n b.n 3f")

__attribute__((used)) static const uint32_t flash_words[4 * 64] = {[0] = 1};

__attribute__((naked)) static void on_supervisor_call(void)
{
    __asm volatile("ldr r8, [r12]\n"
                   "ldr r0, [sp, #24]\n ldrb r0, [r0, #-2]\n cbz r0, 1f\n"
                   "ldr r0, =0xE000ED04\n mov r1, #1 << 28\n str r1, [r0]\n dsb\n ldr r8, [r12]\n"
                   "1: bx lr\n .ltorg");
}

__attribute__((naked)) static void on_pended_call(void)
{
    __asm volatile("ldr r9, [r12]\n bx lr");
}

typedef struct {
    const char *name, *rules;
    measure_t *measure;
    uint32_t repetitions, r6, r7;
} entry_t;

static const entry_t table[] = {
    {"nothing", "load-overlap", nothing, 1, 0, 0},
    {"nop_16_bit", "fetch-queue", nop_16_bit, 64, 0, 0},
    {"nop_32_bit", "fetch-queue", nop_32_bit, 64, 0, 0},
    {"it_behind_16_bit", "it-folding", it_behind_16_bit, 16, 0, 0},
    {"it_behind_32_bit", "it-folding", it_behind_32_bit, 16, 0, 0},
    {"branch", "branch-refill,early-target", branch, 16, 0, 0},
    {"branch_to_2_mod_4", "branch-refill,fetch-queue", branch_to_2_mod_4, 16, 0, 0},
    {"branch_not_taken", "branch-steal", branch_not_taken, 16, 0, 0},
    {"call_and_return", "branch-refill", call_and_return, 16, 0, 0},
    {"table_branch", "load,branch-refill", table_branch, 16, 0, 0},
    {"loads", "load,load-overlap", loads, 32, 0, 0},
    {"loads_of_two_slaves", "bus-slaves", loads_of_two_slaves, 16, 0, 0},
    {"load_and_use", "load", load_and_use, 16, 0, 0},
    {"address_just_made", "address-stall", address_just_made, 16, 0, 0},
    {"stores", "late-release", stores, 32, 0, 0},
    {"store_by_register", "store-register-offset", store_by_register, 16, 0, 0},
    {"load_behind_store", "store-load", load_behind_store, 16, 0, 0},
    {"written_back_twice", "write-back", written_back_twice, 16, 0, 0},
    {"load_multiple", "multiple", load_multiple, 16, 0, 0},
    {"store_multiple", "multiple", store_multiple, 16, 0, 0},
    {"load_pair", "pair", load_pair, 16, 0, 0},
    {"store_pair", "pair", store_pair, 16, 0, 0},
    {"word_at_2", "unaligned", word_at_2, 16, 0, 0},
    {"word_at_1", "unaligned", word_at_1, 16, 0, 0},
    {"halfword_at_1", "unaligned", halfword_at_1, 16, 0, 0},
    {"flash_word", "data-cache", flash_word, 16, 0, 0},
    {"flash_stream", "data-cache,wait-states", flash_stream, 48, 0, 0},
#ifdef BOARD_SDRAM_BANK
    {"sdram_halfword", "sdram", sdram_halfword, 16, 0, 0},
    {"sdram_word", "sdram", sdram_word, 16, 0, 0},
    {"sdram_rows", "sdram", sdram_rows, 16, 0, 0},
    {"sdram_words", "sdram", sdram_words, 16, 0, 0},
    {"sdram_write", "sdram", sdram_write, 16, 0, 0},
#endif
    {"divide_1_by_1", "divide", divide, 16, 1, 1},
    {"divide_1_by_ffff", "divide", divide, 16, 1, 0xFFFF},
    {"divide_ff_by_1", "divide", divide, 16, 0xFF, 1},
    {"divide_ffff_by_1", "divide", divide, 16, 0xFFFF, 1},
    {"divide_ffffff_by_1", "divide", divide, 16, 0xFFFFFF, 1},
    {"divide_ffffffff_by_1", "divide", divide, 16, 0xFFFFFFFF, 1},
    {"divide_ffffffff_by_ff", "divide", divide, 16, 0xFFFFFFFF, 0xFF},
    {"divide_signed_by_10", "divide", divide_signed, 16, (uint32_t)-1000000, 10},
    {"read_special", "system", read_special, 16, 0, 0},
    {"write_special", "system", write_special, 16, 0, 0},
    {"data_barrier", "system", data_barrier, 16, 0, 0},
    {"memory_barrier", "system", memory_barrier, 16, 0, 0},
    {"instruction_barrier", "system", instruction_barrier, 16, 0, 0},
    {"fp_adds", "fp-multicycle", fp_adds, 16, 0, 0},
    {"fp_adds_in_a_chain", "fp-result", fp_adds_in_a_chain, 16, 0, 0},
    {"fp_multiply_adds", "fp-multicycle", fp_multiply_adds, 16, 0, 0},
    {"fp_sum_in_a_chain", "fp-result", fp_sum_in_a_chain, 16, 0, 0},
    {"fp_product_in_a_chain", "fp-result", fp_product_in_a_chain, 16, 0, 0},
    {"fp_add_behind_multiply", "fp-result", fp_add_behind_multiply, 16, 0, 0},
    {"fp_divide", "fp-multicycle", fp_divide, 16, 0, 0},
    {"fp_divide_and_nops", "fp-multicycle", fp_divide_and_nops, 8, 0, 0},
    {"fp_root", "fp-multicycle", fp_root, 16, 0, 0},
    {"fp_load_and_use", "fp-result", fp_load_and_use, 16, 0, 0},
    {"fp_to_core", "fp-multicycle", fp_to_core, 16, 0, 0},
    {"fp_pair_to_core", "fp-multicycle", fp_pair_to_core, 16, 0, 0},
    {"exception_entry", "exception", exception_entry, 1, 0, 0},
    {"exception_return", "exception", exception_return, 1, 0, 0},
    {"exception_entry_with_fpu", "exception", exception_entry_with_fpu, 1, 0, 0},
    {"exception_return_with_fpu", "exception", exception_return_with_fpu, 1, 0, 0},
    {"tail_chain", "exception", tail_chain, 1, 0, 0},
};

#define ENTRIES (sizeof table / sizeof table[0])
#define LINE_BYTES 96
#define WARM 3  // the caches know the code by then

static uint32_t in_sram[64];
HIL_CCM static uint32_t in_ccm[64];
#ifdef BOARD_SDRAM_BANK
HIL_SDRAM __attribute__((used)) static uint32_t in_sdram[256];
#endif
static __attribute__((aligned(512))) uint32_t vectors[VECTORS];
static char text[2 * ENTRIES * LINE_BYTES];
static size_t used;  // of it

static void take_over_exceptions(void)
{
    memcpy(vectors, (const void *)SCB->VTOR, sizeof vectors);
    vectors[SVC] = (uint32_t)on_supervisor_call;
    vectors[PENDSV] = (uint32_t)on_pended_call;
    __asm volatile("dsb" ::: "memory");
    SCB->VTOR = (uint32_t)vectors;
    SYSTICK->CTRL = 0;  // no tick within a measurement
}

// 16 MHz from the internal oscillator need no wait state; the UART rests meanwhile.
static void run_slowly(bool is_slow)
{
    const uint32_t prescalers = RCC->CFGR & ~3u;
    if (!is_slow)
        FLASH->ACR = ART | BOARD_FLASH_WAIT_STATES;
    RCC->CFGR = prescalers | (is_slow ? 0 : RCC_CFGR_SW_PLL);
    while ((RCC->CFGR & RCC_CFGR_SWS_MASK) != (is_slow ? 0 : RCC_CFGR_SWS_PLL))
        ;
    if (is_slow)
        FLASH->ACR = ART;
}

static void measure_all(uint32_t cycles[ENTRIES])
{
    for (size_t i = 0; i < ENTRIES; i++)
        for (int turn = 0; turn < WARM; turn++)
            cycles[i] = table[i].measure(in_sram, in_ccm, table[i].r6, table[i].r7);
}

static void put(const char *word, char end)
{
    while (*word != 0 && used < sizeof text - 1)
        text[used++] = *word++;
    text[used++] = end;
}

static void put_number(uint32_t number, char end)
{
    char digits[11];
    char *first = digits + sizeof digits - 1;
    *first = 0;
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    put(first, end);
}

static void put_all(const uint32_t cycles[ENTRIES], uint32_t wait_states)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        put(table[i].name, ' ');
        put(table[i].rules, ' ');
        put_number(wait_states, ' ');
        put_number(table[i].repetitions, ' ');
        put_number(cycles[i], '\n');
    }
}

int main(void)
{
    static uint32_t fast[ENTRIES], slow[ENTRIES];
    port_start();
    take_over_exceptions();
    for (;;) {
        const uint8_t *bytes;
        size_t count = port_received(&bytes);
        if (count == 0) {
            port_sleep();
            continue;
        }
        port_consume(count);
        measure_all(fast);
        run_slowly(true);
        measure_all(slow);
        run_slowly(false);
        used = 0;
        put("calibration 1 " BOARD_NAME, ' ');
        put_number(ENTRIES, '\n');
        put_all(slow, 0);
        put_all(fast, BOARD_FLASH_WAIT_STATES);
        put("end", '\n');
        port_send((const uint8_t *)text, used);
        port_send_wait();
    }
}
