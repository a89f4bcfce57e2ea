// The photos in the camera's flash, one behind the other.
#ifndef PHOTOS_H
#define PHOTOS_H

#include <stdint.h>

#define PHOTO_BYTES ((uint32_t)CAMERA_PHOTO_BYTES)

extern const uint8_t photos_start[], photos_end[];

#endif
