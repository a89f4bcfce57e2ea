#include "photos.h"

__asm(".section .rodata.photos, \"a\"\n"
      ".global photos_start, photos_end\n"
      "photos_start: .incbin \"" CAMERA_PHOTOS "\"\n"
      "photos_end:\n"
      ".text\n");
