// Which chip this is.
#include <string.h>

#include "port.h"
#include "stm32f4.h"

uint32_t port_chip_id(void)
{
    return DBGMCU_IDCODE;
}

void port_unique_id(uint8_t id[12])
{
    const uint32_t words[3] = {UNIQUE_ID[0], UNIQUE_ID[1], UNIQUE_ID[2]};
    memcpy(id, words, sizeof words);
}
