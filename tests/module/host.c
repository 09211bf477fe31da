/* A stand-in for Envoy: exports what the module calls, and calls what the module exports, as lines on standard input say.
 *
 * Every line is answered by one line on the descriptor that the argument names: standard output may be a destination of
 * records. Bytes are in hexadecimal, "-" for none. Clocks can be moved; files can be limited (setrlimit(2)).
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "envoy_interface.h"
#include "sha256.c"  /* whole, to try it without the processor's help, too */

enum { MOST = 128, ATTRIBUTES = 80 };

static struct {
    const void *own;  /* the module's object */
    uint32_t worker;
    struct header headers[MOST];
    size_t header_count;
    bytes attributes[ATTRIBUTES];
    bytes permit, user;
    bool has_permit, known;
} request;
static const void *filter;
static bool validating;
static bytes failing;
static int64_t moved_us[2], frozen_us[2];  /* of the real clock and of the monotonic one */
static bool frozen;
static FILE *answers;

static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(answers, format, arguments);
    va_end(arguments);
}

static void say_bytes(bytes text) {
    for (size_t i = 0; i < text.length; i++) {
        putc("0123456789abcdef"[(unsigned char)text.ptr[i] >> 4], answers);
        putc("0123456789abcdef"[text.ptr[i] & 15], answers);
    }
    say(text.length == 0 ? "-" : "");
}

static bytes copied(bytes text) {
    char *const copy = malloc(text.length + 1);  /* of its very length: sanitizers see who reads on */
    memcpy(copy, text.ptr, text.length);
    return (bytes){copy, text.length};
}

static int nibble(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static bytes next_bytes(void) {
    const char *const word = strtok(NULL, " \n");
    if (word == NULL || strcmp(word, "-") == 0) {
        return (bytes){malloc(1), 0};
    }
    const size_t length = strlen(word) / 2;
    char *const into = malloc(length);
    for (size_t i = 0; i < length; i++) {
        into[i] = (char)(nibble(word[2 * i]) << 4 | nibble(word[2 * i + 1]));
    }
    return (bytes){into, length};
}

static int64_t next_number(void) {
    const char *const word = strtok(NULL, " \n");
    return word == NULL ? 0 : strtoll(word, NULL, 10);
}

/* ---- What the module calls ---- */

static int64_t kernels_us(clockid_t clock) {
    struct timespec now;
    syscall(SYS_clock_gettime, clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    const int which = clock != CLOCK_REALTIME;
    const int64_t us = (frozen ? frozen_us[which] : kernels_us(clock)) + moved_us[which];
    now->tv_sec = us / 1000000;
    now->tv_nsec = us % 1000000 * 1000;
    return 0;
}

void envoy_dynamic_module_callback_log(int level, bytes message) {
    fprintf(stderr, "[%d] %.*s\n", level, (int)message.length, message.ptr);
}

bool envoy_dynamic_module_callback_is_validation_mode(void) {
    return validating;
}

bool envoy_dynamic_module_callback_http_get_header(void *envoy, int map, bytes name, bytes *value, size_t index,
                                                   size_t *count) {
    bool found = false;
    size_t seen = 0;
    (void)envoy;
    *value = (bytes){NULL, 0};
    for (size_t i = 0; map == REQUEST_HEADERS && i < request.header_count; i++) {
        if (same(request.headers[i].name, name) && seen++ == index) {
            *value = request.headers[i].value;
            found = true;
        }
    }
    if (count != NULL) {
        *count = seen;
    }
    return found;
}

size_t envoy_dynamic_module_callback_http_get_headers_size(void *envoy, int map) {
    (void)envoy;
    return map == REQUEST_HEADERS ? request.header_count : 0;
}

bool envoy_dynamic_module_callback_http_get_headers(void *envoy, int map, struct header *into) {
    (void)envoy;
    memcpy(into, request.headers, request.header_count * sizeof *into);
    return map == REQUEST_HEADERS;
}

bool envoy_dynamic_module_callback_http_set_header(void *envoy, int map, bytes name, bytes value) {
    size_t kept = 0;
    (void)envoy;
    if (map != REQUEST_HEADERS || same(name, failing)) {
        return false;
    }
    for (size_t i = 0; i < request.header_count; i++) {
        if (!same(request.headers[i].name, name)) {
            request.headers[kept++] = request.headers[i];
        } else {
            free((void *)(uintptr_t)request.headers[i].name.ptr);
            free((void *)(uintptr_t)request.headers[i].value.ptr);
        }
    }
    request.header_count = kept;
    if (value.ptr != NULL) {
        request.headers[request.header_count++] = (struct header){copied(name), copied(value)};
    }
    return true;
}

bool envoy_dynamic_module_callback_http_get_metadata_string(void *envoy, int source, bytes space, bytes key,
                                                            bytes *value) {
    (void)envoy;
    if (source != DYNAMIC_METADATA || !same(space, TEXT("envoy.filters.http.ext_authz")) ||
        !same(key, TEXT("x-authz-remember")) || !request.has_permit) {
        return false;
    }
    *value = request.permit;
    return true;
}

void envoy_dynamic_module_callback_http_set_dynamic_metadata_bool(void *envoy, bytes space, bytes key, bool value) {
    (void)envoy;
    if (same(space, TEXT("authz")) && same(key, TEXT("known"))) {
        request.known = value;
    }
}

void envoy_dynamic_module_callback_http_set_dynamic_metadata_string(void *envoy, bytes space, bytes key, bytes value) {
    (void)envoy;
    if (same(space, TEXT("envoy.filters.http.ext_authz")) && same(key, TEXT("x-authz-user"))) {
        free((void *)(uintptr_t)request.user.ptr);
        request.user = copied(value);
    }
}

bool envoy_dynamic_module_callback_http_filter_get_attribute_string(void *envoy, int attribute, bytes *value) {
    (void)envoy;
    *value = request.attributes[attribute];
    return value->ptr != NULL;
}

uint32_t envoy_dynamic_module_callback_http_filter_get_worker_index(void *envoy) {
    (void)envoy;
    return request.worker;
}

/* ---- What is said to us ---- */

static void begin(void) {
    memset(&request, 0, sizeof request);
    request.worker = (uint32_t)next_number();
    request.own = envoy_dynamic_module_on_http_filter_new(filter, &request);
    say("begun");
}

static void add_header(void) {
    const bytes name = next_bytes(), value = next_bytes();
    request.headers[request.header_count++] = (struct header){name, value};
    say("added");
}

static void add_attribute(void) {
    const int64_t number = next_number();
    request.attributes[number] = next_bytes();
    say("added");
}

static void ask(void) {
    const int status = envoy_dynamic_module_on_http_filter_request_headers(&request, request.own, true);
    say("%d %s ", status, request.known ? "known" : "asked");
    say_bytes(request.user);
    for (size_t i = 0; i < request.header_count; i++) {
        say(" ");
        say_bytes(request.headers[i].name);
        say(" ");
        say_bytes(request.headers[i].value);
    }
}

/* The same request again and again, all at once: how many of them were known. Their headers stay as they are. */
static void ask_many(void) {
    int64_t known = 0;
    for (int64_t left = next_number(); left > 0; left--) {
        const void *const own = envoy_dynamic_module_on_http_filter_new(filter, &request);
        request.known = false;
        envoy_dynamic_module_on_http_filter_request_headers(&request, own, true);
        known += request.known;
        envoy_dynamic_module_on_http_filter_destroy(own);
    }
    say("%lld", (long long)known);
}

static void answer(void) {
    const char *const word = strtok(NULL, " \n");
    if (strcmp(word, "none") != 0) {
        request.permit = next_bytes();
        request.has_permit = true;
    }
    if (strcmp(word, "locally") == 0) {
        const bytes details = next_bytes();
        envoy_dynamic_module_on_http_filter_local_reply(&request, request.own, 403, details, false);
        free((void *)(uintptr_t)details.ptr);
    }
    envoy_dynamic_module_on_http_filter_response_headers(&request, request.own, false);
    say("answered");
}

static void end(void) {
    envoy_dynamic_module_on_http_filter_destroy(request.own);
    for (size_t i = 0; i < request.header_count; i++) {
        free((void *)(uintptr_t)request.headers[i].name.ptr);
        free((void *)(uintptr_t)request.headers[i].value.ptr);
    }
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        free((void *)(uintptr_t)request.attributes[i].ptr);
    }
    free((void *)(uintptr_t)request.permit.ptr);
    free((void *)(uintptr_t)request.user.ptr);
    say("ended");
}

static void configure(void) {
    const bytes text = next_bytes();
    filter = envoy_dynamic_module_on_http_filter_config_new(NULL, TEXT("authz.decision_cache"), text);
    free((void *)(uintptr_t)text.ptr);
    say(filter == NULL ? "refused" : "taken %llu", (unsigned long long)(uintptr_t)filter);
}

static void hash(void) {
    const bool plainly = next_number() != 0;
    const bytes text = next_bytes();
    struct sha256 state;
    unsigned char digest[SHA256_DIGEST];
    use_processor(!plainly);
    sha256_begin(&state);
    for (size_t at = 0; at < text.length; at += 13) {  /* in odd pieces */
        sha256_add(&state, text.ptr + at, text.length - at < 13 ? text.length - at : 13);
    }
    sha256_end(&state, digest);
    use_processor(true);
    say_bytes((bytes){(const char *)digest, sizeof digest});
    free((void *)(uintptr_t)text.ptr);
}

static void limit_files(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    const int64_t wanted = next_number();
    limit.rlim_cur = wanted < 0 ? limit.rlim_max : (rlim_t)wanted;
    say("%d", setrlimit(RLIMIT_FSIZE, &limit));
}

static void obey(const char *word) {
    if (strcmp(word, "configure") == 0) {
        configure();
    } else if (strcmp(word, "filter") == 0) {
        filter = (const void *)(uintptr_t)next_number();
        say("chosen");
    } else if (strcmp(word, "unconfigure") == 0) {
        envoy_dynamic_module_on_http_filter_config_destroy(filter);
        say("gone");
    } else if (strcmp(word, "validate") == 0) {
        validating = next_number() != 0;
        say("so be it");
    } else if (strcmp(word, "begin") == 0) {
        begin();
    } else if (strcmp(word, "header") == 0) {
        add_header();
    } else if (strcmp(word, "attribute") == 0) {
        add_attribute();
    } else if (strcmp(word, "ask") == 0) {
        ask();
    } else if (strcmp(word, "many") == 0) {
        ask_many();
    } else if (strcmp(word, "answer") == 0) {
        answer();
    } else if (strcmp(word, "end") == 0) {
        end();
    } else if (strcmp(word, "fail") == 0) {
        free((void *)(uintptr_t)failing.ptr);
        failing = next_bytes();
        say("so be it");
    } else if (strcmp(word, "clock") == 0) {
        moved_us[0] = next_number();
        moved_us[1] = next_number();
        say("moved");
    } else if (strcmp(word, "freeze") == 0) {
        frozen_us[0] = kernels_us(CLOCK_REALTIME);
        frozen_us[1] = kernels_us(CLOCK_MONOTONIC);
        frozen = true;
        say("frozen");
    } else if (strcmp(word, "limit") == 0) {
        limit_files();
    } else if (strcmp(word, "hash") == 0) {
        hash();
    } else {
        abort();
    }
}

int main(int count, char **words) {
    char *line = NULL;
    size_t room = 0;
    answers = fdopen(count > 1 ? atoi(words[1]) : STDERR_FILENO, "w");
    signal(SIGPIPE, SIG_IGN);  /* as Envoy does */
    signal(SIGXFSZ, SIG_IGN);
    while (getline(&line, &room, stdin) > 0) {
        obey(strtok(line, " \n"));
        say("\n");
        fflush(answers);
    }
    free(line);
    free((void *)(uintptr_t)failing.ptr);
    fclose(answers);
    return 0;
}
