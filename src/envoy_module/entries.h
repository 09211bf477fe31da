/* Permits by the key of their request: of one thread and one filter. Bounded; the oldest goes first. */
#pragma once

#include <stdint.h>

#include "permit.h"

enum { MOST_ENTRIES = 4096, MOST_BYTES = 8 << 20 };

struct entry {
    struct permit permit;
    uint64_t since;  /* µs since 1970 */
    /* Theirs alone: */
    uint64_t hash;
    struct entry *next;  /* in its bucket */
    struct entry *older, *newer;
    size_t size;
    bytes key;
    char content[];  /* the key, then the permit */
};

struct entries;

struct entries *entries_new(void);  /* or NULL */
void entries_free(struct entries *entries);
/* Only for the very same key. */
struct entry *entries_find(struct entries *entries, bytes key);
/* Copies both, in place of what was there. False when the permit is malformed, or there is no memory. */
bool entries_put(struct entries *entries, bytes key, bytes raw_permit, const struct names *owned, uint64_t since);
void entries_remove(struct entries *entries, struct entry *entry);
size_t entries_count(const struct entries *entries);
size_t entries_bytes(const struct entries *entries);
