package order_test

import data.order
import rego.v1

# The good request; each test changes one thing in it.
creating := {
	"mtls": {"verified": true, "subject": {"CN": "api-gateway-client", "O": "MyOrg"}, "san": {"uri": [], "dns": []}},
	"token": {"sub": "user-123", "exp": 4102444800, "realm_access": {"roles": ["customer", "orders:create"]}},
	"request": {"method": "POST", "path": "/orders", "segments": ["orders"], "query": {}, "host": "order-service"},
	"headers": {"X-Correlation-ID": "req-1"},
	"route": "default",
	"decision_id": "d-1",
}

asking(method, segments) := object.union(creating, {"request": {
	"method": method,
	"path": concat("/", array.concat([""], segments)),
	"segments": segments,
}})

# A user without any role.
nobody(asked) := object.union(asked, {"token": {"realm_access": {"roles": []}}})

test_a_user_with_the_role_creates_an_order if order.allow with input as creating

test_without_the_role_no_order_is_created if {
	not order.allow with input as nobody(creating)
}

test_another_role_does_not_create if {
	every roles in [["customer"], ["payments:create"], ["orders:created"], "orders:create", null] {
		not order.allow with input as object.union(creating, {"token": {"realm_access": {"roles": roles}}})
	}
}

test_a_token_without_roles_creates_nothing if {
	token := object.remove(creating.token, ["realm_access"])
	not order.allow with input as object.union(object.remove(creating, ["token"]), {"token": token})
}

test_any_user_may_ask_for_an_order_or_a_product if {
	order.allow with input as nobody(asking("GET", ["orders", "o-1"]))
	order.allow with input as nobody(asking("GET", ["inventory", "PROD-123"]))
}

test_only_the_gateway_may_call if {
	every name in ["order-service-client", "payment-service-client", "api-gateway-client ", "", null] {
		not order.allow with input as object.union(creating, {"mtls": {"subject": {"CN": name}}})
	}
	not order.allow with input as object.union(creating, {"mtls": {"verified": false}})
	not order.allow with input as object.union(creating, {"mtls": {"verified": "true"}})
}

test_without_a_certificate_nothing if {
	not order.allow with input as object.union(object.remove(creating, ["mtls"]), {"mtls": {"verified": false, "subject": {}}})
}

test_without_a_token_nothing if {
	not order.allow with input as object.union(object.remove(creating, ["token"]), {"token": {}})
}

test_without_anything_nothing if {
	not order.allow with input as {}
}

test_an_expired_token_is_none if {
	now := time.now_ns() / 1000000000
	order.allow with input as object.union(creating, {"token": {"exp": now - 10}})
	not order.allow with input as object.union(creating, {"token": {"exp": now - 40}})
	not order.allow with input as object.union(creating, {"token": {"exp": "4102444800"}})
}

test_a_user_has_a_name if {
	every sub in ["", null, 5, ["user-123"]] {
		not order.allow with input as object.union(creating, {"token": {"sub": sub}})
	}
}

test_another_method_is_denied if {
	every method in ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
		not order.allow with input as asking(method, ["orders"])
	}
	every method in ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
		not order.allow with input as asking(method, ["orders", "o-1"])
		not order.allow with input as asking(method, ["inventory", "PROD-123"])
	}
}

test_correction_14_another_path_is_denied if {
	every segments in [
		[], ["admin"], ["orders-admin"], ["orders", ""], ["orders-admin", "o-1"], ["orders", "o-1", "items"], ["inventory"],
		["payments"], ["healthz"], ["api", "v1", "orders"], ["", "orders"], ["x", "orders"],
	] {
		not order.allow with input as asking("GET", segments)
		not order.allow with input as asking("POST", segments)
	}
}
