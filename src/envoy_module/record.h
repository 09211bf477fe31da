/* The text of a record: a permit's pieces, and between them what each record has of its own. Not its seal. */
#pragma once

#include <stdint.h>
#include <time.h>

#include "bytes.h"
#include "chain.h"
#include "permit.h"

enum { DECISION_ID = 32, TIME = 24 };

/* What one record leaves for the next; all zero at first. */
struct record_maker {
    unsigned char chance[16 * 64];
    size_t chance_left;
    time_t second;
    char time_text[TIME + 1];  /* as it was written last */
};

/* Its length in `line`, or LINE_ROOM when it does not fit or cannot be made. `now_us`: µs since 1970. */
size_t record_write(struct record_maker *maker, uint64_t now_us, const bytes piece[RECORD_PIECES], bytes correlation_id,
                    uint64_t duration_us, char line[LINE_ROOM]);
