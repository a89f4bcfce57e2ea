// The C library's string.h, as far as this firmware uses it: it is built without one (memory.c has the functions).
// By their builtin names, because -ffreestanding would make calls even of those copies that are one load and one store.
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);

#define memcpy(to, from, bytes) __builtin_memcpy(to, from, bytes)
#define memmove(to, from, bytes) __builtin_memmove(to, from, bytes)
#define memset(to, value, bytes) __builtin_memset(to, value, bytes)
#define memcmp(left, right, bytes) __builtin_memcmp(left, right, bytes)

#endif
