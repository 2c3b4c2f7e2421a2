package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// resource is what Tilt tells of one, as far as it matters here.
type resource struct {
	Status struct {
		UpdateStatus string
		BuildHistory []update
	}
}

// update is one that has ended: a compilation, or what it led to.
type update struct {
	Start  time.Time `json:"startTime"`
	Finish time.Time `json:"finishTime"`
}

func get(ctx context.Context, name string) (resource, error) {
	var r resource
	out, err := exec.CommandContext(ctx, "tilt", "get", "uiresource", name, "--output=json").Output()
	if err != nil {
		return r, fmt.Errorf("tilt get uiresource %s: %w", name, err)
	}
	return r, json.Unmarshal(out, &r)
}

// updateSince is the first update of a resource that began after a moment.
func updateSince(ctx context.Context, name string, moment time.Time) (update, error) {
	r, err := get(ctx, name)
	if err != nil {
		return update{}, err
	}
	// The history's first is the latest.
	for _, u := range slices.Backward(r.Status.BuildHistory) {
		if u.Start.After(moment) {
			return u, nil
		}
	}
	return update{}, fmt.Errorf("tilt has not updated %s", name)
}

func hasStatus(ctx context.Context, name, wanted string) error {
	r, err := get(ctx, name)
	if err == nil && r.Status.UpdateStatus != wanted {
		err = fmt.Errorf("tilt says that %s is %s, not %s", name, r.Status.UpdateStatus, wanted)
	}
	return err
}
