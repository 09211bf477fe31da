package access_test

import data.access
import rego.v1

# A good request; each test changes one thing in it.
reading := {
	"mtls": {"verified": true, "subject": {"CN": "@CALLER@-client", "O": "MyOrg"}},
	"token": {"sub": "anna", "realm_access": {"roles": ["reader"]}},
	"request": {"method": "GET", "path": "/", "segments": []},
}

with_roles(asked, roles) := object.union(asked, {"token": {"realm_access": {"roles": roles}}})

by_method(asked, method) := object.union(asked, {"request": {"method": method}})

test_a_reader_reads if access.allow with input as reading

test_without_the_role_nothing_is_read if not access.allow with input as with_roles(reading, ["guest"])

test_a_reader_changes_nothing if {
	every method in ["POST", "PUT", "PATCH", "DELETE"] {
		not access.allow with input as by_method(reading, method)
	}
}

test_a_writer_changes if access.allow with input as with_roles(by_method(reading, "POST"), ["writer"])

test_without_a_token_nothing_is_allowed if not access.allow with input as object.union(
	object.remove(reading, ["token"]),
	{"token": {}},
)
