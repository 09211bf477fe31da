/* A worker's permission to repeat its answer: until when, what the record says, what the request's headers become. */
#pragma once

#include <stdint.h>

#include "bytes.h"
#include "configuration.h"

enum { LONGEST_PERMIT = 9000, LONGEST_PERMIT_TEXT = (LONGEST_PERMIT + 2) / 3 * 4, RECORD_PIECES = 4 };

struct permit {
    uint64_t epoch, until;  /* until: µs since 1970 */
    bytes record[RECORD_PIECES];  /* what stands around time, decision, correlation id and duration */
    bytes headers;  /* lines `name: value\r\n` */
};

/* How many bytes stand in the text; -1 when it is no base64 (RFC 4648 §4, padded, no stray bits), or they are too many. */
ptrdiff_t base64_read(bytes text, unsigned char *into, size_t room);
/* False when anything in it is not as it must be. The pieces point into `raw`. */
bool permit_read(bytes raw, const struct names *owned, struct permit *into);
/* The next line of a block. False at its end, and where it is malformed: then `rest` is not empty. */
bool header_line_next(bytes *rest, bytes *name, bytes *value);

static inline bool is_removal(bytes name) {
    return same(name, TEXT("x-envoy-auth-headers-to-remove"));
}

static inline bool is_user_key(bytes name) {
    return same(name, TEXT("x-authz-user"));
}

/* The next of `a,b,c`; false when nothing is left. */
bool removed_name_next(bytes *rest, bytes *name);
