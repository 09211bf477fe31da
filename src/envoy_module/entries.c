#include "entries.h"

#include <stdlib.h>
#include <sys/random.h>

enum { BUCKETS = 8192 };

struct entries {
    uint64_t secret[2];
    size_t count, size;
    struct entry *oldest, *newest;
    struct entry *buckets[BUCKETS];
};

static uint64_t turned(uint64_t word, int by) {
    return word << by | word >> (64 - by);
}

static void stirred(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = turned(v[1], 13) ^ v[0];
    v[3] = turned(v[3], 16) ^ v[2];
    v[0] = turned(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = turned(v[1], 17) ^ v[2];
    v[3] = turned(v[3], 21) ^ v[0];
    v[2] = turned(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein): nobody can choose requests that all fall into one bucket. */
static uint64_t hashed(const uint64_t secret[2], bytes text) {
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d, secret[0] ^ 0x6c7967656e657261,
                     secret[1] ^ 0x7465646279746573};
    uint64_t word = 0;
    size_t at = 0;
    for (; at + 8 <= text.length; at += 8) {
        memcpy(&word, text.ptr + at, 8);
        v[3] ^= word;
        stirred(v);
        v[0] ^= word;
    }
    word = (uint64_t)text.length << 56;
    for (size_t i = 0; at + i < text.length; i++) {
        word |= (uint64_t)(unsigned char)text.ptr[at + i] << (8 * i);
    }
    v[3] ^= word;
    stirred(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    stirred(v);
    stirred(v);
    stirred(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct entries *entries_new(void) {
    struct entries *const entries = calloc(1, sizeof *entries);
    if (entries != NULL && getrandom(entries->secret, sizeof entries->secret, 0) != (ssize_t)sizeof entries->secret) {
        free(entries);
        return NULL;
    }
    return entries;
}

void entries_free(struct entries *entries) {
    while (entries != NULL && entries->oldest != NULL) {
        entries_remove(entries, entries->oldest);
    }
    free(entries);
}

static struct entry *find(struct entries *entries, bytes key, uint64_t hash) {
    struct entry *entry = entries->buckets[hash % BUCKETS];
    while (entry != NULL && !(entry->hash == hash && same(entry->key, key))) {
        entry = entry->next;
    }
    return entry;
}

struct entry *entries_find(struct entries *entries, bytes key) {
    return entries->count == 0 ? NULL : find(entries, key, hashed(entries->secret, key));
}

static void link_newest(struct entries *entries, struct entry *entry) {
    struct entry **const bucket = &entries->buckets[entry->hash % BUCKETS];
    entry->next = *bucket;
    *bucket = entry;
    entry->older = entries->newest;
    entry->newer = NULL;
    *(entries->newest == NULL ? &entries->oldest : &entries->newest->newer) = entry;
    entries->newest = entry;
    entries->count++;
    entries->size += entry->size;
}

void entries_remove(struct entries *entries, struct entry *entry) {
    struct entry **link = &entries->buckets[entry->hash % BUCKETS];
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    *(entry->older == NULL ? &entries->oldest : &entry->older->newer) = entry->newer;
    *(entry->newer == NULL ? &entries->newest : &entry->newer->older) = entry->older;
    entries->count--;
    entries->size -= entry->size;
    free(entry);
}

bool entries_put(struct entries *entries, bytes key, bytes raw_permit, const struct names *owned, uint64_t since) {
    const size_t size = sizeof(struct entry) + key.length + raw_permit.length;
    struct entry *const entry = malloc(size);
    if (entry == NULL) {
        return false;
    }
    char *const raw = entry->content + key.length;
    memcpy(entry->content, key.ptr, key.length);
    memcpy(raw, raw_permit.ptr, raw_permit.length);
    if (!permit_read((bytes){raw, raw_permit.length}, owned, &entry->permit)) {
        free(entry);
        return false;
    }
    entry->since = since;
    entry->hash = hashed(entries->secret, key);
    entry->size = size;
    entry->key = (bytes){entry->content, key.length};
    struct entry *const before = find(entries, key, entry->hash);
    if (before != NULL) {
        entries_remove(entries, before);
    }
    while (entries->count > 0 && (entries->count >= MOST_ENTRIES || entries->size + size > MOST_BYTES)) {
        entries_remove(entries, entries->oldest);
    }
    link_newest(entries, entry);
    return true;
}

size_t entries_count(const struct entries *entries) {
    return entries->count;
}

size_t entries_bytes(const struct entries *entries) {
    return entries->size;
}
