package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// resource holds the fields of Tilt's UIResource that this program uses.
type resource struct {
	Status struct {
		UpdateStatus string
		BuildHistory []update
	}
}

// update is a completed update of a resource: a compilation, or the live update of
// the pods.
type update struct {
	Start  time.Time `json:"startTime"`
	Finish time.Time `json:"finishTime"`
}

// get returns a resource of Tilt by name.
func get(ctx context.Context, name string) (resource, error) {
	var r resource
	out, err := exec.CommandContext(ctx, "tilt", "get", "uiresource", name, "--output=json").Output()
	if err != nil {
		return r, fmt.Errorf("tilt get uiresource %s: %w", name, err)
	}
	return r, json.Unmarshal(out, &r)
}

// updateSince returns the first update of a resource that started after a time.
func updateSince(ctx context.Context, name string, after time.Time) (update, error) {
	r, err := get(ctx, name)
	if err != nil {
		return update{}, err
	}
	// The history is in descending order of time.
	for _, u := range slices.Backward(r.Status.BuildHistory) {
		if u.Start.After(after) {
			return u, nil
		}
	}
	return update{}, fmt.Errorf("tilt has not updated %s yet", name)
}

// hasStatus returns an error unless a resource has an update status.
func hasStatus(ctx context.Context, name, want string) error {
	r, err := get(ctx, name)
	if err == nil && r.Status.UpdateStatus != want {
		err = fmt.Errorf("the update status of %s in tilt is %q, not %q", name, r.Status.UpdateStatus, want)
	}
	return err
}
