package main

// Policies: compiled as a running OPA does, then every rule and package of theirs asked about every input.

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const patience = time.Second // for one answer; a policy that needs more is not judged

type policyTask struct {
	Modules [][2]string `json:"modules"`
	Data    any         `json:"data"`
	Inputs  []any       `json:"inputs"`  // one that is {"u": 1}: no input at all
	Queries []string    `json:"queries"` // none: every rule that is no function, and every package
	Now     int64       `json:"now"`
	Strict  bool        `json:"strict"` // an error of a builtin is an error of the query
}

type policy struct {
	compiler *ast.Compiler
	indexed  *ast.Compiler // the same, with the indexes of comprehensions
	store    storage.Store
	now      time.Time
	strict   bool
	slow     bool // found out while it answers
}

func judgePolicy(task *policyTask) []byte {
	found, problems := compiled(task)
	if len(problems) > 0 {
		return appendProblems(nil, problems)
	}
	queries := allQueries(found.compiler)
	if len(task.Queries) > 0 {
		queries = queries[:0]
		for _, query := range task.Queries {
			queries = append(queries, ast.MustParseRef(query))
		}
	}
	answer := []byte(`{"queries":[`)
	for _, query := range queries {
		answer = append(appendValue(answer, ast.NewArray(query[1:]...)), ',')
	}
	answer = append(closed(answer, ']'), `,"answers":[`...)
	inputs := inputsOf(task.Inputs)
	for _, query := range queries {
		answer = append(found.appendAnswers(answer, query, inputs), ',')
		if found.slow {
			return append(appendString([]byte(`{"slow":`), query.String()), '}')
		}
	}
	return append(closed(answer, ']'), '}')
}

func inputsOf(told []any) []*ast.Term {
	inputs := make([]*ast.Term, len(told))
	for i, each := range told {
		if tagged, ok := each.(map[string]any); ok && tagged["u"] != nil {
			continue
		}
		inputs[i] = termOf(each)
	}
	return inputs
}

func compiled(task *policyTask) (*policy, ast.Errors) {
	ctx := context.Background()
	var problems ast.Errors
	modules := map[string]*ast.Module{}
	for _, each := range task.Modules {
		options := ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true}
		module, err := ast.ParseModuleWithOpts(each[0], each[1], options)
		if err != nil {
			problems = append(problems, asProblems(err)...)
		}
		modules[each[0]] = module
	}
	if len(problems) > 0 {
		return nil, problems
	}
	data, err := ast.JSON(termOf(task.Data).Value)
	if err != nil {
		panic(err)
	}
	store := inmem.NewFromObjectWithOpts(data.(map[string]any), inmem.OptReturnASTValuesOnRead(filters(task)))
	txn := storage.NewTransactionOrDie(ctx, store)
	defer store.Abort(ctx, txn)
	copies := map[string]*ast.Module{}
	for name, module := range modules {
		copies[name] = module.Copy()
	}
	conflicts := storage.NonEmpty(ctx, store, txn)
	compiler := newCompiler(conflicts).WithSkipStages(ast.StageBuildComprehensionIndices)
	compiler.Compile(modules)
	if compiler.Failed() {
		return nil, compiler.Errors
	}
	indexed := newCompiler(conflicts)
	indexed.Compile(copies)
	now := time.Unix(0, task.Now)
	return &policy{compiler: compiler, indexed: indexed, store: store, now: now, strict: task.Strict}, nil
}

func newCompiler(conflicts func([]string) (bool, error)) *ast.Compiler {
	return ast.NewCompiler().SetErrorLimit(-1).WithPathConflictsCheck(conflicts).WithUseTypeCheckAnnotations(true)
}

// filters tells whether a module calls json.filter. Such are asked as `opa run --read-ast-values-from-store` asks: from
// the store that it has by default (as `opa eval`), the builtin fails on an object of the data that a policy put into
// another object, unless a comparison looked into it before.
func filters(task *policyTask) bool {
	return slices.ContainsFunc(task.Modules, func(each [2]string) bool {
		return strings.Contains(each[1], "filter") // also json["filter"]
	})
}

func asProblems(err error) ast.Errors {
	var problems ast.Errors
	if errors.As(err, &problems) {
		return problems
	}
	var problem *ast.Error
	if errors.As(err, &problem) {
		return ast.Errors{problem}
	}
	return ast.Errors{ast.NewError("other_error", nil, "%s", err.Error())}
}

func appendProblems(to []byte, problems ast.Errors) []byte {
	to = append(to, `{"problems":[`...)
	for _, each := range problems {
		file, row, column := "", 0, 0
		if each.Location != nil {
			file, row, column = each.Location.File, each.Location.Row, each.Location.Col
		}
		to = append(appendString(append(to, '['), each.Code), ',')
		to = append(appendString(to, file), fmt.Sprintf(",%d,%d,", row, column)...)
		to = append(appendString(to, each.Message), ']', ',')
	}
	return append(closed(to, ']'), '}')
}

func allQueries(compiler *ast.Compiler) []ast.Ref {
	found := map[string]ast.Ref{}
	for _, module := range compiler.Modules {
		for length := 2; length <= len(module.Package.Path); length++ {
			found[module.Package.Path[:length].String()] = module.Package.Path[:length]
		}
		for _, rule := range module.Rules {
			if len(rule.Head.Args) == 0 {
				ref := rule.Ref().GroundPrefix()
				found[ref.String()] = ref
			}
		}
	}
	queries := slices.Collect(maps.Values(found))
	slices.SortFunc(queries, func(one, other ast.Ref) int {
		return cmp.Or(cmp.Compare(len(one), len(other)), one.Compare(other))
	})
	return queries
}

// appendAnswers asks twice. The indexes of rules and of comprehensions are optimisations, and are seen where there are
// errors: they skip bodies whose errors nobody then sees, evaluate others that nobody asked for, and keep the last of two
// values that conflict; without the index of rules OPA 1.22.3 sometimes takes the first of two values of one rule. Where
// the two answers differ, either of them is OPA's.
func (found *policy) appendAnswers(to []byte, query ast.Ref, inputs []*ast.Term) []byte {
	to = append(to, '[')
	plain, indexed := found.query(query, false), found.query(query, true)
	for _, input := range inputs {
		answer := plain(input)
		if found.slow {
			to = append(append(to, answer...), ',')
			break
		}
		if other := indexed(input); !bytes.Equal(answer, other) {
			answer = append(append(answer[:len(answer)-1], `,"indexed":`...), other...)
			answer = append(answer, '}')
		}
		to = append(append(to, answer...), ',')
		if found.slow {
			break
		}
	}
	return closed(to, ']')
}

func (found *policy) query(query ast.Ref, indexing bool) func(*ast.Term) []byte {
	policy := found.compiler
	if indexing {
		policy = found.indexed
	}
	compiler := policy.QueryCompiler()
	body, err := compiler.Compile(ast.NewBody(ast.Equality.Expr(ast.NewTerm(query), ast.VarTerm("answer"))))
	if err != nil {
		told := append(appendString([]byte(`{"q":`), err.Error()), '}')
		return func(*ast.Term) []byte { return slices.Clone(told) }
	}
	return func(input *ast.Term) []byte {
		ctx := context.Background()
		txn := storage.NewTransactionOrDie(ctx, found.store)
		defer found.store.Abort(ctx, txn)
		cancel := topdown.NewCancel()
		timer := time.AfterFunc(patience, cancel.Cancel)
		defer timer.Stop()
		results, err := topdown.NewQuery(body).
			WithIndexing(indexing).
			WithQueryCompiler(compiler).
			WithCompiler(policy).
			WithStore(found.store).
			WithTransaction(txn).
			WithInput(input).
			WithTime(found.now).
			WithCancel(cancel).
			WithStrictBuiltinErrors(found.strict).
			Run(ctx)
		if err != nil {
			found.slow = topdown.IsCancel(err)
			return appendError(nil, err)
		}
		if len(results) == 0 {
			return []byte(`{"u":1}`)
		}
		return append(appendValue([]byte(`{"v":`), results[0]["answer"].Value), '}')
	}
}

func appendError(to []byte, err error) []byte {
	var problem *topdown.Error
	code := "other_error"
	if errors.As(err, &problem) {
		code = problem.Code
	}
	to = appendString(append(to, `{"e":`...), code)
	return append(appendString(append(to, `,"m":`...), err.Error()), '}')
}
