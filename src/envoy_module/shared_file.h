/* A file of the control plane's that is memory of ours, too. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { SHARED_PAGE = 4096, SLOTS = 64, SLOT_BYTES = 256 };

/* Words that another process reads or writes while we do: none is ever seen half. */
typedef _Atomic(uint64_t) shared_word;

static inline uint64_t word_of(const shared_word *word) {
    return atomic_load_explicit(word, memory_order_acquire);
}

static inline void set_word(shared_word *word, uint64_t value) {
    atomic_store_explicit(word, value, memory_order_release);
}

/* For what only we write. */
static inline void add_to_word(shared_word *word, uint64_t more) {
    set_word(word, atomic_load_explicit(word, memory_order_relaxed) + more);
}

/* The descriptor of a file that has at least this size and begins like this; -1 where it is not so. */
int shared_file_open(const char *path, size_t size, const char *magic);
