package stock

default allow := false

allow if {
	input.token.azp == "shop"
	input.request.method == "GET"
	input.request.segments[0] == "levels"
	"read-levels" in input.token.resource_access.stock.roles
}

allow if {
	input.token.azp == "shop"
	input.request.method == "POST"
	input.request.segments == ["reservations"]
	"reserve" in input.token.resource_access.stock.roles
}
