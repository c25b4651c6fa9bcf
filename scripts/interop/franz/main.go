// franz-go against the broker of scripts/interop.sh: one line of a file is one record.
//
//	franz version
//	franz produce BOOTSTRAP TOPIC CODEC FILE
//	franz consume BOOTSTRAP TOPIC COUNT      prints the values
//	franz codecs BOOTSTRAP TOPIC COUNT       prints how many records lie in batches of which codec
//	franz group BOOTSTRAP TOPIC GROUP COUNT  prints the values, in a group, and commits
//
// Without a group it reads partition 0 directly.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const deadline = 60 * time.Second

// The order is that of the number in a batch's attributes.
var codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "franz:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 1 && arguments[0] == "version" {
		return version()
	}
	if len(arguments) == 5 && arguments[0] == "produce" {
		return produce(arguments[1], arguments[2], arguments[3], arguments[4])
	}
	if len(arguments) == 4 && (arguments[0] == "consume" || arguments[0] == "codecs") {
		count, err := strconv.Atoi(arguments[3])
		if err != nil {
			return err
		}
		if arguments[0] == "codecs" {
			return codecs(arguments[1], arguments[2], count)
		}
		return consume(arguments[1], arguments[2], count)
	}
	if len(arguments) == 5 && arguments[0] == "group" {
		count, err := strconv.Atoi(arguments[4])
		if err != nil {
			return err
		}
		return group(arguments[1], arguments[2], arguments[3], count)
	}
	return fmt.Errorf("unknown arguments %q", arguments)
}

func version() error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Errorf("built without module information")
	}
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			fmt.Println("franz-go", module.Version)
			return nil
		}
	}
	return fmt.Errorf("franz-go is not among the modules")
}

func codec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "none":
		return kgo.NoCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	}
	return kgo.NoCompression(), fmt.Errorf("unknown codec %q", name)
}

// produce is idempotent: franz-go is, unless told otherwise.
func produce(bootstrap, topic, codecName, path string) error {
	compression, err := codec(codecName)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(compression),
		kgo.RecordDeliveryTimeout(deadline),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()

	// Callbacks are serial, and Flush has seen all of them when it returns.
	var failed error
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		record := &kgo.Record{Value: append([]byte(nil), lines.Bytes()...)}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil && failed == nil {
				failed = err
			}
		})
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if err := client.Flush(context.Background()); err != nil {
		return err
	}
	return failed
}

func consume(bootstrap, topic string, count int) error {
	out := bufio.NewWriter(os.Stdout)
	if err := read(bootstrap, topic, count, printTo(out)); err != nil {
		return err
	}
	return out.Flush()
}

func printTo(out *bufio.Writer) func(*kgo.Record) error {
	return func(record *kgo.Record) error {
		if _, err := out.Write(record.Value); err != nil {
			return err
		}
		return out.WriteByte('\n')
	}
}

func group(bootstrap, topic, name string, count int) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumerGroup(name),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	out := bufio.NewWriter(os.Stdout)
	if err := poll(ctx, client, count, printTo(out)); err != nil {
		return err
	}
	if err := client.CommitUncommittedOffsets(ctx); err != nil {
		return err
	}
	return out.Flush()
}

func codecs(bootstrap, topic string, count int) error {
	counts := make([]int, len(codecNames))
	err := read(bootstrap, topic, count, func(record *kgo.Record) error {
		number := int(record.Attrs.CompressionType())
		if number >= len(counts) {
			return fmt.Errorf("codec number %d at offset %d", number, record.Offset)
		}
		counts[number]++
		return nil
	})
	if err != nil {
		return err
	}
	for number, count := range counts {
		if count > 0 {
			fmt.Println(codecNames[number], count)
		}
	}
	return nil
}

func read(bootstrap, topic string, count int, each func(*kgo.Record) error) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	return poll(ctx, client, count, each)
}

func poll(ctx context.Context, client *kgo.Client, count int, each func(*kgo.Record) error) error {
	for left := count; left > 0; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("%d of %d records did not come: %w", left, count, err)
		}
		for records := fetches.RecordIter(); !records.Done() && left > 0; left-- {
			if err := each(records.Next()); err != nil {
				return err
			}
		}
	}
	return nil
}
