/* What the control plane tells us (the epoch), and what we tell it: counters of one thread of Envoy. */
#pragma once

#include <stdbool.h>

#include "shared_file.h"

struct board {
    const shared_word *epoch;  /* NULL: not open */
    shared_word *slot;
};

bool board_open(struct board *board, const char *path, unsigned slot);
/* 0: nothing may be repeated. */
uint64_t board_epoch(const struct board *board);
void board_count_repeated(struct board *board, uint64_t duration_us);
void board_count_not_written(struct board *board);
void board_set_entries(struct board *board, uint64_t count);
/* The chain has a gap, which the control plane must record before we write on. */
void board_set_broken(struct board *board);
bool board_is_broken(const struct board *board);
void board_set_attached(struct board *board, uint64_t pid);
