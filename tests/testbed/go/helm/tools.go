//go:build tools

// Package tools names the commands that the testbed builds, so that
// `go mod tidy` keeps everything they need.
package tools

import (
	_ "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"
	_ "helm.sh/helm/v3/cmd/helm"
)
