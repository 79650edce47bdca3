// Package galeranode has the options with which a server of MariaDB is a node of a Galera
// cluster on the loopback interface. They need Galera 4 and rsync.
package galeranode

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// provider is Galera's library, where Debian and Red Hat keep it.
var provider = []string{"/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so"}

// Ports is how many ports in a row a node needs: of SQL, and three of Galera's own.
const Ports = 4

// NewCluster is an option for the first start of the first node. Any other start with it
// would divide the cluster.
const NewCluster = "--wsrep-new-cluster"

// Options returns the options of one of as many nodes, of which the first one's first port
// is given, and the others' are next to it. The nodes do not wait for their disks: one that
// is killed loses its last second, and gets it from the others.
func Options(first, nodes, node int) ([]string, error) {
	library := slices.IndexFunc(provider, func(name string) bool {
		_, err := os.Stat(name)
		return err == nil
	})
	if library < 0 {
		return nil, fmt.Errorf("there is none of %v: Galera is not installed", provider)
	}
	for _, tool := range []string{"rsync", "wsrep_sst_rsync"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, errors.New(tool + " is not installed, by which a node gets its data")
		}
	}
	var peers []string
	for i := range nodes {
		peers = append(peers, fmt.Sprintf("127.0.0.1:%d", first+i*Ports+1))
	}
	port := first + node*Ports
	return []string{
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--innodb-flush-log-at-trx-commit=0",
		"--wsrep-on=ON", "--wsrep-provider=" + provider[library], fmt.Sprint("--wsrep-cluster-name=hookonce-", first),
		"--wsrep-cluster-address=gcomm://" + strings.Join(peers, ","),
		fmt.Sprintf("--wsrep-node-address=127.0.0.1:%d", port+1),
		fmt.Sprintf("--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:%d;ist.recv_addr=127.0.0.1:%d;gcache.size=64M", port+1, port+2),
		"--wsrep-sst-method=rsync", fmt.Sprintf("--wsrep-sst-receive-address=127.0.0.1:%d", port+3),
	}, nil
}
