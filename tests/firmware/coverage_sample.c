// What the coverage's tests run on the simulated board and, compiled by gcc --coverage, on this computer.
#include <stdint.h>

void main_program(void);
uint32_t sum_of_classes(uint32_t first, uint32_t last);

static volatile uint32_t sink;

static uint32_t classify(uint32_t value) {
    if (value > 100u) {
        sink = value;
        return 2u;
    }
    if (value == 77u) {
        sink = value * 3u;
        return 1u;
    }
    sink = 0u;
    return 0u;
}

static uint32_t never_called(uint32_t value) {
    sink = value;
    return value + 1u;
}

void main_program(void) {}

uint32_t sum_of_classes(uint32_t first, uint32_t last) {
    uint32_t sum = 0u;
    for (uint32_t value = first; value < last; value++) {
        switch (classify(value)) {
        case 0u:
            sink = value;
            sum += 1u;
            break;
        case 1u:
            sink = sum;
            sum += never_called(value);
            break;
        default:
            sink = sum + value;
            sum += 3u;
            break;
        }
    }
    return sum;
}
