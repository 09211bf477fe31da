# Which service may do what with the data. The answer carries its reasons, and facts for the audit record.
package dataservice

import rego.v1

default allow := false

result := {
	"allow": allow,
	"reasons": reasons,
	"audit": {
		# correction 6: a header that is absent must not make the whole result undefined.
		"service": client_name,
		"user_context": object.get(input.headers, "X-User-Context", ""),
		"correlation_id": object.get(input.headers, "X-Correlation-ID", ""),
		"action": input.request.method,
		"resource": input.request.path,
	},
}

allow if {
	valid_mtls_client
	valid_service_token
	has_service_permission
}

# An allowed request has one reason, the permission; a refused one has everything that it lacks.
reasons contains sprintf("service %s has permission %s", [service_name, required_permission]) if allow

reasons contains "no mTLS client that may call the data service" if {
	not valid_mtls_client
}

reasons contains "no valid token of the calling service" if {
	not valid_service_token
}

reasons contains "no permission exists for this method and path" if {
	not required_permission
}

reasons contains sprintf("service %s lacks permission %s", [service_name, required_permission]) if {
	not has_service_permission
}

# mTLS validation
valid_mtls_client if {
	input.mtls.verified == true
	allowed_services[client_name]
}

client_name := object.get(input.mtls.subject, "CN", "")

# The certificate's name, and the service whose tokens may come with it.
allowed_services := {
	"order-service-client": "order-service",
	"payment-service-client": "payment-service",
}

# Service token validation
valid_service_token if {
	service_name == allowed_services[client_name]
	is_number(input.token.exp)

	# The sidecar's own leeway. It has checked `exp` before, and answers 401 so that the caller fetches a new token;
	# a stricter policy would turn that into a 403.
	input.token.exp + 30 > time.now_ns() / 1000000000
}

# `azp`, the authorized party, is the client_id.
service_name := input.token.azp if is_string(input.token.azp)

has_service_permission if required_permission in service_permissions[service_name]

# correction 5: one rule for the permission that a request requires. correction 14: whole segments.
required_permission := "read-inventory" if {
	input.request.method == "GET"
	input.request.segments == ["inventory"]
}

required_permission := "read-inventory" if {
	input.request.method == "GET"
	input.request.segments[0] == "inventory"
	one_item
}

required_permission := "write-orders" if {
	input.request.method == "POST"
	input.request.segments == ["orders"]
}

required_permission := "read-orders" if {
	input.request.method == "GET"
	input.request.segments[0] == "orders"
	one_item
}

required_permission := "write-payments" if {
	input.request.method == "POST"
	input.request.segments == ["payments"]
}

# A resource and its id: ["orders", "123"].
one_item if {
	count(input.request.segments) == 2
	input.request.segments[1] != ""
}

# Service permissions matrix
service_permissions := {
	"order-service": ["read-inventory", "write-orders", "read-orders"],
	"payment-service": ["read-orders", "write-payments"],
}
