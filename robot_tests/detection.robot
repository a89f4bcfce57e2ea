*** Settings ***
Documentation       What the firmware computes, against the integer reference and the float model.
Resource            bench.resource
Test Tags           area:accuracy    needs:none
Suite Setup         Boot Board
Suite Teardown      Switch Board Off


*** Test Cases ***
The Face In A Portrait Is Found
    Stream Image    astronaut
    Detections Should Match Reference
    Box Should Be Found At    119    26    169    81
    Best Score Should Be Above    0.8
    Detections Should Match Float Model

A Photo Without People Has No Face
    Stream Image    coins
    Detections Should Match Reference
    No Confident Box Should Be Found    score=0.9

Inputs That No Photo Has Are Computed Alike
    FOR    ${image}    IN    black    noise
        Stream Image    ${image}
        Detections Should Match Reference
    END

The Same Image Gives The Same Boxes Again
    ${first} =    Stream Image    astronaut
    Reset Board
    ${second} =    Stream Image    astronaut
    Should Be Equal    ${first.detections.tolist()}    ${second.detections.tolist()}
