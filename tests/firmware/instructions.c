// One function an instruction: the test calls each with operands of its own and compares with a model in Python.
#include "chip.h"

#define OPERATION(name, code) \
    __attribute__((naked, used)) void op_##name(void) { __asm volatile(code "\n bx lr"); }

OPERATION(adds_carry, "adds r0, r0, r1\n mov r0, #0\n adc r0, r0, #0")
OPERATION(sub_borrow, "subs r0, r0, r1\n mov r0, #0\n adc r0, r0, #0")
OPERATION(smlad, "smlad r0, r0, r1, r2")
OPERATION(smladx, "smladx r0, r0, r1, r2")
OPERATION(smlabb, "smlabb r0, r0, r1, r2")
OPERATION(smlabt, "smlabt r0, r0, r1, r2")
OPERATION(smlatt, "smlatt r0, r0, r1, r2")
OPERATION(smuad, "smuad r0, r0, r1")
OPERATION(smusd, "smusd r0, r0, r1")
OPERATION(smulwb, "smulwb r0, r0, r1")
OPERATION(smmul, "smmul r0, r0, r1")
OPERATION(smmulr, "smmulr r0, r0, r1")
OPERATION(smmla, "smmla r0, r0, r1, r2")
OPERATION(smull_high, "smull r2, r0, r0, r1")
OPERATION(umull_high, "umull r2, r0, r0, r1")
OPERATION(mls, "mls r0, r0, r1, r2")
OPERATION(pkhbt, "pkhbt r0, r0, r1, lsl #16")
OPERATION(pkhtb, "pkhtb r0, r0, r1, asr #16")
OPERATION(sxtb16, "sxtb16 r0, r0")
OPERATION(sxtb16_ror8, "sxtb16 r0, r0, ror #8")
OPERATION(uxtb16, "uxtb16 r0, r0")
OPERATION(sxtab16, "sxtab16 r0, r0, r1")
OPERATION(sadd16, "sadd16 r0, r0, r1")
OPERATION(qadd16, "qadd16 r0, r0, r1")
OPERATION(qsub8, "qsub8 r0, r0, r1")
OPERATION(uqadd8, "uqadd8 r0, r0, r1")
OPERATION(uhadd8, "uhadd8 r0, r0, r1")
OPERATION(usad8, "usad8 r0, r0, r1")
OPERATION(ssub8_sel, "ssub8 r2, r0, r1\n sel r0, r0, r1")
OPERATION(qadd, "qadd r0, r0, r1")
OPERATION(qdsub, "qdsub r0, r0, r1")
OPERATION(ssat8, "ssat r0, #8, r0")
OPERATION(ssat8_asr4, "ssat r0, #8, r0, asr #4")
OPERATION(usat8, "usat r0, #8, r0")
OPERATION(ssat16_8, "ssat16 r0, #8, r0")
OPERATION(clz, "clz r0, r0")
OPERATION(rbit, "rbit r0, r0")
OPERATION(rev16, "rev16 r0, r0")
OPERATION(bfi, "bfi r0, r1, #5, #9")
OPERATION(sbfx, "sbfx r0, r0, #7, #11")
OPERATION(udiv, "udiv r0, r0, r1")
OPERATION(sdiv, "sdiv r0, r0, r1")
OPERATION(ror, "ror r0, r0, r1")
OPERATION(it_else, "cmp r0, r1\n ite hi\n movhi r0, #1\n movls r0, #2")

#define FLOAT_OPERATION(name, code) \
    OPERATION(name, "vmov s0, r0\n vmov s1, r1\n vmov s2, r2\n" code "\n vmov r0, s0")

FLOAT_OPERATION(vadd, "vadd.f32 s0, s0, s1")
FLOAT_OPERATION(vsub, "vsub.f32 s0, s0, s1")
FLOAT_OPERATION(vmul, "vmul.f32 s0, s0, s1")
FLOAT_OPERATION(vdiv, "vdiv.f32 s0, s0, s1")
FLOAT_OPERATION(vsqrt, "vsqrt.f32 s0, s0")
FLOAT_OPERATION(vmla, "vmla.f32 s0, s1, s2")
FLOAT_OPERATION(vfma, "vfma.f32 s0, s1, s2")
FLOAT_OPERATION(vcvt_s32, "vcvt.s32.f32 s0, s0")
FLOAT_OPERATION(vcvtr_s32, "vcvtr.s32.f32 s0, s0")
FLOAT_OPERATION(vcvt_f32, "vcvt.f32.s32 s0, s0")
FLOAT_OPERATION(vcmp_less, "vcmp.f32 s0, s1\n vmrs apsr_nzcv, fpscr\n ite mi\n movmi r1, #1\n movpl r1, #0\n vmov s0, r1")

// Unaligned loads, exclusives and tables go through memory.
static uint32_t cell[4];

uint32_t load_unaligned(uint32_t word, uint32_t offset);
uint32_t load_unaligned(uint32_t word, uint32_t offset) {
    cell[0] = word;
    cell[1] = ~word;
    return *(volatile uint32_t *)((uint8_t *)cell + offset);
}

uint32_t add_exclusively(uint32_t start, uint32_t add, uint32_t clear);
uint32_t add_exclusively(uint32_t start, uint32_t add, uint32_t clear) {
    uint32_t value, failed;
    cell[2] = start;
    __asm volatile(
        "ldrex %0, [%3]\n add %0, %0, %4\n cmp %5, #0\n it ne\n clrexne\n strex %1, %0, [%3]"
        : "=&r"(value), "=&r"(failed), "+m"(cell[2])
        : "r"(&cell[2]), "r"(add), "r"(clear)
        : "cc");
    return cell[2] + (failed << 31);
}

uint32_t jump_table(uint32_t n);
uint32_t jump_table(uint32_t n) {
    uint32_t result;
    __asm volatile(
        "tbb [pc, %1]\n"
        "1: .byte (2f - 1b) / 2, (3f - 1b) / 2, (4f - 1b) / 2, 0\n"
        "2: mov %0, #20\n b 5f\n"
        "3: mov %0, #30\n b 5f\n"
        "4: mov %0, #40\n"
        "5:"
        : "=r"(result)
        : "r"(n));
    return result;
}

// 20, also where the load is the first from its page: what comes behind the IT is not under it.
uint32_t load_under_it(const uint32_t *from);
uint32_t load_under_it(const uint32_t *from) {
    uint32_t result = 10, word;
    __asm volatile(
        "movs %1, #1\n it ne\n ldrne %1, [%2]\n cmp %2, %2\n b 1f\n"
        "1: add.w %0, %0, #10"
        : "+r"(result), "=&r"(word)
        : "r"(from)
        : "cc", "memory");
    return result;
}
