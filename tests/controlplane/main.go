// Command controlplane is every component of a test control plane in one binary.
//
// The component is named by the file it was started as (`kube-apiserver`, a symlink) or else by the first argument
// (`controlplane kube-apiserver …`). One binary links the packages that all six share once: 170 MB in place of 500.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// components maps a component's name to its main function, which reads os.Args and returns an exit code.
var components = map[string]func() int{
	"etcd":                    etcd,
	"kube-apiserver":          apiServer,
	"kube-controller-manager": controllerManager,
	"kube-scheduler":          scheduler,
	"kubectl":                 kubectl,
	"kwok":                    kwok,
}

func main() {
	run, ok := components[filepath.Base(os.Args[0])]
	if !ok && len(os.Args) > 1 {
		if run, ok = components[os.Args[1]]; ok {
			os.Args = os.Args[1:]
		}
	}
	if !ok {
		fmt.Fprintln(os.Stderr, "controlplane: name a component as the first argument: etcd, kube-apiserver, "+
			"kube-controller-manager, kube-scheduler, kubectl or kwok")
		os.Exit(2)
	}
	os.Exit(run())
}
