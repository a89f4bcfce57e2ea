# Toolchain file for a bare Cortex-M4F: HIL_COMPILER says which compiler (a name or a path), arm-none-eabi-gcc without.
# What the compilers differ in is in toolchain/; `hil build --toolchain` sets HIL_COMPILER.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR cortex-m4)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES HIL_COMPILER)

if(NOT HIL_COMPILER)
    set(HIL_COMPILER arm-none-eabi-gcc)
endif()
find_program(HIL_COMPILER_PROGRAM "${HIL_COMPILER}")
if(NOT HIL_COMPILER_PROGRAM)
    message(FATAL_ERROR "${HIL_COMPILER} is not on the PATH: sudo apt-get install gcc-arm-none-eabi, "
        "or pip install 'rnnpool-hil[toolchain]', whose compiler hil build finds")
endif()

cmake_path(GET HIL_COMPILER_PROGRAM FILENAME program)
if(program MATCHES "clang")
    set(HIL_COMPILER_FAMILY clang)
elseif(program MATCHES "zig")
    set(HIL_COMPILER_FAMILY zig)
else()
    set(HIL_COMPILER_FAMILY gcc)
endif()
include("${CMAKE_CURRENT_LIST_DIR}/toolchain/${HIL_COMPILER_FAMILY}.cmake")

# No trial programs: none can be linked before the linker script is known, and a compiler alone may come without `ar`.
set(CMAKE_C_COMPILER_WORKS TRUE)
set(CMAKE_C_ABI_COMPILED TRUE)
