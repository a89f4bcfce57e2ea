#include <string.h>

// Nothing runs here: the functions are kept, under both their names, for the test to call.
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
void *__aeabi_memcpy(void *, const void *, size_t);
void *__aeabi_memmove4(void *, const void *, size_t);
void __aeabi_memset8(void *, size_t, int);
void __aeabi_memclr(void *, size_t);

typedef void (*function_t)(void);
__attribute__((section(".vectors"), used)) const function_t kept[] = {
    (function_t)0x20020000, (function_t)memcpy, (function_t)memmove, (function_t)memset, (function_t)memcmp,
    (function_t)__aeabi_memcpy, (function_t)__aeabi_memmove4, (function_t)__aeabi_memset8, (function_t)__aeabi_memclr,
};

void reset_handler(void)
{
}
