package main

import "runtime/debug"

// version of franz-go that this program was built with.
var version = func() string {
	info, found := debug.ReadBuildInfo()
	if !found {
		return "unknown"
	}
	for _, dependency := range info.Deps {
		if dependency.Path == "github.com/twmb/franz-go" {
			return dependency.Version
		}
	}
	return "unknown"
}()
