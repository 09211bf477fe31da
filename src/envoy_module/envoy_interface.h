/* Envoy's interface for dynamic modules, version v0.2.0 (Envoy 1.40), as far as it is used here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

#define INTERFACE_VERSION "v0.2.0"
#define HOOK __attribute__((visibility("default")))

enum { REQUEST_HEADERS = 0 };
enum { DYNAMIC_METADATA = 0 };
enum { CONTINUE = 0 };
enum { LOG_ERROR = 4 };
/* Numbers of an enumeration, which may move with Envoy's version: tests/module tries them against the real one. */
enum { SOURCE_ADDRESS = 24, PEER_CERTIFICATE_SHA256 = 38, ROUTE_NAME = 61 };

struct header {
    bytes name, value;
};

/* What Envoy exports. `filter` is its own object for one request. */
void envoy_dynamic_module_callback_log(int level, bytes message);
bool envoy_dynamic_module_callback_is_validation_mode(void);
bool envoy_dynamic_module_callback_http_get_header(void *filter, int map, bytes name, bytes *value, size_t index,
                                                   size_t *count);
size_t envoy_dynamic_module_callback_http_get_headers_size(void *filter, int map);
/* `into` has room for all of them. */
bool envoy_dynamic_module_callback_http_get_headers(void *filter, int map, struct header *into);
/* Sets or replaces; without a value it removes. What was read of the headers before is no longer valid. */
bool envoy_dynamic_module_callback_http_set_header(void *filter, int map, bytes name, bytes value);
bool envoy_dynamic_module_callback_http_get_metadata_string(void *filter, int source, bytes space, bytes key,
                                                            bytes *value);
void envoy_dynamic_module_callback_http_set_dynamic_metadata_bool(void *filter, bytes space, bytes key, bool value);
void envoy_dynamic_module_callback_http_set_dynamic_metadata_string(void *filter, bytes space, bytes key,
                                                                    bytes value);
bool envoy_dynamic_module_callback_http_filter_get_attribute_string(void *filter, int attribute, bytes *value);
uint32_t envoy_dynamic_module_callback_http_filter_get_worker_index(void *filter);

/* What Envoy looks for in a module with an HTTP filter, all of it. */
HOOK const char *envoy_dynamic_module_on_program_init(void);
HOOK const void *envoy_dynamic_module_on_http_filter_config_new(void *envoy, bytes name, bytes text);
HOOK void envoy_dynamic_module_on_http_filter_config_destroy(const void *config);
HOOK const void *envoy_dynamic_module_on_http_filter_per_route_config_new(bytes name, bytes text);
HOOK void envoy_dynamic_module_on_http_filter_per_route_config_destroy(const void *config);
HOOK const void *envoy_dynamic_module_on_http_filter_new(const void *config, void *envoy);
HOOK void envoy_dynamic_module_on_http_filter_destroy(const void *request);
HOOK int envoy_dynamic_module_on_http_filter_request_headers(void *envoy, const void *request, bool end);
HOOK int envoy_dynamic_module_on_http_filter_request_body(void *envoy, const void *request, bool end);
HOOK int envoy_dynamic_module_on_http_filter_request_trailers(void *envoy, const void *request);
HOOK int envoy_dynamic_module_on_http_filter_response_headers(void *envoy, const void *request, bool end);
HOOK int envoy_dynamic_module_on_http_filter_response_body(void *envoy, const void *request, bool end);
HOOK int envoy_dynamic_module_on_http_filter_response_trailers(void *envoy, const void *request);
HOOK void envoy_dynamic_module_on_http_filter_stream_complete(void *envoy, const void *request);
HOOK int envoy_dynamic_module_on_http_filter_local_reply(void *envoy, const void *request, uint32_t status,
                                                         bytes details, bool reset);
HOOK void envoy_dynamic_module_on_http_filter_scheduled(void *envoy, const void *request, uint64_t event);
HOOK void envoy_dynamic_module_on_http_filter_http_callout_done(void *envoy, const void *request, uint64_t id,
                                                                int result, void *headers, size_t headers_count,
                                                                bytes *body, size_t body_count);
HOOK void envoy_dynamic_module_on_http_filter_http_stream_headers(void *envoy, const void *request, uint64_t id,
                                                                  void *headers, size_t count, bool end);
HOOK void envoy_dynamic_module_on_http_filter_http_stream_data(void *envoy, const void *request, uint64_t id,
                                                               const bytes *data, size_t count, bool end);
HOOK void envoy_dynamic_module_on_http_filter_http_stream_trailers(void *envoy, const void *request, uint64_t id,
                                                                   void *trailers, size_t count);
HOOK void envoy_dynamic_module_on_http_filter_http_stream_complete(void *envoy, const void *request, uint64_t id);
HOOK void envoy_dynamic_module_on_http_filter_http_stream_reset(void *envoy, const void *request, uint64_t id,
                                                                int reason);
HOOK void envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(void *envoy,
                                                                                           const void *request);
HOOK void envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(void *envoy,
                                                                                          const void *request);
