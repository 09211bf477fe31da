#include "key.h"

#include "envoy_interface.h"

static bool add(struct key *key, const void *data, size_t length) {
    if (length > LONGEST_KEY - key->length) {
        return false;
    }
    if (length > 0) {
        memcpy(key->bytes + key->length, data, length);
    }
    key->length += length;
    return true;
}

static bool add_number(struct key *key, size_t number) {
    const uint32_t word = (uint32_t)number;
    return number <= LONGEST_KEY && add(key, &word, sizeof word);
}

static bool add_part(struct key *key, bytes part) {
    return add_number(key, part.length) && add(key, part.ptr, part.length);
}

static bool add_pseudo_header(struct key *key, void *filter, bytes name) {
    bytes value;
    size_t count = 0;
    return envoy_dynamic_module_callback_http_get_header(filter, REQUEST_HEADERS, name, &value, 0, &count) &&
           count == 1 && add_part(key, value);
}

static bool add_header(struct key *key, void *filter, bytes name) {
    bytes value;
    size_t count = 0;
    if (!envoy_dynamic_module_callback_http_get_header(filter, REQUEST_HEADERS, name, &value, 0, &count)) {
        count = 0;
    }
    if (!add_number(key, count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!envoy_dynamic_module_callback_http_get_header(filter, REQUEST_HEADERS, name, &value, i, NULL) ||
            !add_part(key, value)) {
            return false;
        }
    }
    return true;
}

/* Empty where Envoy has none: a request without route, a connection without certificate. */
static bytes attribute(void *filter, int number) {
    bytes value = {NULL, 0};
    const bool there = envoy_dynamic_module_callback_http_filter_get_attribute_string(filter, number, &value);
    return there ? value : (bytes){NULL, 0};
}

static bool is_port(bytes text) {
    for (size_t i = 0; i < text.length; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.length > 0 && text.length <= 5;
}

bytes without_port(bytes address) {
    if (address.length == 0) {
        return address;
    }
    const bool bracketed = address.ptr[0] == '[';
    const char *const end = memchr(address.ptr, bracketed ? ']' : ':', address.length);
    if (end == NULL) {
        return address;
    }
    const bytes before = {address.ptr + bracketed, (size_t)(end - address.ptr) - bracketed};
    const bytes behind = after(address, (size_t)(end - address.ptr) + bracketed);
    return begins_with(behind, TEXT(":")) && is_port(after(behind, 1)) ? before : address;
}

bool key_of(void *filter, const struct configuration *configuration, struct key *into) {
    into->length = 0;
    const bytes address = without_port(attribute(filter, SOURCE_ADDRESS));
    if (address.length == 0 || !add_pseudo_header(into, filter, TEXT(":method")) ||
        !add_pseudo_header(into, filter, TEXT(":path")) || !add_pseudo_header(into, filter, TEXT(":authority")) ||
        !add_part(into, attribute(filter, ROUTE_NAME)) || !add_part(into, address) ||
        !add_part(into, attribute(filter, PEER_CERTIFICATE_SHA256))) {
        return false;
    }
    for (size_t i = 0; i < configuration->asked.count; i++) {
        if (!add_header(into, filter, configuration->asked.each[i])) {
            return false;
        }
    }
    return true;
}
