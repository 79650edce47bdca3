package sqlstep

import (
	"embed"
	"fmt"
	"strings"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// SchemaVersion is the version of the tables that this package works with. It
// changes when the tables do; [Upgrade] returns the statements between versions.
const SchemaVersion = 1

// The files are migrations as they are, so they have the default prefix instead of
// a placeholder.
//
//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema returns the statements that create the tables, for your migration tool.
// They are the file of the dialect in the folder schema, with the names that
// Options.Prefix gives the tables. o is what [New] is called with; nil means the
// defaults.
//
// Running the statements again changes nothing.
func Schema(d sqlstore.Dialect, o *Options) (string, error) {
	return schemaFile(d, o, string(d)+".sql")
}

// Upgrade returns the statements that bring tables of version from to
// [SchemaVersion], for your migration tool; if they are of that version already,
// it returns "". d and o are as for [Schema].
//
// Version 0 is the tables as they were before they had a version. [Store.Check]
// reports tables that need an upgrade, and their version.
func Upgrade(d sqlstore.Dialect, o *Options, from int) (string, error) {
	if from < 0 || from > SchemaVersion {
		return "", fmt.Errorf("sqlstep: no upgrade from version %d: this package knows the versions 0 to %d", from, SchemaVersion)
	}
	var text strings.Builder
	for version := from + 1; version <= SchemaVersion; version++ {
		part, err := schemaFile(d, o, fmt.Sprintf("%s_upgrade%d.sql", d, version))
		if err != nil {
			return "", err
		}
		text.WriteString(part)
	}
	return text.String(), nil
}

// schemaFile returns a file of the folder schema with the prefix that o sets.
func schemaFile(d sqlstore.Dialect, o *Options, name string) (string, error) {
	prefix, err := prefixOf(o)
	if err != nil {
		return "", err
	}
	if _, err := statementsOf(d, prefix); err != nil {
		return "", err
	}
	text, err := schemaFiles.ReadFile("schema/" + name)
	if err != nil {
		return "", fmt.Errorf("sqlstep: %w", err)
	}
	return strings.NewReplacer(
		DefaultPrefix+"sessions", prefix+"sessions",
		DefaultPrefix+"steps", prefix+"steps",
		DefaultPrefix+"submissions", prefix+"submissions",
		DefaultPrefix+"changes", prefix+"changes",
		DefaultPrefix+"version", prefix+"version",
	).Replace(string(text)), nil
}
