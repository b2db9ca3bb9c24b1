package main

import (
	_ "time/tzdata" // CronJobs name time zones, and a small image may have no zone files.

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func controllerManager() int {
	return cli.Run(app.NewControllerManagerCommand())
}
