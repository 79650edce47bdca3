package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The list is complete if it has every exported function of preset that returns a
// Scheme.
func TestSchemes_ListIsComplete(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, scheme := range presets {
		name := runtime.FuncForPC(reflect.ValueOf(scheme).Pointer()).Name()
		listed[name[strings.LastIndex(name, ".")+1:]] = true
	}
	exported := map[string]bool{}
	files, err := filepath.Glob("../preset/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if name, ok := returnsScheme(decl); ok && f.Name.Name == "preset" {
				exported[name] = true
			}
		}
	}
	if diff := cmp.Diff(exported, listed); diff != "" {
		t.Errorf("presets (-exported +listed)\n%s", diff)
	}
}

func returnsScheme(decl ast.Decl) (name string, ok bool) {
	f, ok := decl.(*ast.FuncDecl)
	if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Params.NumFields() > 0 || f.Type.Results.NumFields() != 1 {
		return "", false
	}
	result, ok := f.Type.Results.List[0].Type.(*ast.SelectorExpr)
	return f.Name.Name, ok && result.Sel.Name == "Scheme"
}
