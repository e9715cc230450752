// Reads a container's figures through go-runc, containerd's library for runtimes with
// runc's command line: events-reader RUNTIME ROOT ID. Prints two lines of
// "PROCESSOR-NANOSECONDS MEMORY-BYTES MEMORY-LIMIT PROCESSES": of `events --stats`, and of the
// first statistics that `events` sends.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	runc "github.com/containerd/go-runc"
)

func main() {
	if err := read(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(command, root, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	runtime := &runc.Runc{Command: command, Root: root}
	stats, err := runtime.Stats(ctx, id)
	// The library closes the pipe when the runtime has ended, whether or not it was read: a
	// quick one is lost on a machine with one CPU.
	for attempt := 1; errors.Is(err, os.ErrClosed) && attempt < 50; attempt++ {
		stats, err = runtime.Stats(ctx, id)
	}
	if err != nil {
		return err
	}
	show(stats)
	events, err := runtime.Events(ctx, id, time.Second)
	if err != nil {
		return err
	}
	for event := range events {
		if event.Err != nil {
			return event.Err
		}
		if event.Type == "stats" && event.ID == id {
			show(event.Stats)
			return nil
		}
	}
	return fmt.Errorf("events ended without statistics")
}

func show(stats *runc.Stats) {
	fmt.Println(stats.Cpu.Usage.Total, stats.Memory.Usage.Usage, stats.Memory.Usage.Limit, stats.Pids.Current)
}
