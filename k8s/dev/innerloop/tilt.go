package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// uiResource has the fields that this program uses of Tilt's API object
// UIResource.
type uiResource struct {
	Status struct {
		UpdateStatus string
		BuildHistory []update // latest first
	}
}

// update is a finished update of a resource: a compilation, or a sync of files
// to the pod.
type update struct {
	Start  time.Time `json:"startTime"`
	Finish time.Time `json:"finishTime"`
}

func getUIResource(ctx context.Context, name string) (uiResource, error) {
	var r uiResource
	out, err := exec.CommandContext(ctx, "tilt", "get", "uiresource", name, "--output=json").Output()
	if err != nil {
		return r, fmt.Errorf("tilt get uiresource %s: %w", name, err)
	}
	return r, json.Unmarshal(out, &r)
}

// updateSince returns the first update of a resource that began after a time.
func updateSince(ctx context.Context, name string, since time.Time) (update, error) {
	r, err := getUIResource(ctx, name)
	if err != nil {
		return update{}, err
	}
	for _, u := range slices.Backward(r.Status.BuildHistory) {
		if u.Start.After(since) {
			return u, nil
		}
	}
	return update{}, fmt.Errorf("tilt has not updated %s", name)
}

// checkStatus returns an error unless a resource has the given update status.
func checkStatus(ctx context.Context, name, status string) error {
	r, err := getUIResource(ctx, name)
	if err == nil && r.Status.UpdateStatus != status {
		err = fmt.Errorf("tilt reports status %s for %s, not %s", r.Status.UpdateStatus, name, status)
	}
	return err
}
