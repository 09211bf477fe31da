#define _GNU_SOURCE
#include "destination.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STANDARD_OUTPUT = 1, FLAGS = O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY };

static bool is_standard_output(const char *path) {
    return strcmp(path, "-") == 0;
}

static bool look(int descriptor, struct statx *found) {
    return statx(descriptor, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO | STATX_SIZE, found) == 0;
}

static uint64_t device_of(const struct statx *found) {
    return (uint64_t)found->stx_dev_major << 32 | found->stx_dev_minor;
}

/* Non-blocking belongs to the open file description, which others share: opened anew, it is ours alone (proc(5)). A
   socket cannot be, nor what another user left to us. */
static int open_standard_output(void) {
    const int own = open("/proc/self/fd/1", FLAGS);
    return own >= 0 ? own : fcntl(STANDARD_OUTPUT, F_DUPFD_CLOEXEC, STANDARD_OUTPUT + 2);
}

/* Where we may not read we cannot know. */
static bool ends_in_mid_line(int descriptor, uint64_t size) {
    char name[32], last = '\n';
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    const int reading = size == 0 ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    if (reading >= 0) {
        if (pread(reading, &last, 1, (off_t)size - 1) != 1) {
            last = '\n';
        }
        close(reading);
    }
    return last != '\n';
}

bool destination_open(struct destination *destination, const char *path) {
    const int descriptor = is_standard_output(path) ? open_standard_output() : open(path, FLAGS);
    struct statx found;
    if (descriptor < 0) {
        return false;
    }
    if (!look(descriptor, &found) || (S_ISREG(found.stx_mode) && ends_in_mid_line(descriptor, found.stx_size))) {
        close(descriptor);
        return false;
    }
    destination->descriptor = descriptor;
    destination->is_socket = S_ISSOCK(found.stx_mode);
    destination->is_blocking = (fcntl(descriptor, F_GETFL) & O_NONBLOCK) == 0;
    destination->device = device_of(&found);
    destination->inode = found.stx_ino;
    return true;
}

void destination_close(struct destination *destination) {
    if (destination->descriptor >= 0) {
        close(destination->descriptor);
    }
    destination->descriptor = -1;
}

bool destination_has_moved(const struct destination *destination, const char *path) {
    struct statx found;
    if (is_standard_output(path)) {
        return false;
    }
    return statx(AT_FDCWD, path, 0, STATX_INO, &found) != 0 || found.stx_ino != destination->inode ||
           device_of(&found) != destination->device;
}

static bool has_room(int descriptor) {
    struct pollfd one = {.fd = descriptor, .events = POLLOUT};
    return poll(&one, 1, 0) == 1 && (one.revents & POLLOUT) != 0;
}

ssize_t destination_write(const struct destination *destination, const char *line, size_t length) {
    if (destination->is_socket) {
        return send(destination->descriptor, line, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (destination->is_blocking && !has_room(destination->descriptor)) {
        return -1;
    }
    return write(destination->descriptor, line, length);
}
