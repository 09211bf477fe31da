/* Where records go: opened for appending and without ever blocking, as `audit/destinations.py` and `audit/sink.py`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct destination {
    int descriptor;  /* -1: not open */
    bool is_socket, is_blocking;
    uint64_t device, inode;  /* what stood at the path when it was opened */
};

/* Never creates a file: the workers do. Not while its last line has no end: the workers mend that, too. */
bool destination_open(struct destination *destination, const char *path);
void destination_close(struct destination *destination);
/* Another file, or none, stands there since it was opened. */
bool destination_has_moved(const struct destination *destination, const char *path);
/* As write(2): -1 when nothing was written, else how much. */
ssize_t destination_write(const struct destination *destination, const char *line, size_t length);
