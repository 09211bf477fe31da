/* A piece of somebody's memory, and what is asked of one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* As Envoy's interface hands buffers over, both ways. */
typedef struct {
    const char *ptr;
    size_t length;
} bytes;

#define TEXT(literal) ((bytes){(literal), sizeof(literal) - 1})

static inline bool same(bytes one, bytes other) {
    return one.length == other.length && (one.length == 0 || memcmp(one.ptr, other.ptr, one.length) == 0);
}

static inline bool begins_with(bytes text, bytes start) {
    return text.length >= start.length && memcmp(text.ptr, start.ptr, start.length) == 0;
}

static inline bool ends_with(bytes text, bytes end) {
    return text.length >= end.length && memcmp(text.ptr + text.length - end.length, end.ptr, end.length) == 0;
}

static inline bytes after(bytes text, size_t count) {
    return (bytes){text.ptr + count, text.length - count};
}

/* A header's name as it stands in Envoy's maps: RFC 9110 §5.1, in lower case. No pseudo header. */
static inline bool is_header_name(bytes name) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.length; i++) {
        const char c = name.ptr[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr(others, c) == NULL)) {
            return false;
        }
    }
    return name.length > 0;
}

/* Twice as many characters, without an end. */
static inline void in_hexadecimal(const unsigned char *from, size_t count, char *into) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        into[2 * i] = digits[from[i] >> 4];
        into[2 * i + 1] = digits[from[i] & 15];
    }
}
