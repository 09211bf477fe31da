/* This thread's end of its chain of records, in memory that outlives us: as `audit/chain.py` and `audit/seal.py`. */
#pragma once

#include <stdbool.h>

#include "sha256.h"
#include "shared_file.h"

enum { CHAIN_CELL = 32, LONGEST_LINE = 4095, LINE_ROOM = LONGEST_LINE + 1 };
enum chain_state { CHAIN_READY, CHAIN_HELD_BY_ANOTHER, CHAIN_HAS_A_GAP };

struct chain {
    int descriptor;  /* 0: none. Never closed: closing any descriptor of a file ends all its locks (fcntl(2)) */
    unsigned number;  /* of the slot */
    char *slot;  /* NULL: not open */
    shared_word *words;
    char writer[16];  /* `<instance>-<slot>` */
    uint64_t written, begun;
    unsigned cell;  /* where the last record's chain stands */
    char last[CHAIN_CELL], next[CHAIN_CELL];
    struct hmac mac;
};

bool chain_open(struct chain *chain, const char *path, unsigned slot);
/* Take its lock, and read where it ends. With a gap or without the lock nothing is held afterwards. */
enum chain_state chain_take(struct chain *chain);
void chain_release(struct chain *chain);
/* End the record's text in `line` with its seal and a line feed: its length then, or 0 when it would be too long.
   From now on its number may be used: say `chain_written`, `chain_not_written` (nothing of it is there) or neither. */
size_t chain_seal(struct chain *chain, char line[LINE_ROOM], size_t length);
void chain_written(struct chain *chain);
void chain_not_written(struct chain *chain);
