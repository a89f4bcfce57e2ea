# Toolchain file: GNU Arm for a bare Cortex-M4F.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR cortex-m4)

find_program(HIL_ARM_GCC arm-none-eabi-gcc)
if(NOT HIL_ARM_GCC)
    message(FATAL_ERROR
        "arm-none-eabi-gcc is not on the PATH: sudo apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi")
endif()
set(CMAKE_C_COMPILER "${HIL_ARM_GCC}")
set(CMAKE_ASM_COMPILER "${HIL_ARM_GCC}")
# A program cannot be linked before the linker script is known.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard")
set(CMAKE_ASM_FLAGS_INIT "${CMAKE_C_FLAGS_INIT}")
