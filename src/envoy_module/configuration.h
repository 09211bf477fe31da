/* What the filter is told by the rendering: lines `key value`, each with a line feed. */
#pragma once

#include "bytes.h"

enum { MOST_NAMES = 128 };

struct names {
    bytes each[MOST_NAMES];
    size_t count;
};

struct configuration {
    const char *board, *chain, *audit;  /* paths; the last one may be `-` */
    struct names asked;  /* headers that the gate is asked with */
    struct names owned;  /* headers that the gate may set */
    char *text;  /* where all of these stand */
};

/* Nothing, or what is wrong with the text, in words; then nothing is to be freed. */
const char *configuration_read(bytes text, struct configuration *into);
void configuration_free(struct configuration *configuration);
bool is_among(const struct names *names, bytes name);
