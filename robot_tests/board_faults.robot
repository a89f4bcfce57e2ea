*** Settings ***
Documentation       A crash is reported with the function it happened in, and the next run is clean.
Resource            bench.resource
Test Tags           area:faults    needs:faults
Suite Setup         Boot Board
Suite Teardown      Switch Board Off
Test Setup          Boot Board
Test Template       Crash Should Be Reported


*** Test Cases ***    KIND
Stack Overflow    stack overflow
Call Of Address Zero    null call
Division By Zero    divide by zero
Write To Flash    write flash
Undefined Instruction    undefined instruction
Jump To Where There Is No Memory    jump outside
Read From Where There Is No Memory    read outside
Endless Loop    endless loop

The Next Run Is Clean
    [Template]    NONE
    Provoke Crash    null call
    Boot Board
    Stream Image    coins
    Detections Should Match Reference


*** Keywords ***
Crash Should Be Reported
    [Arguments]    ${kind}
    ${crash} =    Provoke Crash    ${kind}
    Crash Should Be In    ${kind.replace(' ', '_')}    provoke.c
    Should Match Regexp    ${{ str($crash) }}    PC 0x[0-9a-f]{8}
