# Who may call the order service: the gateway, for a user, who needs the role to create an order.
package order

import rego.v1

default allow := false

allow if {
	valid_mtls_client
	valid_user_token
	has_permission
}

valid_mtls_client if {
	input.mtls.verified == true
	input.mtls.subject.CN == "api-gateway-client"
}

valid_user_token if {
	is_string(input.token.sub)
	input.token.sub != ""
	is_number(input.token.exp)

	# The sidecar's own leeway. It has checked `exp` before, and answers 401 so that the caller fetches a new token;
	# a stricter policy would turn that into a 403.
	input.token.exp + 30 > time.now_ns() / 1000000000
}

# correction 14: the method alone was enough; now it is a method on a resource, in whole segments.
has_permission if {
	input.request.method == "POST"
	input.request.segments == ["orders"]
	"orders:create" in input.token.realm_access.roles
}

# correction 15: any user may ask for an order, and the service answers 404 unless it is the user's own.
has_permission if {
	input.request.method == "GET"
	input.request.segments[0] in ["orders", "inventory"]
	one_item
}

# A resource and its id: ["orders", "123"].
one_item if {
	count(input.request.segments) == 2
	input.request.segments[1] != ""
}
