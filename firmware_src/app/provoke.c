#include "provoke.h"

#include <stddef.h>

// Left to itself the compiler would call these by a jump, or see through them; the report must name them.
#if __has_attribute(noclone)
#define CULPRIT __attribute__((noinline, noclone)) static
#else  // clang makes no clones
#define CULPRIT __attribute__((noinline)) static
#endif
#define STAY_IN_FRAME() __asm volatile("" ::: "memory")

typedef void (*function_t)(void);

CULPRIT uint32_t stack_overflow(uint32_t depth)
{
    static volatile uint32_t deep_enough = UINT32_MAX;  // never: but the compiler refuses recursion without an end
    volatile uint32_t frame[16];
    frame[depth % 16] = depth;
    if (depth == deep_enough)
        return 0;
    return stack_overflow(depth + 1) + frame[depth % 16];
}

CULPRIT void null_call(void)
{
    function_t volatile nowhere = NULL;
    nowhere();
    STAY_IN_FRAME();
}

CULPRIT void unaligned_ldrd(void)
{
#if defined(__arm__)
    static uint32_t words[4];
    uint32_t low, high;
    __asm volatile("ldrd %0, %1, [%2]" : "=r"(low), "=r"(high) : "r"((const uint8_t *)words + 1) : "memory");
#endif
    STAY_IN_FRAME();
}

CULPRIT void divide_by_zero(void)
{
    volatile int32_t zero = 0;
    volatile int32_t quotient = 1000 / zero;  // of 1 / x the compiler makes comparisons
    (void)quotient;
}

CULPRIT void write_flash(void)
{
    static const uint32_t constant = 0x600d;
    *(volatile uint32_t *)(uintptr_t)&constant = 0xbad;
}

CULPRIT void endless_loop(void)
{
    for (;;)
        STAY_IN_FRAME();
}

CULPRIT void jump_outside(void)
{
    function_t volatile outside = (function_t)(uintptr_t)0x30000001;
    outside();
    STAY_IN_FRAME();
}

CULPRIT void undefined_instruction(void)
{
    __builtin_trap();
}

CULPRIT void read_outside(void)
{
    (void)*(volatile uint32_t *)(uintptr_t)0x30000000;
}

void provoke(uint8_t kind)
{
    switch (kind) {
    case PROVOKE_STACK_OVERFLOW:
        stack_overflow(0);
        break;
    case PROVOKE_NULL_CALL:
        null_call();
        break;
    case PROVOKE_UNALIGNED_LDRD:
        unaligned_ldrd();
        break;
    case PROVOKE_DIVIDE_BY_ZERO:
        divide_by_zero();
        break;
    case PROVOKE_WRITE_FLASH:
        write_flash();
        break;
    case PROVOKE_ENDLESS_LOOP:
        endless_loop();
        break;
    case PROVOKE_JUMP_OUTSIDE:
        jump_outside();
        break;
    case PROVOKE_UNDEFINED_INSTRUCTION:
        undefined_instruction();
        break;
    case PROVOKE_READ_OUTSIDE:
        read_outside();
        break;
    default:
        break;
    }
}
