#include "board.h"

#include <sys/mman.h>
#include <unistd.h>

/* Words of a slot. */
enum { REPEATED = 0, DURATIONS = 1, BUCKETS = 2, NOT_WRITTEN = 13, BROKEN = 14, ENTRIES = 15, PID = 16 };
enum { EPOCH_AT = 64, SIZE = SHARED_PAGE + SLOTS * SLOT_BYTES };
static const char MAGIC[] = "authz decision cache 1\n";
/* As DURATION_BUCKETS_US in control_protocol.py; one more bucket has what is above. */
static const uint64_t BOUNDS_US[] = {25, 50, 100, 250, 500, 1000, 2500, 10000, 50000, 250000};

bool board_open(struct board *board, const char *path, unsigned slot) {
    const int descriptor = shared_file_open(path, SIZE, MAGIC);
    if (descriptor < 0) {
        return false;
    }
    char *const told = mmap(NULL, SHARED_PAGE, PROT_READ, MAP_SHARED, descriptor, 0);
    char *const telling = mmap(NULL, SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, SHARED_PAGE);
    close(descriptor);
    if (told == MAP_FAILED || telling == MAP_FAILED) {
        if (told != MAP_FAILED) {
            munmap(told, SHARED_PAGE);
        }
        if (telling != MAP_FAILED) {
            munmap(telling, SLOTS * SLOT_BYTES);
        }
        return false;
    }
    board->epoch = (const shared_word *)(void *)(told + EPOCH_AT);
    board->slot = (shared_word *)(void *)(telling + (size_t)slot * SLOT_BYTES);
    return true;
}

uint64_t board_epoch(const struct board *board) {
    return board->epoch == NULL ? 0 : word_of(board->epoch);
}

void board_count_repeated(struct board *board, uint64_t duration_us) {
    size_t bucket = 0;
    while (bucket < sizeof BOUNDS_US / sizeof *BOUNDS_US && duration_us > BOUNDS_US[bucket]) {
        bucket++;
    }
    add_to_word(&board->slot[REPEATED], 1);
    add_to_word(&board->slot[DURATIONS], duration_us);
    add_to_word(&board->slot[BUCKETS + bucket], 1);
}

void board_count_not_written(struct board *board) {
    add_to_word(&board->slot[NOT_WRITTEN], 1);
}

void board_set_entries(struct board *board, uint64_t count) {
    set_word(&board->slot[ENTRIES], count);
}

void board_set_broken(struct board *board) {
    set_word(&board->slot[BROKEN], 1);
}

bool board_is_broken(const struct board *board) {
    return word_of(&board->slot[BROKEN]) != 0;
}

void board_set_attached(struct board *board, uint64_t pid) {
    set_word(&board->slot[PID], pid);
}
