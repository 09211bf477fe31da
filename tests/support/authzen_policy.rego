# The fixtures of AuthZEN's certification scenario (users alice and bob), and of its public interop scenario (todo lists).
package authzen

import rego.v1

default allow := false

# Certification, §1.4: rules 1-4 by names alone, 5-8 by properties.
allow if {
	input.resource.type == "record"
	record
}

record if input.action.name == "read"

record if {
	input.action.name == "write"
	input.subject.id == "alice"
	status != "archived"
}

record if {
	input.action.name == "write"
	input.subject.properties.role == "admin"
	status == "archived"
}

record if {
	input.action.name == "delete"
	input.action.properties.soft == true
}

default status := ""

status := input.resource.properties.status

# Todo: what each role may do, and to whose entries.
allow if {
	input.action.name in {"can_read_user", "can_read_todos"}
	roles
}

allow if {
	input.action.name == "can_create_todo"
	roles & {"admin", "editor"} != set()
}

allow if {
	input.action.name == "can_update_todo"
	"evil_genius" in roles
}

allow if {
	input.action.name == "can_delete_todo"
	"admin" in roles
}

allow if {
	input.action.name in {"can_update_todo", "can_delete_todo"}
	"editor" in roles
	input.resource.properties.ownerID == people[input.subject.id].email
}

roles := {role | some role in people[input.subject.id].roles}

people := {
	"CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": {"email": "rick@the-citadel.com", "roles": ["admin", "evil_genius"]},
	"CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": {"email": "morty@the-citadel.com", "roles": ["editor"]},
	"CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": {"email": "summer@the-smiths.com", "roles": ["editor"]},
	"CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": {"email": "beth@the-smiths.com", "roles": ["viewer"]},
	"CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": {"email": "jerry@the-smiths.com", "roles": ["viewer"]},
}
