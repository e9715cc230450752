// Package tap writes the Test Anything Protocol. It has the interface of
// github.com/mndrix/tap-go, which Debian does not package, as far as
// runtime-tools calls it.
package tap

import (
	"encoding/json"
	"fmt"
	"strings"
)

// T counts the results of one program.
type T struct {
	count int
	todo  bool
}

// New returns a counter at zero.
func New() *T { return &T{} }

// Header starts the stream; a count above zero is the plan.
func (t *T) Header(count int) {
	fmt.Println("TAP version 13")
	if count > 0 {
		fmt.Printf("1..%d\n", count)
	}
}

// Ok reports one result.
func (t *T) Ok(passed bool, description string) {
	t.count++
	word := "ok"
	if !passed {
		word = "not ok"
	}
	directive := ""
	if t.todo {
		directive = " # TODO"
	}
	fmt.Printf("%s %d - %s%s\n", word, t.count, oneLine(description), directive)
}

// Pass reports a result that held.
func (t *T) Pass(description string) { t.Ok(true, description) }

// Fail reports a result that did not hold.
func (t *T) Fail(description string) { t.Ok(false, description) }

// Todo returns a view of t whose results are marked as known to be missing.
func (t *T) Todo() *Todo { return &Todo{t} }

// Todo is what T.Todo returns.
type Todo struct{ t *T }

// Fail reports a result that is known not to hold.
func (todo *Todo) Fail(description string) {
	todo.t.todo = true
	todo.t.Fail(description)
	todo.t.todo = false
}

// Skip reports results that were not looked for.
func (t *T) Skip(count int, reason string) {
	for ; count > 0; count-- {
		t.count++
		fmt.Printf("ok %d # SKIP %s\n", t.count, oneLine(reason))
	}
}

// AutoPlan ends the stream with the number of results so far.
func (t *T) AutoPlan() { fmt.Printf("1..%d\n", t.count) }

// Diagnostic writes a comment.
func (t *T) Diagnostic(text string) {
	fmt.Println("# " + strings.ReplaceAll(text, "\n", "\n# "))
}

// Diagnosticf writes a comment from a format.
func (t *T) Diagnosticf(format string, values ...interface{}) {
	t.Diagnostic(fmt.Sprintf(format, values...))
}

// YAML writes a value that explains the last result; JSON is YAML too.
func (t *T) YAML(value interface{}) error {
	text, err := json.MarshalIndent(value, "  ", "  ")
	if err == nil {
		fmt.Printf("  ---\n  %s\n  ...\n", text)
	}
	return err
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }
