# clang of the system, with lld of the same version beside it.
set(CMAKE_C_COMPILER "${HIL_COMPILER_PROGRAM}")
set(CMAKE_C_COMPILER_TARGET arm-none-eabi)
set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-nostdlib -fuse-ld=lld")
