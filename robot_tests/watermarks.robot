*** Settings ***
Documentation       Memory: what was planned, what is proven, what was painted over, what was seen from outside.
Resource            bench.resource
Test Tags           area:memory    needs:memory
Suite Setup         Boot Board And Stream Portrait
Suite Teardown      Switch Board Off


*** Test Cases ***
The Arena Is Used As Planned
    Arena Should Be Used As Planned

The Stack Stays Far From Its End
    Stack High Water Mark Should Be Below    2 048

Nothing Is Allocated
    Heap High Water Mark Should Be Below    1

Everything Fits The Smaller Board
    Ram Should Be Below    196 608

The Painted Stack Is The One Seen From Outside
    Watermarks Should Agree
