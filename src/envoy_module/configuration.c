#include "configuration.h"

#include <stdlib.h>

enum { LONGEST = 65536 };

static const char *take_path(const char **path, bytes value) {
    if (*path != NULL) {
        return "a path is there twice";
    }
    *path = value.ptr;
    return NULL;
}

static const char *take_name(struct names *names, bytes value) {
    if (!is_header_name(value)) {
        return "a header's name is none";
    }
    if (names->count == MOST_NAMES) {
        return "too many headers";
    }
    names->each[names->count++] = value;
    return NULL;
}

static const char *take_line(bytes key, bytes value, bool *versioned, struct configuration *into) {
    if (value.length == 0) {
        return "a value is missing";
    }
    if (same(key, TEXT("version"))) {
        const bool known = same(value, TEXT("1")) && !*versioned;
        *versioned = true;
        return known ? NULL : "it is of another version";
    }
    if (same(key, TEXT("board"))) {
        return take_path(&into->board, value);
    }
    if (same(key, TEXT("chain"))) {
        return take_path(&into->chain, value);
    }
    if (same(key, TEXT("audit"))) {
        return take_path(&into->audit, value);
    }
    if (same(key, TEXT("asked"))) {
        return take_name(&into->asked, value);
    }
    if (same(key, TEXT("owned"))) {
        return take_name(&into->owned, value);
    }
    return "a key is unknown";
}

/* Each line feed of the copy becomes the end of a string. */
static const char *take_lines(char *text, size_t length, struct configuration *into) {
    bool versioned = false;
    for (char *line = text, *const end = text + length; line < end;) {
        char *const line_end = memchr(line, '\n', (size_t)(end - line));
        char *const space = line_end == NULL ? NULL : memchr(line, ' ', (size_t)(line_end - line));
        if (space == NULL) {
            return "a line is no key with a value";
        }
        *line_end = '\0';
        const bytes key = {line, (size_t)(space - line)}, value = {space + 1, (size_t)(line_end - space - 1)};
        const char *const problem = take_line(key, value, &versioned, into);
        if (problem != NULL) {
            return problem;
        }
        line = line_end + 1;
    }
    const bool whole = versioned && into->board != NULL && into->chain != NULL && into->audit != NULL;
    return whole ? NULL : "a line is missing";
}

const char *configuration_read(bytes text, struct configuration *into) {
    memset(into, 0, sizeof *into);
    if (text.length == 0 || text.length > LONGEST || memchr(text.ptr, '\0', text.length) != NULL) {
        return "it is empty, too long or no text";
    }
    into->text = malloc(text.length);
    if (into->text == NULL) {
        return "no memory";
    }
    memcpy(into->text, text.ptr, text.length);
    const char *const problem = take_lines(into->text, text.length, into);
    if (problem != NULL) {
        configuration_free(into);
    }
    return problem;
}

void configuration_free(struct configuration *configuration) {
    free(configuration->text);
    memset(configuration, 0, sizeof *configuration);
}

bool is_among(const struct names *names, bytes name) {
    for (size_t i = 0; i < names->count; i++) {
        if (same(names->each[i], name)) {
            return true;
        }
    }
    return false;
}
