// Between the files of this port.
#ifndef NATIVE_H
#define NATIVE_H

// Has signals reported over the link as the board reports faults.
void faults_start(void);

#endif
