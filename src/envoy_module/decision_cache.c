/* The filter before the question to the gate: it repeats an allow that a worker permitted to be repeated.
 *
 * It only ever turns "ask" into "known". Whatever is missing, malformed, too old or cannot be recorded is a miss: the
 * gate is asked, as without this filter. README.md tells the whole.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "board.h"
#include "chain.h"
#include "configuration.h"
#include "destination.h"
#include "entries.h"
#include "envoy_interface.h"
#include "headers.h"
#include "key.h"
#include "permit.h"
#include "record.h"

/* LONGEST_US: no configuration says more (`proxy.authz.remember`), whatever a worker does. */
enum { US = 1000000, BETWEEN_TRIES_US = US, LONGEST_US = 60 * US };

/* One thread of Envoy, of all filters: nobody else touches it. */
struct thread {
    struct board board;
    struct chain chain;
    bool holds_chain;
    uint64_t next_try;  /* to get hold of it; µs of the monotonic clock */
    struct record_maker maker;
    struct key key;  /* of the request at hand */
};

/* The same thread, of one filter. */
struct thread_of_filter {
    struct entries *entries;
    struct destination destination;
    uint64_t next_look, next_open;  /* at the destination; µs of the monotonic clock */
};

struct filter {
    struct configuration configuration;
    struct thread_of_filter threads[SLOTS];
};

struct request {
    struct filter *filter;
    bytes key;  /* while its permit may come; ours to free */
};

static struct thread threads[SLOTS];
/* Of the first filter, and so of all: state outlives a filter, as locks and chains must. Written by Envoy's main thread. */
static char *board_path, *chain_path;

static uint64_t now_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * US + (uint64_t)now.tv_nsec / 1000;
}

/* ---- What must be there before anything is repeated ---- */

static bool gets_hold_of_chain(struct thread *thread, unsigned slot) {
    if (thread->chain.slot == NULL && !chain_open(&thread->chain, chain_path, slot)) {
        return false;
    }
    if (board_is_broken(&thread->board)) {
        return false;  /* the control plane has not mended it yet */
    }
    switch (chain_take(&thread->chain)) {
        case CHAIN_READY:
            board_set_attached(&thread->board, (uint64_t)getpid());
            return true;
        case CHAIN_HAS_A_GAP:
            board_set_broken(&thread->board);
            return false;
        case CHAIN_HELD_BY_ANOTHER:
        default:
            return false;
    }
}

static bool has_chain(struct thread *thread, unsigned slot, uint64_t now) {
    if (!thread->holds_chain && now >= thread->next_try) {
        thread->next_try = now + BETWEEN_TRIES_US;
        thread->holds_chain = gets_hold_of_chain(thread, slot);
    }
    return thread->holds_chain;
}

static bool has_destination(struct thread_of_filter *own, const char *path, uint64_t now) {
    struct destination *const destination = &own->destination;
    if (destination->descriptor >= 0 && now >= own->next_look) {
        own->next_look = now + BETWEEN_TRIES_US;
        if (destination_has_moved(destination, path)) {
            destination_close(destination);
        }
    }
    if (destination->descriptor < 0 && now >= own->next_open) {
        own->next_open = now + BETWEEN_TRIES_US;
        own->next_look = now + BETWEEN_TRIES_US;
        destination_open(destination, path);
    }
    return destination->descriptor >= 0;
}

/* The entry for this key, if it may be repeated now. One that may never again is dropped. */
static struct entry *repeatable(struct thread *thread, struct entries *entries) {
    struct entry *const entry = entries_find(entries, (bytes){thread->key.bytes, thread->key.length});
    if (entry == NULL) {
        return NULL;
    }
    const uint64_t now = now_us(CLOCK_REALTIME);
    if (entry->permit.epoch == board_epoch(&thread->board) && entry->since <= now && now < entry->permit.until) {
        return entry;
    }
    entries_remove(entries, entry);
    board_set_entries(&thread->board, entries_count(entries));
    return NULL;
}

/* ---- The record ---- */

/* Whether the record is there, whole. */
static bool is_recorded(struct thread *thread, const struct destination *destination, const struct permit *permit,
                        bytes correlation_id, uint64_t duration_us) {
    char line[LINE_ROOM];
    const size_t text =
        record_write(&thread->maker, now_us(CLOCK_REALTIME), permit->record, correlation_id, duration_us, line);
    const size_t length = text == LINE_ROOM ? 0 : chain_seal(&thread->chain, line, text);
    if (length == 0) {
        return false;
    }
    const ssize_t written = destination_write(destination, line, length);
    if (written == (ssize_t)length) {
        chain_written(&thread->chain);
        return true;
    }
    if (written < 0) {
        chain_not_written(&thread->chain);
        board_count_not_written(&thread->board);
    } else {
        /* A part of it is there: its number is used, and the control plane must say so. */
        thread->holds_chain = false;
        chain_release(&thread->chain);
        board_set_broken(&thread->board);
    }
    return false;
}

/* ---- The filter ---- */

/* NULL where nothing can be remembered: this is no thread that we have room for, or the board is not there. */
static struct thread *thread_of(struct filter *filter, unsigned slot) {
    if (slot >= SLOTS) {
        return NULL;
    }
    struct thread *const thread = &threads[slot];
    struct thread_of_filter *const own = &filter->threads[slot];
    if (thread->board.epoch == NULL) {
        const uint64_t now = now_us(CLOCK_MONOTONIC);
        if (now < thread->next_try) {
            return NULL;
        }
        if (!board_open(&thread->board, board_path, slot)) {
            thread->next_try = now + BETWEEN_TRIES_US;
            return NULL;
        }
    }
    if (own->entries == NULL) {
        own->entries = entries_new();
    }
    return own->entries == NULL ? NULL : thread;
}

static bool is_repeated(struct request *request, void *envoy, unsigned slot, bytes correlation_id, uint64_t started) {
    struct thread *const thread = &threads[slot];
    struct filter *const filter = request->filter;
    struct thread_of_filter *const own = &filter->threads[slot];
    struct entry *const entry = repeatable(thread, own->entries);
    if (entry == NULL || !has_chain(thread, slot, started) ||
        !has_destination(own, filter->configuration.audit, started) ||
        !has_room_for(envoy, entry->permit.headers)) {
        return false;
    }
    const uint64_t duration_us = now_us(CLOCK_MONOTONIC) - started;
    if (!is_recorded(thread, &own->destination, &entry->permit, correlation_id, duration_us) ||
        !change_headers(envoy, entry->permit.headers)) {
        return false;
    }
    envoy_dynamic_module_callback_http_set_dynamic_metadata_bool(envoy, TEXT("authz"), TEXT("known"), true);
    board_count_repeated(&thread->board, duration_us);
    return true;
}

static void keep_key(struct request *request, const struct key *key) {
    char *const copy = malloc(key->length);
    if (copy != NULL) {
        memcpy(copy, key->bytes, key->length);
        request->key = (bytes){copy, key->length};
    }
}

static void drop_key(struct request *request) {
    free((void *)(uintptr_t)request->key.ptr);
    request->key = (bytes){NULL, 0};
}

static void ask_or_repeat(struct request *request, void *envoy) {
    const uint64_t started = now_us(CLOCK_MONOTONIC);
    const unsigned slot = envoy_dynamic_module_callback_http_filter_get_worker_index(envoy);
    struct thread *const thread = thread_of(request->filter, slot);
    bytes correlation_id;
    if (thread == NULL || board_epoch(&thread->board) == 0 || !find_correlation_id(envoy, &correlation_id) ||
        !key_of(envoy, &request->filter->configuration, &thread->key)) {
        return;
    }
    if (!is_repeated(request, envoy, slot, correlation_id, started)) {
        keep_key(request, &thread->key);
    }
}

/* What the worker said of the request that it was asked about. */
static void learn(struct request *request, void *envoy) {
    const unsigned slot = envoy_dynamic_module_callback_http_filter_get_worker_index(envoy);
    struct thread *const thread = thread_of(request->filter, slot);
    unsigned char raw[LONGEST_PERMIT];
    bytes text;
    if (thread == NULL || !envoy_dynamic_module_callback_http_get_metadata_string(
                              envoy, DYNAMIC_METADATA, TEXT("envoy.filters.http.ext_authz"), TEXT("x-authz-remember"),
                              &text)) {
        return;
    }
    const ptrdiff_t length = base64_read(text, raw, sizeof raw);
    const struct names *const owned = &request->filter->configuration.owned;
    const bytes permit_text = {(const char *)raw, length < 0 ? 0 : (size_t)length};
    struct permit permit;
    const uint64_t epoch = board_epoch(&thread->board), now = now_us(CLOCK_REALTIME);
    if (!permit_read(permit_text, owned, &permit) || epoch == 0 || permit.epoch != epoch || now >= permit.until ||
        permit.until - now > LONGEST_US) {
        return;
    }
    struct entries *const entries = request->filter->threads[slot].entries;
    entries_put(entries, request->key, permit_text, owned, now);
    board_set_entries(&thread->board, entries_count(entries));
}

/* ---- What Envoy calls ---- */

const char *envoy_dynamic_module_on_program_init(void) {
    return INTERFACE_VERSION;
}

static bool is_path_of_all(char **path, const char *wanted) {
    if (*path == NULL) {
        *path = strdup(wanted);
    }
    return *path != NULL && strcmp(*path, wanted) == 0;
}

static const char *problem_of(struct filter *filter, bytes text) {
    const char *const problem = configuration_read(text, &filter->configuration);
    if (problem != NULL || envoy_dynamic_module_callback_is_validation_mode()) {
        return problem;
    }
    if (!is_path_of_all(&board_path, filter->configuration.board) ||
        !is_path_of_all(&chain_path, filter->configuration.chain)) {
        configuration_free(&filter->configuration);
        return "board and chain cannot be others than before in one process";
    }
    return NULL;
}

const void *envoy_dynamic_module_on_http_filter_config_new(void *envoy, bytes name, bytes text) {
    (void)envoy, (void)name;
    struct filter *const filter = calloc(1, sizeof *filter);
    const char *const problem = filter == NULL ? "no memory" : problem_of(filter, text);
    if (problem != NULL) {
        char message[160];
        const int length = snprintf(message, sizeof message, "the decision cache's configuration: %s", problem);
        envoy_dynamic_module_callback_log(LOG_ERROR, (bytes){message, (size_t)length});
        free(filter);
        return NULL;
    }
    for (size_t slot = 0; slot < SLOTS; slot++) {
        filter->threads[slot].destination.descriptor = -1;
    }
    return filter;
}

void envoy_dynamic_module_on_http_filter_config_destroy(const void *config) {
    struct filter *const filter = (struct filter *)(uintptr_t)config;
    for (size_t slot = 0; slot < SLOTS; slot++) {
        entries_free(filter->threads[slot].entries);
        destination_close(&filter->threads[slot].destination);
    }
    configuration_free(&filter->configuration);
    free(filter);
}

const void *envoy_dynamic_module_on_http_filter_new(const void *config, void *envoy) {
    (void)envoy;
    struct request *const request = calloc(1, sizeof *request);  /* without it Envoy ends the request */
    if (request != NULL) {
        request->filter = (struct filter *)(uintptr_t)config;
    }
    return request;
}

void envoy_dynamic_module_on_http_filter_destroy(const void *request) {
    drop_key((struct request *)(uintptr_t)request);
    free((void *)(uintptr_t)request);
}

int envoy_dynamic_module_on_http_filter_request_headers(void *envoy, const void *request, bool end) {
    (void)end;
    ask_or_repeat((struct request *)(uintptr_t)request, envoy);
    return CONTINUE;
}

/* The gate's refusal can say nothing that is to be remembered, though Envoy keeps its headers as metadata, too. */
int envoy_dynamic_module_on_http_filter_local_reply(void *envoy, const void *request, uint32_t status, bytes details,
                                                    bool reset) {
    (void)envoy, (void)status, (void)reset;
    if (begins_with(details, TEXT("ext_authz"))) {
        drop_key((struct request *)(uintptr_t)request);
    }
    return CONTINUE;
}

int envoy_dynamic_module_on_http_filter_response_headers(void *envoy, const void *request, bool end) {
    (void)end;
    struct request *const own = (struct request *)(uintptr_t)request;
    if (own->key.ptr != NULL) {
        learn(own, envoy);
        drop_key(own);
    }
    return CONTINUE;
}
