*** Settings ***
Documentation       How long an image takes, in the board's cycles.
Resource            bench.resource
Test Tags           area:performance    needs:cycles
Suite Setup         Boot Board And Stream Portrait
Suite Teardown      Switch Board Off


*** Test Cases ***
An Image Takes Less Than Two Seconds
    [Documentation]    At 168 MHz.
    Cycles Should Be Below    336 000 000

No Layer But RNNPool Takes More Than A Fifth Of A Second
    Cycles Should Be Below    33 600 000    layer=conv0
    Cycles Should Be Below    33 600 000    layer=mob0_expand

All Numbers Keep The Board's Limits
    Measurements Should Keep Their Limits
