// Hangs where no interrupt can end it.
#include "chip.h"

__attribute__((noinline)) static void spin(void) {
    for (;;) {
        __asm volatile("" ::: "memory");
    }
}

void main_program(void) {
    __asm volatile("cpsid i");
    spin();
}
