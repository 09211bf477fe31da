#include "permit.h"

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ptrdiff_t base64_read(bytes text, unsigned char *into, size_t room) {
    if (text.length % 4 != 0 || text.length / 4 > room / 3) {
        return -1;
    }
    size_t padding = 0;
    while (padding < 2 && padding < text.length && text.ptr[text.length - 1 - padding] == '=') {
        padding++;
    }
    size_t count = 0;
    uint32_t held = 0;
    for (size_t i = 0; i < text.length - padding; i++) {
        const int digit = base64_digit(text.ptr[i]);
        if (digit < 0) {
            return -1;
        }
        held = held << 6 | (uint32_t)digit;
        if (i % 4 != 0) {
            into[count++] = (unsigned char)(held >> (6 - 2 * (i % 4)));
        }
    }
    /* What is left of the last digit belongs to no byte. */
    const uint32_t stray = padding == 2 ? 0x0f : padding == 1 ? 0x03 : 0;
    return (held & stray) == 0 ? (ptrdiff_t)count : -1;
}

static uint64_t little_endian(const char *at, size_t width) {
    uint64_t number = 0;
    for (size_t i = 0; i < width; i++) {
        number |= (uint64_t)(unsigned char)at[i] << (8 * i);
    }
    return number;
}

static bool piece_next(bytes *rest, bytes *piece) {
    if (rest->length < 2) {
        return false;
    }
    *piece = (bytes){rest->ptr + 2, (size_t)little_endian(rest->ptr, 2)};
    if (piece->length > rest->length - 2) {
        return false;
    }
    *rest = after(*rest, 2 + piece->length);
    return true;
}

static bool is_control(char c) {
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* So that what is put between the pieces stands where it belongs, in one line. */
static bool is_record(const bytes piece[RECORD_PIECES]) {
    for (size_t i = 0; i < RECORD_PIECES; i++) {
        for (size_t at = 0; at < piece[i].length; at++) {
            if (is_control(piece[i].ptr[at])) {
                return false;
            }
        }
    }
    return begins_with(piece[0], TEXT("\",\"")) && ends_with(piece[0], TEXT(",\"decision_id\":\"")) &&
           same(piece[1], TEXT("\",\"correlation_id\":\"")) && begins_with(piece[2], TEXT("\",\"")) &&
           ends_with(piece[2], TEXT(",\"duration_us\":")) && begins_with(piece[3], TEXT(",\""));
}

bool header_line_next(bytes *rest, bytes *name, bytes *value) {
    const char *const colon = rest->length == 0 ? NULL : memchr(rest->ptr, ':', rest->length);
    if (colon == NULL) {
        return false;
    }
    *name = (bytes){rest->ptr, (size_t)(colon - rest->ptr)};
    const bytes behind = after(*rest, name->length + 1);
    const char *const line_end = behind.length == 0 ? NULL : memchr(behind.ptr, '\r', behind.length);
    if (line_end == NULL || !begins_with(behind, TEXT(" ")) || !is_header_name(*name)) {
        return false;
    }
    *value = (bytes){behind.ptr + 1, (size_t)(line_end - behind.ptr) - 1};
    const bytes next = after(behind, value->length + 1);
    if (!begins_with(next, TEXT("\r\n"))) {
        return false;
    }
    *rest = after(next, 2);
    return true;
}

bool removed_name_next(bytes *rest, bytes *name) {
    if (rest->length == 0) {
        return false;
    }
    const char *const comma = memchr(rest->ptr, ',', rest->length);
    *name = (bytes){rest->ptr, comma == NULL ? rest->length : (size_t)(comma - rest->ptr)};
    *rest = after(*rest, name->length + (comma != NULL));
    return true;
}

static bool may_be_removed(bytes names) {
    bytes name;
    while (removed_name_next(&names, &name)) {
        if (!is_header_name(name) || same(name, TEXT("host"))) {
            return false;
        }
    }
    return true;
}

static bool is_header_block(bytes block, const struct names *owned) {
    bytes name, value;
    while (header_line_next(&block, &name, &value)) {
        for (size_t i = 0; i < value.length; i++) {
            if (is_control(value.ptr[i]) && value.ptr[i] != '\t') {
                return false;
            }
        }
        const bool known = is_removal(name) ? may_be_removed(value) : is_user_key(name) || is_among(owned, name);
        if (!known) {
            return false;
        }
    }
    return block.length == 0;
}

bool permit_read(bytes raw, const struct names *owned, struct permit *into) {
    enum { HEAD = 1 + 8 + 8 };
    if (raw.length < HEAD || raw.length > LONGEST_PERMIT || raw.ptr[0] != 1) {
        return false;
    }
    into->epoch = little_endian(raw.ptr + 1, 8);
    into->until = little_endian(raw.ptr + 9, 8);
    bytes rest = after(raw, HEAD);
    for (size_t i = 0; i < RECORD_PIECES; i++) {
        if (!piece_next(&rest, &into->record[i])) {
            return false;
        }
    }
    return piece_next(&rest, &into->headers) && rest.length == 0 && is_record(into->record) &&
           is_header_block(into->headers, owned);
}
