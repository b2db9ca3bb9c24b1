package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

// etcd is the server's own main, so that its flags are those of any other etcd.
func etcd() int {
	etcdmain.Main(os.Args)
	return 0
}
