# What a board's folder says: board.h for the port, memory.ld for the linker. HIL_BOARD_DIR has both, made from board.toml.

if(HIL_COMPILER_FAMILY STREQUAL "zig")
    set(CMAKE_C_LINKER_WRAPPER_FLAG "")  # its linker is called as it is, without a driver that takes -Xlinker
endif()

function(hil_board_definitions target)
    if(HIL_BOARD STREQUAL "native")
        return()  # firmware_src/port/native/board.h
    endif()
    foreach(file board.h memory.ld)
        if(NOT EXISTS "${HIL_BOARD_DIR}/${file}")
            message(FATAL_ERROR "no ${file} of ${HIL_BOARD} in HIL_BOARD_DIR (${HIL_BOARD_DIR}): hil build makes it")
        endif()
    endforeach()
    target_compile_definitions(${target} PRIVATE BOARD_RX_RING_BYTES=${HIL_RX_RING_BYTES})
    if(HIL_BAUD)
        target_compile_definitions(${target} PRIVATE BOARD_BAUD=${HIL_BAUD})
    endif()
    target_include_directories(${target} PRIVATE "${HIL_BOARD_DIR}")
endfunction()

function(hil_link_for_board target)
    set(script "${HIL_BOARD_DIR}/memory.ld")
    set_target_properties(${target} PROPERTIES SUFFIX .elf LINK_DEPENDS "${script};${CMAKE_SOURCE_DIR}/platforms/sections.ld")
    # No C library: port/stm32f4 has the four functions that compilers expect, and their header.
    target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/firmware_src/port/stm32f4/include")
    # r7 is the frame pointer where there is one, and the kernels' inner loops need it.
    target_compile_options(${target} PRIVATE
        -ffreestanding -fomit-frame-pointer -fno-unwind-tables -fno-asynchronous-unwind-tables)
    target_link_options(${target} PRIVATE
        "-T${script}" "-L${CMAKE_SOURCE_DIR}/platforms" LINKER:-Map=firmware.map)
endfunction()
