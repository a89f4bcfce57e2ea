// Faults on request, each in a function of its name, so that a test can ask whether the report names the culprit.
#ifndef PROVOKE_H
#define PROVOKE_H

#include <stdint.h>

enum { PROVOKE_STACK_OVERFLOW = 1, PROVOKE_NULL_CALL, PROVOKE_UNALIGNED_LDRD, PROVOKE_DIVIDE_BY_ZERO, PROVOKE_WRITE_FLASH,
       PROVOKE_ENDLESS_LOOP, PROVOKE_JUMP_OUTSIDE, PROVOKE_UNDEFINED_INSTRUCTION, PROVOKE_READ_OUTSIDE };

// Returns only if this machine cannot do it, or lets it pass.
void provoke(uint8_t kind);

#endif
