#include "chain.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bytes.h"

static const char MAGIC[] = "authz audit chain 1\n";
enum { KEY_SPAN = 4096, INSTANCE_AT = 64, INSTANCE = 12, CHAINS_AT = 64, KEYS_AT = 128 };
enum { WRITTEN, BEGUN, LOST };  /* words of a slot */
enum { SIZE = SHARED_PAGE + SLOTS * SLOT_BYTES };  /* the file has one more slot, the control plane's */

static char *chain_cell(const struct chain *chain, unsigned cell) {
    return chain->slot + CHAINS_AT + cell * CHAIN_CELL;
}

static unsigned char *key_cell(const struct chain *chain, uint64_t span) {
    return (unsigned char *)chain->slot + KEYS_AT + span % 2 * CHAIN_CELL;
}

bool chain_open(struct chain *chain, const char *path, unsigned slot) {
    if (chain->descriptor <= 0) {
        chain->descriptor = shared_file_open(path, SIZE, MAGIC);
    }
    char *const memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, chain->descriptor, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    chain->number = slot;
    chain->slot = memory + SHARED_PAGE + (size_t)slot * SLOT_BYTES;
    chain->words = (shared_word *)(void *)chain->slot;
    snprintf(chain->writer, sizeof chain->writer, "%.*s-%u", INSTANCE, memory + INSTANCE_AT, slot);
    return true;
}

static int locked(const struct chain *chain, short kind) {
    struct flock lock = {
        .l_type = kind,
        .l_whence = SEEK_SET,
        .l_start = SHARED_PAGE + (off_t)chain->number * SLOT_BYTES,
        .l_len = SLOT_BYTES,
    };
    return fcntl(chain->descriptor, F_SETLK, &lock);
}

/* The key for this number. The one before it stays until the next: a kill in between finds it. */
static void use_key(struct chain *chain, uint64_t number) {
    const uint64_t span = number / KEY_SPAN;
    unsigned char key[SHA256_DIGEST];
    if (number % KEY_SPAN == 0) {
        struct sha256 hash;
        sha256_begin(&hash);
        sha256_add(&hash, key_cell(chain, span - 1), SHA256_DIGEST);
        sha256_end(&hash, key);
        memcpy(key_cell(chain, span), key, sizeof key);
    }
    memcpy(key, key_cell(chain, span), sizeof key);
    hmac_key(&chain->mac, key);
}

enum chain_state chain_take(struct chain *chain) {
    if (locked(chain, F_WRLCK) != 0) {
        return CHAIN_HELD_BY_ANOTHER;
    }
    const uint64_t written = word_of(&chain->words[WRITTEN]);
    chain->written = written / 2;
    chain->cell = written % 2;
    chain->begun = word_of(&chain->words[BEGUN]);
    if (chain->begun != chain->written || word_of(&chain->words[LOST]) != 0) {
        chain_release(chain);
        return CHAIN_HAS_A_GAP;
    }
    memcpy(chain->last, chain_cell(chain, chain->cell), CHAIN_CELL);
    use_key(chain, chain->begun + 1);
    return CHAIN_READY;
}

void chain_release(struct chain *chain) {
    locked(chain, F_UNLCK);
}

size_t chain_seal(struct chain *chain, char line[LINE_ROOM], size_t length) {
    static const char start[] = ",\"chain\":\"", end[] = "\"}\n";
    const uint64_t number = chain->begun + 1;
    const int added = snprintf(line + length, LINE_ROOM - length, ",\"writer\":\"%s\",\"seq\":%llu", chain->writer,
                               (unsigned long long)number);
    const size_t covered = length + (size_t)added, whole = covered + sizeof start - 1 + CHAIN_CELL + sizeof end - 1;
    if (whole > LONGEST_LINE) {
        return 0;
    }
    if (number % KEY_SPAN == 0) {
        use_key(chain, number);
    }
    unsigned char digest[SHA256_DIGEST];
    hmac_of(&chain->mac, chain->last, CHAIN_CELL, line, covered, digest);
    in_hexadecimal(digest, CHAIN_CELL / 2, chain->next);
    memcpy(line + covered, start, sizeof start - 1);
    memcpy(line + covered + sizeof start - 1, chain->next, CHAIN_CELL);
    memcpy(line + whole - (sizeof end - 1), end, sizeof end - 1);
    chain->begun = number;
    set_word(&chain->words[BEGUN], number);
    return whole;
}

void chain_written(struct chain *chain) {
    chain->cell = 1 - chain->cell;
    memcpy(chain_cell(chain, chain->cell), chain->next, CHAIN_CELL);
    memcpy(chain->last, chain->next, CHAIN_CELL);
    chain->written = chain->begun;
    set_word(&chain->words[WRITTEN], chain->written * 2 + chain->cell);
}

void chain_not_written(struct chain *chain) {
    chain->begun--;
    set_word(&chain->words[BEGUN], chain->begun);
}
