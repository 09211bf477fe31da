/* Everything that the answer to a request depends on, byte for byte, each part with its length. */
#pragma once

#include <stdint.h>

#include "configuration.h"

enum { LONGEST_KEY = 16384 };

struct key {
    size_t length;
    char bytes[LONGEST_KEY];
};

/* Of a request in Envoy. False for one that has no key: a part is missing, there twice, or it would be too long. */
bool key_of(void *filter, const struct configuration *configuration, struct key *into);
/* Of `1.2.3.4:80` and `[::1]:80` what stands before the port; all of anything else. */
bytes without_port(bytes address);
