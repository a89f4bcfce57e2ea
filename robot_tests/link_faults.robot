*** Settings ***
Documentation       A line that does harm costs repetitions, which are counted, and nothing else.
Resource            bench.resource
Test Tags           area:link    needs:none
Suite Setup         Boot Board
Suite Teardown      Switch Board Off
Test Teardown       Make Line Quiet


*** Test Cases ***
A Quiet Line Repeats Nothing
    Stream Image    astronaut
    Detections Should Match Reference
    No Frame Should Have Been Repeated

Tiles That Arrive Damaged Are Sent Again
    Corrupt Next Frame    TILE    count=3
    Stream Image    astronaut
    Harm Should Have Cost Repetitions

Tiles That Are Cut Short Are Sent Again
    Cut Next Frame    TILE    count=3
    Stream Image    astronaut
    Harm Should Have Cost Repetitions

Requests And Answers That Get Lost Are Repeated
    Drop Next Frame    BEGIN
    Drop Next Frame    READ    count=2
    Corrupt Next Answer    count=2
    Stream Image    astronaut
    Harm Should Have Cost Repetitions

Garbage In Front Of A Tile Is Ignored
    Send Garbage Before Next Frame    TILE    count=2
    Stream Image    astronaut
    Harm Should Have Cost Repetitions

Tiles That Come Twice Or Late Change Nothing
    Double Next Frame    TILE    count=2
    Delay Next Frame    TILE    count=2
    Stream Image    astronaut
    Frames Should Have Been Harmed
    Detections Should Match Reference

A Noisy Line Only Takes Longer
    Make Line Noisy    damaged=0.0005    dropped=0.0005
    Stream Image    astronaut
    Frames Should Have Been Repeated
    Detections Should Match Reference


*** Keywords ***
Harm Should Have Cost Repetitions
    Frames Should Have Been Harmed
    Frames Should Have Been Repeated
    Detections Should Match Reference
