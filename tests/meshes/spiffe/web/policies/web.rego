package web

default allow := false

allow if input.request.segments[0] == "cart"
