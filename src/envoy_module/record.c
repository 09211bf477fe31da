#define _GNU_SOURCE
#include "record.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/random.h>

enum { BEFORE_MS = 20 };

static bool new_decision_id(struct record_maker *maker, char id[DECISION_ID]) {
    if (maker->chance_left == 0) {
        if (getrandom(maker->chance, sizeof maker->chance, 0) != (ssize_t)sizeof maker->chance) {
            return false;
        }
        maker->chance_left = sizeof maker->chance;
    }
    maker->chance_left -= DECISION_ID / 2;
    in_hexadecimal(maker->chance + maker->chance_left, DECISION_ID / 2, id);
    return true;
}

/* RFC 3339, UTC, milliseconds; what is above them is written once a second. */
static bool write_time(struct record_maker *maker, uint64_t now_us) {
    const time_t second = (time_t)(now_us / 1000000);
    if (second != maker->second) {
        struct tm parts;
        if (gmtime_r(&second, &parts) == NULL ||
            strftime(maker->time_text, sizeof maker->time_text, "%Y-%m-%dT%H:%M:%S.", &parts) != BEFORE_MS) {
            return false;
        }
        maker->second = second;
    }
    const unsigned ms = (unsigned)(now_us % 1000000 / 1000);
    snprintf(maker->time_text + BEFORE_MS, sizeof maker->time_text - BEFORE_MS, "%03uZ", ms);
    return true;
}

static size_t put(char line[LINE_ROOM], size_t length, bytes text) {
    if (text.length > LINE_ROOM - length) {
        return LINE_ROOM;
    }
    memcpy(line + length, text.ptr, text.length);
    return length + text.length;
}

size_t record_write(struct record_maker *maker, uint64_t now_us, const bytes piece[RECORD_PIECES], bytes correlation_id,
                    uint64_t duration_us, char line[LINE_ROOM]) {
    char id[DECISION_ID], number[24];
    if (!write_time(maker, now_us) || !new_decision_id(maker, id)) {
        return LINE_ROOM;
    }
    const int digits = snprintf(number, sizeof number, "%llu", (unsigned long long)duration_us);
    const bytes parts[] = {
        TEXT("{\"time\":\""), {maker->time_text, TIME}, piece[0], {id, DECISION_ID}, piece[1], correlation_id,
        piece[2], {number, (size_t)digits}, piece[3],
    };
    size_t length = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        length = put(line, length, parts[i]);
    }
    return length;
}
