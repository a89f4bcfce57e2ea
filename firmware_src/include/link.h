// The board's end of the link, as the rest of the application uses it.
#ifndef LINK_H
#define LINK_H

// Handles the frames that have arrived, as far as a row is not complete, and answers them all with one status.
void link_serve(void);

// Sends the rest of what the host reads, before it is written over.
void link_finish_reading(void);

// Says how far the image is, unasked.
void link_send_status(void);

#endif
