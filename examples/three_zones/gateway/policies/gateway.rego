# Who may pass the gateway: any user with a valid token, and only to the two APIs that exist. What the user may do there
# is decided by the service that owns the resource.
package gateway

import rego.v1

default allow := false

allow if {
	valid_user_token
	published
}

valid_user_token if {
	is_string(input.token.sub)
	input.token.sub != ""
	is_number(input.token.exp)

	# The sidecar's own leeway. It has checked `exp` before, and answers 401 so that the caller fetches a new token;
	# a stricter policy would turn that into a 403.
	input.token.exp + 30 > time.now_ns() / 1000000000
}

# correction 14: whole segments, so that /api/v1/orders-admin is another path than /api/v1/orders.
published if {
	input.request.method == "POST"
	input.request.segments == ["api", "v1", "orders"]
}

published if {
	input.request.method == "GET"
	array.slice(input.request.segments, 0, 3) == ["api", "v1", "orders"]
	count(input.request.segments) == 4
	input.request.segments[3] != ""
}

published if {
	input.request.method == "POST"
	input.request.segments == ["api", "v1", "payments"]
}
