//go:build tools

// Package tools names the command that the testbed builds, so that
// `go mod tidy` keeps everything it needs.
package tools

import _ "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"
