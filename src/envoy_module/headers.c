#include "headers.h"

#include "envoy_interface.h"
#include "permit.h"

enum { LONGEST_ID = 128 };

bool find_correlation_id(void *envoy, bytes *id) {
    size_t count = 0;
    if (!envoy_dynamic_module_callback_http_get_header(envoy, REQUEST_HEADERS, TEXT("x-correlation-id"), id, 0, &count) ||
        count != 1 || id->length == 0 || id->length > LONGEST_ID) {
        return false;
    }
    for (size_t i = 0; i < id->length; i++) {
        const char c = id->ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-')) {
            return false;
        }
    }
    return true;
}

bool has_room_for(void *envoy, bytes block) {
    enum { MOST_HEADERS = 90, MOST_HEADER_BYTES = 30 << 10 };
    struct header headers[MOST_HEADERS];
    size_t count = envoy_dynamic_module_callback_http_get_headers_size(envoy, REQUEST_HEADERS), size = block.length;
    if (count > MOST_HEADERS || !envoy_dynamic_module_callback_http_get_headers(envoy, REQUEST_HEADERS, headers)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size += headers[i].name.length + headers[i].value.length;
    }
    for (bytes name, value; header_line_next(&block, &name, &value);) {
        count++;
    }
    return count <= MOST_HEADERS && size <= MOST_HEADER_BYTES;
}

static bool set_header(void *envoy, bytes name, bytes value) {
    return envoy_dynamic_module_callback_http_set_header(envoy, REQUEST_HEADERS, name, value);
}

static bool remove_headers(void *envoy, bytes names) {
    bytes name;
    while (removed_name_next(&names, &name)) {
        if (!set_header(envoy, name, (bytes){NULL, 0})) {
            return false;
        }
    }
    return true;
}

bool change_headers(void *envoy, bytes block) {
    bytes rest = block, name, value;
    while (header_line_next(&rest, &name, &value)) {
        if (is_user_key(name)) {
            envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
                envoy, TEXT("envoy.filters.http.ext_authz"), name, value);
        } else if (!is_removal(name) && !set_header(envoy, name, value)) {
            return false;
        }
    }
    for (rest = block; header_line_next(&rest, &name, &value);) {
        if (is_removal(name) && !remove_headers(envoy, value)) {
            return false;
        }
    }
    return true;
}
