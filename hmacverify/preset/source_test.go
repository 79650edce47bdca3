package preset_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// function is an exported function of the package that returns a preset.
type function struct {
	name, doc string
	scheme    hmacverify.Scheme
}

// functions returns them by Scheme.Name. The compiler knows which function
// returns which scheme, and the source which functions there are; the lists of
// each trade, in which both stand in one order, join the two.
func functions(tb testing.TB) map[string]function {
	tb.Helper()
	docs, listed := parsed(tb)
	byName := map[string]function{}
	for _, t := range preset.Trades() {
		for _, name := range t.Names {
			if len(listed) == 0 {
				tb.Fatal("the lists hold more than the source shows")
			}
			s, _ := preset.ByName(name)
			byName[name] = function{name: listed[0], doc: docs[listed[0]], scheme: s}
			listed = listed[1:]
		}
	}
	return byName
}

// parsed returns the doc comments of all exported functions that return a
// Scheme, and the names of the functions that the lists call, in order.
func parsed(tb testing.TB) (docs map[string]string, listed []string) {
	tb.Helper()
	decls, err := parsePackage()
	if err != nil {
		tb.Fatal(err)
	}
	docs = map[string]string{}
	lists := map[string][]string{}
	var order []string
	for _, f := range decls {
		switch exported := f.Name.IsExported(); {
		case exported && returns(f, isScheme):
			docs[f.Name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		case !exported && returns(f, isSchemes):
			lists[f.Name.Name] = calls(f)
		case f.Name.Name == "trades":
			order = calls(f)
		}
	}
	for _, name := range order {
		listed = append(listed, lists[name]...)
	}
	return docs, listed
}

// parsePackage parses the package's functions once.
var parsePackage = sync.OnceValues(func() ([]*ast.FuncDecl, error) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		return nil, err
	}
	var decls []*ast.FuncDecl
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				decls = append(decls, f)
			}
		}
	}
	return decls, nil
})

// returns reports whether a function's only result is of a type.
func returns(f *ast.FuncDecl, is func(ast.Expr) bool) bool {
	r := f.Type.Results
	return r != nil && len(r.List) == 1 && is(r.List[0].Type)
}

func isScheme(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Scheme"
}

func isSchemes(e ast.Expr) bool {
	a, ok := e.(*ast.ArrayType)
	return ok && isScheme(a.Elt)
}

// calls returns the names of the functions without arguments that f calls, in
// order.
func calls(f *ast.FuncDecl) (names []string) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok && len(c.Args) == 0 {
			if id, ok := c.Fun.(*ast.Ident); ok {
				names = append(names, id.Name)
			}
		}
		return true
	})
	return names
}
