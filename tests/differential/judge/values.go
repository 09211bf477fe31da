package main

// Values as the two sides tell them to each other: JSON, in which nothing is lost.
//
//	null, booleans, strings, arrays   as in JSON
//	numbers                           as in JSON where that is their text, else {"n": text}
//	objects                           {"o": {…}}, or {"p": [[key, value], …]} where a key is no string
//	sets                              {"s": […]}
//	strings that are not UTF-8        {"b": hexadecimal}

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func termOf(told any) *ast.Term {
	switch told := told.(type) {
	case nil:
		return ast.NullTerm()
	case bool:
		return ast.BooleanTerm(told)
	case string:
		return ast.StringTerm(told)
	case json.Number:
		return ast.NumberTerm(told)
	case []any:
		return ast.ArrayTerm(termsOf(told)...)
	case map[string]any:
		return taggedTermOf(told)
	}
	panic(fmt.Sprintf("no value: %T", told))
}

func termsOf(told []any) []*ast.Term {
	terms := make([]*ast.Term, len(told))
	for i := range told {
		terms[i] = termOf(told[i])
	}
	return terms
}

func taggedTermOf(told map[string]any) *ast.Term {
	for tag, content := range told {
		switch tag {
		case "n":
			return ast.NumberTerm(json.Number(content.(string)))
		case "o":
			object := ast.NewObject()
			for key, value := range content.(map[string]any) {
				object.Insert(ast.StringTerm(key), termOf(value))
			}
			return ast.NewTerm(object)
		case "p":
			object := ast.NewObject()
			for _, pair := range content.([]any) {
				object.Insert(termOf(pair.([]any)[0]), termOf(pair.([]any)[1]))
			}
			return ast.NewTerm(object)
		case "s":
			return ast.SetTerm(termsOf(content.([]any))...)
		case "b":
			text, err := hex.DecodeString(content.(string))
			if err != nil {
				panic(err)
			}
			return ast.StringTerm(string(text))
		}
	}
	panic("no value: an object without a tag")
}

func appendValue(to []byte, value ast.Value) []byte {
	switch value := value.(type) {
	case ast.Null:
		return append(to, "null"...)
	case ast.Boolean:
		return strconv.AppendBool(to, bool(value))
	case ast.Number:
		if jsonNumber.MatchString(string(value)) {
			return append(to, value...)
		}
		return append(appendString(append(to, `{"n":`...), string(value)), '}')
	case ast.String:
		if !utf8.ValidString(string(value)) {
			return append(appendString(append(to, `{"b":`...), hex.EncodeToString([]byte(value))), '}')
		}
		return appendString(to, string(value))
	case *ast.Array:
		to = append(to, '[')
		value.Foreach(func(member *ast.Term) { to = append(appendValue(to, member.Value), ',') })
		return closed(to, ']')
	case ast.Set:
		to = append(to, `{"s":[`...)
		value.Foreach(func(member *ast.Term) { to = append(appendValue(to, member.Value), ',') })
		return append(closed(to, ']'), '}')
	case ast.Object:
		return appendObject(to, value)
	}
	panic(fmt.Sprintf("no value: %T", value))
}

func appendObject(to []byte, object ast.Object) []byte {
	plain := true
	object.Foreach(func(key, _ *ast.Term) {
		text, ok := key.Value.(ast.String)
		plain = plain && ok && utf8.ValidString(string(text))
	})
	if plain {
		to = append(to, `{"o":{`...)
		object.Foreach(func(key, member *ast.Term) {
			to = append(appendString(to, string(key.Value.(ast.String))), ':')
			to = append(appendValue(to, member.Value), ',')
		})
		return append(closed(to, '}'), '}')
	}
	to = append(to, `{"p":[`...)
	object.Foreach(func(key, member *ast.Term) {
		to = append(appendValue(append(to, '['), key.Value), ',')
		to = append(appendValue(to, member.Value), ']', ',')
	})
	return append(closed(to, ']'), '}')
}

func closed(to []byte, end byte) []byte {
	if to[len(to)-1] == ',' {
		to[len(to)-1] = end
		return to
	}
	return append(to, end)
}

func appendString(to []byte, text string) []byte {
	written, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return append(to, written...)
}
