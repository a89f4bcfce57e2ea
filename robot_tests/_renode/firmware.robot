*** Settings ***
Documentation       The same ELF under Renode's own keywords, without the bench: ``renode-test`` runs this, ``robot`` does not.
...
...                 ``renode-test --variable BOARD:stm32f407_disco robot_tests/_renode/firmware.robot``
...
...                 Build the firmware first: ``hil build rnnpool_face_m4 --board stm32f407_disco``; another one is named by
...                 ``--variable ELF:/path/to/firmware.elf``.
Library             OperatingSystem
Library             String
Suite Setup         Start Renode With Our Peripherals
Suite Teardown      Teardown
Test Setup          Reset Emulation
Test Teardown       Test Teardown


*** Variables ***
${BOARD}            stm32f407_disco
${REPOSITORY}       ${CURDIR}/../..
${BUILT}            ${REPOSITORY}/build/rnnpool_face_m4/${BOARD}
${ELF}              ${BUILT}/out/${BOARD}/firmware.elf
# What a board sends unasked when it has started begins so.
${STATUS}           00 02 82
# A HELLO as it stands on the wire: the frame `hello` of tests/golden/frames.txt.
@{HELLO}            0x00    0x03    0x01    0x01    0x05    0x64    0x82    0x98    0xe7    0x00    0x00


*** Test Cases ***
Answers A Hello
    Switch On
    Send Hello
    # WELCOME, and the version of the protocol
    Wait For Bytes On Uart    00 03 81 01 02 02    timeout=0.1

Greets Again After A Reset
    Switch On
    Execute Command    machine RequestReset
    Wait For Bytes On Uart    ${STATUS}    timeout=0.1

Sleeps While Nothing Comes
    Switch On
    ${before}=    Execute Command    sysbus.cpu ExecutedInstructions
    Execute Command    emulation RunFor "0.1"
    ${after}=    Execute Command    sysbus.cpu ExecutedInstructions
    ${executed}=    Evaluate    int($after, 16) - int($before, 16)
    Should Be True    0 < ${executed} < 20000    msg=${executed} instructions in 100 ms: the core does not sleep

A Jump Outside Memory Stops The Core
    Create Log Tester    0
    Switch On
    Execute Command    sysbus.cpu PC 0x30000001
    Wait For Log Entry    stopped: execute at 0x30000000    timeout=0.1
    ${halted}=    Execute Command    sysbus.cpu IsHalted
    Should Contain    ${halted}    True


*** Keywords ***
Start Renode With Our Peripherals
    Setup
    FOR    ${class}    IN    Stm32f4Dma    Stm32f4Rcc    AccessGuard
        Execute Command    include @${BUILT}/renode/${class}.cs
    END
    ${script}=    Get File    ${BUILT}/renode/run.resc
    ${uarts}=    Get Regexp Matches    ${script}    connector Connect (\\S+) link    1
    Set Suite Variable    ${UART}    ${uarts}[0]

Switch On
    [Documentation]    The board, its firmware loaded and started; it has set its clock and its UART up.
    Execute Command    mach create "${BOARD}"
    Execute Command    machine LoadPlatformDescription @${BUILT}/renode/${BOARD}.repl
    Execute Command    machine GuardAccesses
    Execute Command    sysbus LoadELF @${ELF}
    Create Terminal Tester    ${UART}    binaryMode=true    defaultPauseEmulation=true
    Wait For Bytes On Uart    ${STATUS}    timeout=0.1

Send Hello
    FOR    ${byte}    IN    @{HELLO}
        Execute Command    ${UART} WriteChar ${byte}
    END
