# GNU: the compiler's driver calls its own linker.
set(CMAKE_C_COMPILER "${HIL_COMPILER_PROGRAM}")
set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-nostdlib")
