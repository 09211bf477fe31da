// The real OPA as judge: it reads a task a line, and answers a line a task, in the order of the tasks.
//
// It is a test's child and trusts what it reads.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
)

type task struct {
	Policy *policyTask `json:"policy"`
	Calls  [][]any     `json:"calls"` // [name, argument …] each
	Now    int64       `json:"now"`
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	places := make(chan chan []byte, runtime.GOMAXPROCS(0)) // no more at once: each has its patience
	done := make(chan struct{})
	go func() {
		defer close(done)
		for place := range places {
			out.Write(<-place)
			out.WriteByte('\n')
			if len(places) == 0 {
				out.Flush()
			}
		}
		out.Flush()
	}()
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			place := make(chan []byte, 1)
			places <- place
			go func() { place <- answered(line) }()
		}
		if err != nil {
			break
		}
	}
	close(places)
	<-done
}

func answered(line []byte) (answer []byte) {
	defer func() {
		if problem := recover(); problem != nil {
			answer = append(appendString([]byte(`{"panic":`), fmt.Sprint(problem)), '}')
		}
	}()
	var told task
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&told); err != nil {
		panic(err)
	}
	if told.Policy != nil {
		return judgePolicy(told.Policy)
	}
	answer = []byte(`{"calls":[`)
	for _, call := range told.Calls {
		answer = append(appendCall(answer, call, told.Now), ',')
	}
	return append(closed(answer, ']'), '}')
}

func appendCall(to []byte, call []any, now int64) (answer []byte) {
	defer func() {
		if problem := recover(); problem != nil {
			answer = append(appendString(append(to, `{"panic":`...), fmt.Sprint(problem)), '}')
		}
	}()
	function := topdown.GetBuiltin(call[0].(string))
	if function == nil {
		panic("no such builtin")
	}
	cancel := topdown.NewCancel()
	timer := time.AfterFunc(patience, cancel.Cancel)
	defer timer.Stop()
	builtin := topdown.BuiltinContext{
		Context:      context.Background(),
		Metrics:      metrics.New(),
		Time:         ast.NumberTerm(json.Number(fmt.Sprint(now))),
		Cancel:       cancel,
		Cache:        builtins.Cache{},
		Location:     ast.NewLocation(nil, "", 1, 1),
		Capabilities: ast.CapabilitiesForThisVersion(),
	}
	var value ast.Value
	err := function(builtin, termsOf(call[1:]), func(result *ast.Term) error {
		value = result.Value
		return nil
	})
	switch {
	case err != nil:
		return appendError(to, err)
	case value == nil:
		return append(to, `{"u":1}`...)
	}
	return append(appendValue(append(to, `{"v":`...), value), '}')
}
