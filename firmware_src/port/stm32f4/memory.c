// The four functions that a compiler expects of any C library, and the names that the Arm run-time ABI (IHI 0043, 5.3.4) gives
// them: with these the firmware needs no library at all.
//
// A word at a time: the core loads and stores one at any address. Where only one side's addresses can be multiples of four it is
// the one written, and few bytes are not worth aligning. Written in instructions, to be as fast with every compiler.
#include <stddef.h>
#include <stdint.h>

typedef uint32_t __attribute__((may_alias, aligned(1))) word_t;  // aligned(1): no LDM or LDRD, which fault there

#define WORD sizeof(word_t)
// In a loop, keeps a compiler from seeing memcmp in it, and from calling what it is in the middle of.
#define PLAIN_LOOP() __asm volatile("" ::: "memory")

#define NAKED __attribute__((naked))
#define UNUSED __attribute__((unused))
#define UP_WORD "ldr r3, [r1], #4\n str r3, [r0], #4\n"
#define UP_4_WORDS "ldmia r1!, {r3-r6}\n stmia r0!, {r3-r6}\n"
#define UP_4_WORDS_UNALIGNED \
    "ldr r3, [r1]\n ldr r4, [r1, #4]\n ldr r5, [r1, #8]\n ldr r6, [r1, #12]\n adds r1, #16\n stmia r0!, {r3-r6}\n"
#define DOWN_WORD "ldr r3, [r1, #-4]!\n str r3, [r0, #-4]!\n"

// Upwards, with nothing loaded after a higher address has been stored: memmove relies on it. Four loads and four stores in a
// row cost ten cycles, in turns twelve.
NAKED void *memcpy(UNUSED void *to, UNUSED const void *from, UNUSED size_t bytes)
{
    __asm volatile(
        "mov r12, r0\n"
        "subs r2, #32\n"
        "blo 5f\n"
        "push {r4-r6}\n"
        "orr r3, r0, r1\n"
        "lsls r3, r3, #30\n"
        "bne 2f\n"
        "1: " UP_4_WORDS UP_4_WORDS
        "subs r2, #32\n"
        "bhs 1b\n"
        "4: pop {r4-r6}\n"
        "lsls r3, r2, #27\n"
        "beq 7f\n"
        "5: lsls r3, r2, #28\n"  // the last five bits of the count; C: sixteen bytes, N: eight
        "bcc 6f\n" UP_WORD UP_WORD UP_WORD UP_WORD
        "6: itttt mi\n ldrmi r3, [r1], #4\n strmi r3, [r0], #4\n ldrmi r3, [r1], #4\n strmi r3, [r0], #4\n"
        "lsls r2, r2, #30\n"  // C: four, N: two
        "itt cs\n ldrcs r3, [r1], #4\n strcs r3, [r0], #4\n"
        "beq 7f\n"
        "itt mi\n ldrhmi r3, [r1], #2\n strhmi r3, [r0], #2\n"
        "lsls r2, r2, #1\n"
        "itt mi\n ldrbmi r3, [r1]\n strbmi r3, [r0]\n"
        "7: mov r0, r12\n"
        "bx lr\n"
        "2: rsb r3, r0, #0\n"
        "ands r3, r3, #3\n"
        "beq 3f\n"
        "subs r2, r2, r3\n"  // may go below 0: the count of the tail is right all the same
        "lsls r3, r3, #31\n"  // N: one byte to the next even address, C: two more to the next word
        "itt mi\n ldrbmi r3, [r1], #1\n strbmi r3, [r0], #1\n"
        "itt cs\n ldrhcs r3, [r1], #2\n strhcs r3, [r0], #2\n"
        "cmp r2, #0\n"
        "blt 4b\n"
        "lsls r3, r1, #30\n"
        "beq 1b\n"
        "3: " UP_4_WORDS_UNALIGNED UP_4_WORDS_UNALIGNED
        "subs r2, #32\n"
        "bhs 3b\n"
        "b 4b\n");
}

// Downwards where `to` lies within what is copied.
NAKED void *memmove(UNUSED void *to, UNUSED const void *from, UNUSED size_t bytes)
{
    __asm volatile(
        "subs r3, r0, r1\n"
        "cmp r3, r2\n"  // as unsigned numbers: no less if `to` is the lower one
        "blo 1f\n"
        "b memcpy\n"
        "1: add r0, r2\n"
        "add r1, r2\n"
        "subs r2, #16\n"
        "blo 3f\n"
        ".balign 4\n"
        "2: " DOWN_WORD DOWN_WORD DOWN_WORD DOWN_WORD
        "subs r2, #16\n"
        "bhs 2b\n"
        "3: lsls r3, r2, #29\n"  // the last four bits of the count; C: eight bytes, N: four
        "itttt cs\n ldrcs r3, [r1, #-4]!\n strcs r3, [r0, #-4]!\n ldrcs r3, [r1, #-4]!\n strcs r3, [r0, #-4]!\n"
        "itt mi\n ldrmi r3, [r1, #-4]!\n strmi r3, [r0, #-4]!\n"
        "lsls r2, r2, #31\n"  // C: two, N: one
        "itt cs\n ldrhcs r3, [r1, #-2]!\n strhcs r3, [r0, #-2]!\n"
        "itt mi\n ldrbmi r3, [r1, #-1]!\n strbmi r3, [r0, #-1]!\n"
        "bx lr\n");
}

NAKED void *memset(UNUSED void *to, UNUSED int value, UNUSED size_t bytes)
{
    __asm volatile(
        "uxtb r1, r1\n"
        "orr r1, r1, r1, lsl #8\n"
        "orr r1, r1, r1, lsl #16\n"
        "mov r12, r0\n"
        "cmp r2, #16\n"
        "blo 3f\n"
        "rsb r3, r0, #0\n"
        "ands r3, r3, #3\n"
        "beq 1f\n"
        "subs r2, r2, r3\n"
        "lsls r3, r3, #31\n"
        "it mi\n strbmi r1, [r0], #1\n"
        "it cs\n strhcs r1, [r0], #2\n"
        "1: subs r2, #32\n"
        "blo 3f\n"
        ".balign 4\n"
        "2: str r1, [r0]\n str r1, [r0, #4]\n str r1, [r0, #8]\n str r1, [r0, #12]\n"
        "str r1, [r0, #16]\n str r1, [r0, #20]\n str r1, [r0, #24]\n str r1, [r0, #28]\n"
        "adds r0, #32\n"
        "subs r2, #32\n"
        "bhs 2b\n"
        "3: lsls r3, r2, #28\n"  // C: sixteen bytes, N: eight
        "itttt cs\n strcs r1, [r0], #4\n strcs r1, [r0], #4\n strcs r1, [r0], #4\n strcs r1, [r0], #4\n"
        "itt mi\n strmi r1, [r0], #4\n strmi r1, [r0], #4\n"
        "lsls r2, r2, #30\n"  // C: four, N: two
        "it cs\n strcs r1, [r0], #4\n"
        "beq 4f\n"
        "it mi\n strhmi r1, [r0], #2\n"
        "lsls r2, r2, #1\n"
        "it mi\n strbmi r1, [r0]\n"
        "4: mov r0, r12\n"
        "bx lr\n");
}

int memcmp(const void *left, const void *right, size_t bytes)
{
    const uint8_t *a = left, *b = right;
    for (; bytes >= WORD && *(const word_t *)a == *(const word_t *)b; bytes -= WORD, a += WORD, b += WORD)
        PLAIN_LOOP();
    for (; bytes != 0; bytes--, a++, b++) {
        if (*a != *b)
            return *a - *b;
        PLAIN_LOOP();
    }
    return 0;
}

// The ABI's take the value last.
static void aeabi_memset(void *to, size_t bytes, int value)
{
    memset(to, value, bytes);
}

static void aeabi_memclr(void *to, size_t bytes)
{
    memset(to, 0, bytes);
}

// Those with 4 or 8 in their names may take pointers and count to be multiples of it.
#define ALIAS(function, type, name, ...)                                      \
    __attribute__((alias(#function))) type __aeabi_##name(__VA_ARGS__);       \
    __attribute__((alias(#function))) type __aeabi_##name##4(__VA_ARGS__);    \
    __attribute__((alias(#function))) type __aeabi_##name##8(__VA_ARGS__);
ALIAS(memcpy, void *, memcpy, void *, const void *, size_t)
ALIAS(memmove, void *, memmove, void *, const void *, size_t)
ALIAS(aeabi_memset, void, memset, void *, size_t, int)
ALIAS(aeabi_memclr, void, memclr, void *, size_t)
