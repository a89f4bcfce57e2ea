# zig: clang and lld in one program. Linked without its driver, which would add a library of its own.
set(CMAKE_C_COMPILER "${HIL_COMPILER_PROGRAM}" cc)
set(CMAKE_C_FLAGS_INIT "-target thumb-freestanding-eabihf -mcpu=cortex_m4+vfp4d16sp")
set(CMAKE_C_LINK_EXECUTABLE "\"${HIL_COMPILER_PROGRAM}\" ld.lld <LINK_FLAGS> <OBJECTS> -o <TARGET> <LINK_LIBRARIES>")
