// What the fuzz targets share.
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the line has to say.
void fuzz_input(const uint8_t *bytes, size_t count);
bool fuzz_is_at_end(void);

// Whether the machine keeps a fault report.
bool fuzz_has_fault(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
