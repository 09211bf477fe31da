/* What Envoy insists on finding in a module, and this one has no use for. */
#include "envoy_interface.h"

const void *envoy_dynamic_module_on_http_filter_per_route_config_new(bytes name, bytes text) {
    (void)name, (void)text;
    return NULL;  /* no route has a configuration of its own: it is refused */
}

void envoy_dynamic_module_on_http_filter_per_route_config_destroy(const void *config) {
    (void)config;
}

int envoy_dynamic_module_on_http_filter_request_body(void *envoy, const void *request, bool end) {
    (void)envoy, (void)request, (void)end;
    return CONTINUE;
}

int envoy_dynamic_module_on_http_filter_request_trailers(void *envoy, const void *request) {
    (void)envoy, (void)request;
    return CONTINUE;
}

int envoy_dynamic_module_on_http_filter_response_body(void *envoy, const void *request, bool end) {
    (void)envoy, (void)request, (void)end;
    return CONTINUE;
}

int envoy_dynamic_module_on_http_filter_response_trailers(void *envoy, const void *request) {
    (void)envoy, (void)request;
    return CONTINUE;
}

void envoy_dynamic_module_on_http_filter_stream_complete(void *envoy, const void *request) {
    (void)envoy, (void)request;
}

void envoy_dynamic_module_on_http_filter_scheduled(void *envoy, const void *request, uint64_t event) {
    (void)envoy, (void)request, (void)event;
}

void envoy_dynamic_module_on_http_filter_http_callout_done(void *envoy, const void *request, uint64_t id, int result,
                                                           void *headers, size_t headers_count, bytes *body,
                                                           size_t body_count) {
    (void)envoy, (void)request, (void)id, (void)result, (void)headers, (void)headers_count, (void)body,
        (void)body_count;
}

void envoy_dynamic_module_on_http_filter_http_stream_headers(void *envoy, const void *request, uint64_t id,
                                                             void *headers, size_t count, bool end) {
    (void)envoy, (void)request, (void)id, (void)headers, (void)count, (void)end;
}

void envoy_dynamic_module_on_http_filter_http_stream_data(void *envoy, const void *request, uint64_t id,
                                                          const bytes *data, size_t count, bool end) {
    (void)envoy, (void)request, (void)id, (void)data, (void)count, (void)end;
}

void envoy_dynamic_module_on_http_filter_http_stream_trailers(void *envoy, const void *request, uint64_t id,
                                                              void *trailers, size_t count) {
    (void)envoy, (void)request, (void)id, (void)trailers, (void)count;
}

void envoy_dynamic_module_on_http_filter_http_stream_complete(void *envoy, const void *request, uint64_t id) {
    (void)envoy, (void)request, (void)id;
}

void envoy_dynamic_module_on_http_filter_http_stream_reset(void *envoy, const void *request, uint64_t id, int reason) {
    (void)envoy, (void)request, (void)id, (void)reason;
}

void envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(void *envoy,
                                                                                      const void *request) {
    (void)envoy, (void)request;
}

void envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(void *envoy,
                                                                                     const void *request) {
    (void)envoy, (void)request;
}
