# What a board's folder says, as compiler definitions and linker options.

if(HIL_COMPILER_FAMILY STREQUAL "zig")
    set(CMAKE_C_LINKER_WRAPPER_FLAG "")  # its linker is called as it is, without a driver that takes -Xlinker
endif()

# Reads `key = number` or `key = "text"` of board.toml: every key we ask for stands there once.
function(hil_board_value key result)
    file(STRINGS "${CMAKE_SOURCE_DIR}/platforms/${HIL_BOARD}/board.toml" lines REGEX "^${key} = ")
    list(LENGTH lines count)
    if(NOT count EQUAL 1)
        message(FATAL_ERROR "platforms/${HIL_BOARD}/board.toml has ${count} lines `${key} = ...`, expected one")
    endif()
    string(REGEX REPLACE "^${key} = \"?([^\" #]*).*$" "\\1" value "${lines}")
    string(REPLACE "_" "" number "${value}")
    if(number MATCHES "^[0-9]+$")
        set(value "${number}")
    endif()
    set(${result} "${value}" PARENT_SCOPE)
endfunction()

function(hil_board_definitions target)
    if(HIL_BOARD STREQUAL "native")
        target_compile_definitions(${target} PRIVATE BOARD_NAME="native" BOARD_CLOCK_HZ=0 BOARD_BAUD=0 BOARD_STACK_BYTES=0)
        return()
    endif()
    if(NOT EXISTS "${CMAKE_SOURCE_DIR}/platforms/${HIL_BOARD}/board.toml")
        message(FATAL_ERROR "no board is called ${HIL_BOARD}: platforms/${HIL_BOARD}/board.toml is not there")
    endif()
    foreach(key clock_hz hse_hz flash_wait_states stack_bytes)
        hil_board_value(${key} value)
        string(TOUPPER "BOARD_${key}" name)
        target_compile_definitions(${target} PRIVATE ${name}=${value})
    endforeach()
    if(HIL_BAUD)
        set(baud ${HIL_BAUD})
    else()
        hil_board_value(baud baud)
    endif()
    target_compile_definitions(${target} PRIVATE
        BOARD_NAME="${HIL_BOARD}" BOARD_BAUD=${baud} BOARD_RX_RING_BYTES=${HIL_RX_RING_BYTES})
    target_include_directories(${target} PRIVATE platforms/${HIL_BOARD})
endfunction()

function(hil_link_for_board target)
    hil_board_value(stack_bytes stack_bytes)
    set(script "${CMAKE_SOURCE_DIR}/platforms/${HIL_BOARD}/memory.ld")
    set_target_properties(${target} PROPERTIES SUFFIX .elf LINK_DEPENDS "${script};${CMAKE_SOURCE_DIR}/platforms/sections.ld")
    # No C library: port/stm32f4 has the four functions that compilers expect, and their header.
    target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/firmware_src/port/stm32f4/include")
    # r7 is the frame pointer where there is one, and the kernels' inner loops need it.
    target_compile_options(${target} PRIVATE
        -ffreestanding -fomit-frame-pointer -fno-unwind-tables -fno-asynchronous-unwind-tables)
    target_link_options(${target} PRIVATE
        "-T${script}" "-L${CMAKE_SOURCE_DIR}/platforms"
        LINKER:--defsym=STACK_BYTES=${stack_bytes} LINKER:-Map=firmware.map)
endfunction()
