# A firmware beside the detector's, on the same port and the same frames: firmware_src/calibration, firmware_src/camera.
# Included after project(); the target `firmware` is made of the project's C files.
set(HIL_BOARD "" CACHE STRING "a board's name")
set(HIL_BOARD_DIR "" CACHE PATH "generated board.h and memory.ld")
set(HIL_BAUD "" CACHE STRING "speed of the link; empty: the board's own")
set(HIL_RX_RING_BYTES 2048 CACHE STRING "receive ring, a power of two")

# platforms/board.cmake goes by the source directory, which is the whole firmware's everywhere else.
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH CMAKE_SOURCE_DIR)
include("${CMAKE_CURRENT_LIST_DIR}/board.cmake")

set(SOURCES "${CMAKE_SOURCE_DIR}/firmware_src")
file(GLOB OWN "${PROJECT_SOURCE_DIR}/*.c")
file(GLOB PORT "${SOURCES}/port/stm32f4/*.c")
add_executable(firmware ${OWN} ${PORT} "${SOURCES}/app/frame.c")
hil_board_definitions(firmware)
target_include_directories(firmware PRIVATE "${SOURCES}/include" "${SOURCES}/app" "${SOURCES}/port/stm32f4")
set_target_properties(firmware PROPERTIES C_STANDARD 11 C_EXTENSIONS ON)
target_compile_options(firmware PRIVATE -Wall -Wextra -Werror -O2 -g3 -ffunction-sections -fdata-sections
    "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.")
target_link_options(firmware PRIVATE LINKER:--gc-sections)
hil_link_for_board(firmware)
