*** Settings ***
Documentation       A camera's board streams photos from its flash to a detector's, both in one emulation, under Renode's own
...                 keywords: ``renode-test robot_tests/_renode/camera.robot``.
...
...                 Build both firmwares first: ``hil renode camera rnnpool_face_m4 photo.jpg --fit``; another folder is named
...                 by ``--variable PROJECT:/path/to/folder``, the number of its photos by ``--variable PHOTOS:2``.
Suite Setup         Setup
Suite Teardown      Teardown
Test Setup          Reset Emulation
Test Teardown       Test Teardown


*** Variables ***
${PROJECT}          ${CURDIR}/../../build/camera
${PHOTOS}           1


*** Test Cases ***
The Detector Answers All Of The Cameras Photos
    Execute Command    include @${PROJECT}/two_boards.resc
    Execute Command    mach set "camera"
    ${camera}=    Execute Command    sysbus GetSymbolAddress "camera"
    Wait Until Keyword Succeeds    20x    0s    Photos Should Be Done    ${camera.strip()}
    ${repeated}=    Execute Command    sysbus ReadDoubleWord ${{ hex(int($camera, 16) + 4) }}
    Should Be Equal As Integers    ${repeated.strip()}    0    msg=frames were lost


*** Keywords ***
Photos Should Be Done
    [Documentation]    Half a second on, as many photos are done as there are.
    [Arguments]    ${camera}
    Execute Command    emulation RunFor "0.5"
    ${done}=    Execute Command    sysbus ReadDoubleWord ${camera}
    Should Be Equal As Integers    ${done.strip()}    ${PHOTOS}
