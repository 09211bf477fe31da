package catalog

default allow := false

needed := {"GET": "read:catalog", "PUT": "edit:catalog"}

allow if {
	input.request.segments[0] == "catalog"
	needed[input.request.method] in input.token.permissions
}
