/* The headers of a request in Envoy: its correlation id, and what the worker's answer makes of the others. */
#pragma once

#include "bytes.h"

/* False where there is not exactly one, and a good one. */
bool find_correlation_id(void *envoy, bytes *id);
/* Whether the lines surely fit in beside the request's own headers. Where they might not (Envoy takes 100, of 32 KiB),
 * `ext_authz` refuses the request, and has to be asked. */
bool has_room_for(void *envoy, bytes block);
/* What `ext_authz` would do with the worker's header lines: first it sets, then it removes. False where Envoy does not. */
bool change_headers(void *envoy, bytes block);
