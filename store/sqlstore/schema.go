package sqlstore

import (
	"cmp"
	"embed"
	"fmt"
	"strings"

	"github.com/hookonce/hookonce/store/internal/records"
)

// SchemaVersion is the version of the tables that this package works with. It
// changes when the tables do; [Upgrade] returns the statements between versions.
const SchemaVersion = 1

// The folder's files are migrations as they are, so they have the default table's
// name instead of a placeholder.
//
//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema returns the statements that create the tables, for your migration tool.
// They are the file of the dialect in the folder schema, with the name of
// Options.Table. o is what [New] is called with; nil means the defaults.
//
// Besides the records, the tables are one for payloads, which stays empty unless
// Options.KeepPayloads is set, and one that holds [SchemaVersion]. A view, named
// like the table with _readable after it, shows the records with their keys and
// times in readable form. The store does not use it.
//
// Running the statements again changes nothing.
func Schema(d Dialect, o *Options) (string, error) {
	return schemaFile(d, o, string(d)+".sql")
}

// Upgrade returns the statements that bring tables of version from to
// [SchemaVersion], for your migration tool; if they are of that version already,
// it returns "". d and o are as for [Schema].
//
// Version 0 is the tables as they were before they had a version. Stop the processes
// of the old version before you run the statements. [Store.Check] reports tables
// that need an upgrade, and their version.
func Upgrade(d Dialect, o *Options, from int) (string, error) {
	if from < 0 || from > SchemaVersion {
		return "", fmt.Errorf("sqlstore: no upgrade from version %d: this package knows the versions 0 to %d", from, SchemaVersion)
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

// schemaFile returns a file of the folder schema with the name of o.Table.
func schemaFile(d Dialect, o *Options, name string) (string, error) {
	table := DefaultTable
	if o != nil {
		table = cmp.Or(o.Table, table)
	}
	if err := records.CheckTable("sqlstore", records.Dialect(d), table); err != nil {
		return "", err
	}
	text, err := schemaFiles.ReadFile("schema/" + name)
	if err != nil {
		return "", fmt.Errorf("sqlstore: %w", err)
	}
	return strings.ReplaceAll(string(text), DefaultTable, table), nil
}
