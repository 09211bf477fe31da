/* Bytes of any kind for everything that the module reads: no crash, no finding of a sanitizer, and what it takes is
 * as it promises. With clang's -fsanitize=fuzzer it is a libFuzzer target; else `fuzz ITERATIONS SECONDS SEED` changes
 * good inputs by chance, the same way for the same seed.
 *
 * The first byte of an input says who reads the rest.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "configuration.h"
#include "entries.h"
#include "envoy_interface.h"
#include "key.h"
#include "permit.h"

enum { READERS = 5, LONGEST_INPUT = 20000, PARTS = 8 };

static const char *const READER[READERS] = {"configuration", "base64", "permit", "key", "entries"};
static unsigned long tried[READERS], taken[READERS];
static struct names owned = {{TEXT("x-user-id"), TEXT("x-user-roles")}, 2};

#define MUST(fact) \
    if (!(fact)) { \
        fprintf(stderr, "broken promise: %s\n", #fact); \
        abort(); \
    }

/* ---- A request in Envoy: method, path, authority, route, address, certificate, two headers ---- */

static bytes parts[PARTS];

bool envoy_dynamic_module_callback_http_get_header(void *envoy, int map, bytes name, bytes *value, size_t index,
                                                   size_t *count) {
    static const bytes names[] = {TEXT(":method"), TEXT(":path"), TEXT(":authority")};
    (void)envoy, (void)map;
    for (size_t i = 0; i < 3; i++) {
        if (same(name, names[i])) {
            *value = parts[i];
            if (count != NULL) {
                *count = 1;
            }
            return index == 0;
        }
    }
    if (count != NULL) {
        *count = 2;
    }
    *value = index < 2 ? parts[6 + index] : (bytes){NULL, 0};
    return index < 2;
}

bool envoy_dynamic_module_callback_http_filter_get_attribute_string(void *envoy, int attribute, bytes *value) {
    (void)envoy;
    *value = parts[attribute == ROUTE_NAME ? 3 : attribute == SOURCE_ADDRESS ? 4 : 5];
    return value->length > 0;
}

/* ---- Who reads ---- */

static bool read_configuration(bytes text) {
    struct configuration one;
    if (configuration_read(text, &one) != NULL) {
        return false;
    }
    MUST(one.board[0] != '\0' && one.chain[0] != '\0' && one.audit[0] != '\0');
    for (size_t i = 0; i < one.asked.count; i++) {
        MUST(is_header_name(one.asked.each[i]) && is_among(&one.asked, one.asked.each[i]));
    }
    configuration_free(&one);
    return true;
}

static bool read_base64(bytes text) {
    const size_t room = text.length / 4 * 3;
    unsigned char *const into = malloc(room + 1);
    const ptrdiff_t count = base64_read(text, into, room);
    MUST(count <= (ptrdiff_t)room);
    MUST(count <= 0 || (size_t)count + 2 >= room);
    MUST(room == 0 || base64_read(text, into, room - 1) < 0);
    free(into);
    return count > 0;
}

static bool lies_within(bytes piece, bytes whole) {
    return piece.ptr >= whole.ptr && piece.ptr + piece.length <= whole.ptr + whole.length;
}

static bool read_permit(bytes raw) {
    struct permit one;
    if (!permit_read(raw, &owned, &one)) {
        return false;
    }
    size_t whole = 17 + 2 * (RECORD_PIECES + 1) + one.headers.length;
    for (size_t i = 0; i < RECORD_PIECES; i++) {
        MUST(lies_within(one.record[i], raw));
        MUST(memchr(one.record[i].ptr, '\n', one.record[i].length) == NULL);
        whole += one.record[i].length;
    }
    MUST(whole == raw.length && lies_within(one.headers, raw));
    bytes rest = one.headers, name, value;
    while (header_line_next(&rest, &name, &value)) {
        MUST(is_header_name(name) && (is_among(&owned, name) || is_user_key(name) || is_removal(name)));
        MUST(memchr(value.ptr, '\n', value.length) == NULL && memchr(value.ptr, '\0', value.length) == NULL);
    }
    MUST(rest.length == 0);
    return true;
}

static bool take_parts(bytes input) {
    for (size_t i = 0; i < PARTS; i++) {
        const size_t wanted = input.length == 0 ? 0 : (unsigned char)input.ptr[0];
        input = input.length == 0 ? input : after(input, 1);
        parts[i] = (bytes){input.ptr, wanted < input.length ? wanted : input.length};
        input = after(input, parts[i].length);
    }
    return parts[4].length > 0;
}

/* One byte of one part that is not the address changes the key; a byte that moves to the next part does, too. */
static bool read_key(bytes input) {
    static struct key one, other;
    static const struct configuration asking = {.asked = {{TEXT("authorization")}, 1}};
    if (!take_parts(input) || !key_of(NULL, &asking, &one)) {
        return false;
    }
    MUST(one.length <= LONGEST_KEY);
    for (size_t i = 0; i < PARTS; i++) {
        const bytes before = parts[i];
        if (i == 4 || before.length == 0) {
            continue;
        }
        parts[i].length--;
        MUST(!key_of(NULL, &asking, &other) || !same((bytes){one.bytes, one.length}, (bytes){other.bytes, other.length}));
        parts[i] = before;
    }
    MUST(key_of(NULL, &asking, &other) && same((bytes){one.bytes, one.length}, (bytes){other.bytes, other.length}));
    const bytes bare = without_port(parts[4]);
    MUST(lies_within(bare, parts[4]) && parts[4].length - bare.length <= 8);
    return true;
}

static bytes good_permit(void);

/* Keys of one byte, put, found and removed in any order. */
static bool read_entries(bytes input) {
    struct entries *const entries = entries_new();
    bool held[256] = {false};
    size_t count = 0;
    for (size_t i = 0; i + 1 < input.length; i += 2) {
        const bytes key = {input.ptr + i, 1};
        bool *const is_held = &held[(unsigned char)input.ptr[i]];
        struct entry *const found = entries_find(entries, key);
        MUST((found != NULL) == *is_held);
        if (input.ptr[i + 1] % 3 != 0) {
            MUST(entries_put(entries, key, good_permit(), &owned, (uint64_t)i));
            count += !*is_held;
            *is_held = true;
            MUST(entries_find(entries, key)->since == i);
        } else if (found != NULL) {
            entries_remove(entries, found);
            count--;
            *is_held = false;
        }
        MUST(entries_count(entries) == count && (count == 0) == (entries_bytes(entries) == 0));
    }
    entries_free(entries);
    return count > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool (*const readers[READERS])(bytes) = {read_configuration, read_base64, read_permit, read_key, read_entries};
    if (size == 0) {
        return 0;
    }
    const unsigned who = data[0] % READERS;
    char *const copy = malloc(size);  /* of its very length: who reads on is seen */
    memcpy(copy, data + 1, size - 1);
    tried[who]++;
    taken[who] += readers[who]((bytes){copy, size - 1});
    free(copy);
    return 0;
}

/* ---- Good inputs ---- */

static const char PIECE[RECORD_PIECES][80] = {
    "\",\"level\":\"info\",\"decision_id\":\"",
    "\",\"correlation_id\":\"",
    "\",\"method\":\"GET\",\"duration_us\":",
    ",\"policy_audit\":null,\"repeats\":\"5f\"",
};
static const char LINES[] =
    "x-user-id: u-1\r\nx-user-roles: a,b\r\nx-authz-user: 5f\r\nx-envoy-auth-headers-to-remove: authorization,x-a\r\n";

static size_t put_piece(char *into, size_t at, const char *text) {
    const size_t length = strlen(text);
    into[at] = (char)(length & 255);
    into[at + 1] = (char)(length >> 8);
    memcpy(into + at + 2, text, length);
    return at + 2 + length;
}

static bytes good_permit(void) {
    static char raw[1024];
    size_t at = 17;
    raw[0] = 1;
    for (size_t i = 0; i < RECORD_PIECES; i++) {
        at = put_piece(raw, at, PIECE[i]);
    }
    return (bytes){raw, put_piece(raw, at, LINES)};
}

static bytes good_input(unsigned who) {
    static const bytes texts[READERS] = {
        TEXT("version 1\nboard /b\nchain /c\naudit -\nasked authorization\nasked cookie\nowned x-user-id\n"),
        TEXT("QUJDREVGR0hJSktMTU5PUA=="),
        {NULL, 0},
        TEXT("\3GET\7/orders\5order\1r\14192.0.2.7:80\4abcd\3t,u\1v"),
        TEXT("a1b1c1a3a1b3d2d2d2c0c1"),
    };
    return who == 2 ? good_permit() : texts[who];
}

/* ---- Chance ---- */

static uint64_t state;

static size_t below(size_t end) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return end == 0 ? 0 : (size_t)(state % end);
}

static size_t changed(char *input, size_t length) {
    static const unsigned char odd[] = {0, 1, '\n', '\r', ' ', ',', ':', '=', '"', 0x7f, 0x80, 0xff};
    const size_t at = below(length), count = 1 + below(8);
    switch (below(6)) {
        case 0:
            input[at] = (char)(input[at] ^ (1 << below(8)));
            return length;
        case 1:
            input[at] = (char)odd[below(sizeof odd)];
            return length;
        case 2:  /* cut */
            return at + 1;
        case 3:  /* take out */
            if (at + count < length) {
                memmove(input + at, input + at + count, length - at - count);
                return length - count;
            }
            return length;
        case 4:  /* say twice */
            if (at + count < length && length + count < LONGEST_INPUT) {
                memmove(input + at + count, input + at, length - at);
                return length + count;
            }
            return length;
        default:
            if (length + 300 < LONGEST_INPUT && below(20) == 0) {
                memset(input + length, (int)odd[below(sizeof odd)], 300);
                return length + 300;
            }
            input[at] = (char)below(256);
            return length;
    }
}

#ifndef LIBFUZZER
int main(int count, char **words) {
    static char input[LONGEST_INPUT];
    const long iterations = count > 1 ? atol(words[1]) : 100000, seconds = count > 2 ? atol(words[2]) : 10;
    const time_t end = time(NULL) + seconds;
    state = 0x9e3779b97f4a7c15u + (count > 3 ? strtoull(words[3], NULL, 10) : 0);
    for (long i = 0; (iterations == 0 || i < iterations) && ((i & 1023) != 0 || time(NULL) <= end); i++) {
        const unsigned who = (unsigned)(i % READERS);
        const bytes good = good_input(who);
        memcpy(input + 1, good.ptr, good.length);
        input[0] = (char)who;
        size_t length = good.length + 1;
        for (size_t changes = below(5); changes > 0 && length > 1; changes--) {
            length = 1 + changed(input + 1, length - 1);
        }
        LLVMFuzzerTestOneInput((const uint8_t *)input, length);
    }
    for (unsigned who = 0; who < READERS; who++) {
        printf("%s: %lu tried, %lu taken\n", READER[who], tried[who], taken[who]);
    }
    return 0;
}
#endif
