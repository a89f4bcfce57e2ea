// The four functions that a compiler expects of every C library, and the names that the Arm run-time ABI (IHI 0043, 5.3.4)
// gives them: with them the firmware needs no library at all.
//
// Words at a time. The core loads and stores a word at any address; where only one side can be at a word's address, it is the
// one written, because a load that straddles two words costs one cycle more and a store two.
#include <stddef.h>
#include <stdint.h>

typedef uint32_t __attribute__((may_alias, aligned(1))) word_t;  // aligned(1): no LDM or LDRD, which fault there

#define WORD sizeof(word_t)
#define BLOCK 64  // bytes
// In a loop, keeps the compiler from seeing a memcpy or memset in it, and from calling what it is in the middle of.
#define PLAIN_LOOP() __asm volatile("" ::: "memory")

// Whole blocks between word addresses, upwards: loads in a row and stores in a row cost a cycle each, in turns two and one.
__attribute__((noinline)) static void copy_blocks(uint8_t *to, const uint8_t *from, const uint8_t *end)
{
    __asm volatile(
        "1:\n\t"
        "ldmia %[from]!, {r3, r4, r5, r6, r8, r9, r10, r12}\n\t"
        "stmia %[to]!, {r3, r4, r5, r6, r8, r9, r10, r12}\n\t"
        "ldmia %[from]!, {r3, r4, r5, r6, r8, r9, r10, r12}\n\t"
        "stmia %[to]!, {r3, r4, r5, r6, r8, r9, r10, r12}\n\t"
        "cmp %[from], %[end]\n\t"
        "bne 1b"
        : [to] "+r"(to), [from] "+r"(from)
        : [end] "r"(end)
        : "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "cc", "memory");
}

static inline void copy_word(uint8_t *to, const uint8_t *from)
{
    *(word_t *)to = *(const word_t *)from;
}

// Upwards: right for areas that overlap, too, if `to` is the lower one.
static inline void copy_up(uint8_t *to, const uint8_t *from, size_t bytes)
{
    if (bytes >= 2 * WORD) {
        for (; (uintptr_t)to % WORD != 0; bytes--) {
            *to++ = *from++;
            PLAIN_LOOP();
        }
        if (bytes >= 2 * BLOCK && (uintptr_t)from % WORD == 0) {
            const size_t blocks = bytes / BLOCK * BLOCK;
            copy_blocks(to, from, from + blocks);
            to += blocks;
            from += blocks;
            bytes %= BLOCK;
        }
        for (; bytes >= 4 * WORD; bytes -= 4 * WORD, to += 4 * WORD, from += 4 * WORD) {
            copy_word(to, from);
            copy_word(to + WORD, from + WORD);
            copy_word(to + 2 * WORD, from + 2 * WORD);
            copy_word(to + 3 * WORD, from + 3 * WORD);
            PLAIN_LOOP();
        }
        for (; bytes >= WORD; bytes -= WORD, to += WORD, from += WORD) {
            copy_word(to, from);
            PLAIN_LOOP();
        }
    }
    for (; bytes != 0; bytes--) {
        *to++ = *from++;
        PLAIN_LOOP();
    }
}

// Downwards, from the ends: for areas that overlap and `to` is the higher one.
static inline void copy_down(uint8_t *to, const uint8_t *from, size_t bytes)
{
    to += bytes;
    from += bytes;
    if (bytes >= 2 * WORD) {
        for (; (uintptr_t)to % WORD != 0; bytes--) {
            *--to = *--from;
            PLAIN_LOOP();
        }
        for (; bytes >= 4 * WORD; bytes -= 4 * WORD) {
            to -= 4 * WORD;
            from -= 4 * WORD;
            copy_word(to + 3 * WORD, from + 3 * WORD);
            copy_word(to + 2 * WORD, from + 2 * WORD);
            copy_word(to + WORD, from + WORD);
            copy_word(to, from);
            PLAIN_LOOP();
        }
        for (; bytes >= WORD; bytes -= WORD) {
            to -= WORD;
            from -= WORD;
            copy_word(to, from);
            PLAIN_LOOP();
        }
    }
    for (; bytes != 0; bytes--) {
        *--to = *--from;
        PLAIN_LOOP();
    }
}

static inline void fill(uint8_t *to, uint8_t value, size_t bytes)
{
    if (bytes >= 2 * WORD) {
        for (; (uintptr_t)to % WORD != 0; bytes--) {
            *to++ = value;
            PLAIN_LOOP();
        }
        const uint32_t word = value * 0x01010101u;
        for (; bytes >= 8 * WORD; bytes -= 8 * WORD, to += 8 * WORD) {
            for (size_t i = 0; i < 8; i++)
                ((word_t *)to)[i] = word;
            PLAIN_LOOP();
        }
        for (; bytes >= WORD; bytes -= WORD, to += WORD) {
            *(word_t *)to = word;
            PLAIN_LOOP();
        }
    }
    for (; bytes != 0; bytes--) {
        *to++ = value;
        PLAIN_LOOP();
    }
}

void *memcpy(void *to, const void *from, size_t bytes)
{
    copy_up(to, from, bytes);
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    if ((uintptr_t)to - (uintptr_t)from >= bytes)
        copy_up(to, from, bytes);
    else
        copy_down(to, from, bytes);
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    fill(to, (uint8_t)value, bytes);
    return to;
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

// The ABI's take the value last, and promise nothing about what they return.
static void aeabi_memset(void *to, size_t bytes, int value)
{
    fill(to, (uint8_t)value, bytes);
}

static void aeabi_memclr(void *to, size_t bytes)
{
    fill(to, 0, bytes);
}

#define ALIAS(name) __attribute__((used, alias(#name)))
ALIAS(memcpy) void *__aeabi_memcpy(void *to, const void *from, size_t bytes);
ALIAS(memcpy) void *__aeabi_memcpy4(void *to, const void *from, size_t bytes);
ALIAS(memcpy) void *__aeabi_memcpy8(void *to, const void *from, size_t bytes);
ALIAS(memmove) void *__aeabi_memmove(void *to, const void *from, size_t bytes);
ALIAS(memmove) void *__aeabi_memmove4(void *to, const void *from, size_t bytes);
ALIAS(memmove) void *__aeabi_memmove8(void *to, const void *from, size_t bytes);
ALIAS(aeabi_memset) void __aeabi_memset(void *to, size_t bytes, int value);
ALIAS(aeabi_memset) void __aeabi_memset4(void *to, size_t bytes, int value);
ALIAS(aeabi_memset) void __aeabi_memset8(void *to, size_t bytes, int value);
ALIAS(aeabi_memclr) void __aeabi_memclr(void *to, size_t bytes);
ALIAS(aeabi_memclr) void __aeabi_memclr4(void *to, size_t bytes);
ALIAS(aeabi_memclr) void __aeabi_memclr8(void *to, size_t bytes);
