package torture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// templates are data directories as they are after their creation, by engine: to
// create one takes seconds.
var templates struct {
	mu  sync.Mutex // held while one is created
	dir string     // "" before the first
}

// copyTemplate makes the data directory a new one.
func (d *database) copyTemplate() error {
	template, err := d.template()
	if err != nil {
		return err
	}
	// The content, because the directory may be a disk of its own.
	out, err := exec.Command("cp", "--archive", template+"/.", d.dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return nil
}

func (d *database) template() (dir string, err error) {
	templates.mu.Lock()
	defer templates.mu.Unlock()
	if templates.dir == "" {
		if templates.dir, err = newDirectory(); err != nil {
			return "", err
		}
	}
	t := &database{engine: d.engine, dir: filepath.Join(templates.dir, d.name)}
	if _, err := os.Stat(t.dir); err == nil {
		return t.dir, nil
	}
	if err := t.makeDirectory(); err != nil {
		return "", err
	}
	command, err := t.initialize(t.dir)
	if err != nil {
		return "", err
	}
	command.Dir, command.SysProcAttr = t.dir, t.attributes()
	if out, err := command.CombinedOutput(); err != nil {
		os.RemoveAll(t.dir) // the next run shall see the error too
		return "", fmt.Errorf("%s: %w\n%s", filepath.Base(command.Path), err, out)
	}
	return t.dir, nil
}

// removeTemplates removes what copyTemplate has left for the next run.
func removeTemplates() {
	if templates.dir != "" {
		os.RemoveAll(templates.dir)
	}
}
