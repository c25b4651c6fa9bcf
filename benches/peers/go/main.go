// franz-go: Produce with a promise; it blocks when the buffer is full. Tasks are goroutines with ProduceSync. The
// conversation is that of ../src/lib.rs, the records are those of ../src/workload.rs.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type options struct {
	arguments map[string]string
	values    [][]byte
	keys      [][]byte
	topics    []string
}

func (o *options) text(name string) string {
	value, found := o.arguments[name]
	if !found {
		fail(fmt.Errorf("the argument %s= is missing", name))
	}
	return value
}

func (o *options) number(name string) int {
	number, err := strconv.Atoi(o.text(name))
	fail(err)
	return number
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read() *options {
	o := &options{arguments: map[string]string{}}
	for _, argument := range os.Args[1:] {
		name, value, _ := strings.Cut(argument, "=")
		o.arguments[name] = value
	}
	file, err := os.ReadFile(o.text("values"))
	fail(err)
	for size := o.number("value_bytes"); len(file) >= size; file = file[size:] {
		o.values = append(o.values, file[:size])
	}
	for key := 0; key < o.number("keys"); key++ {
		o.keys = append(o.keys, fmt.Appendf(nil, "customer-%d", key))
	}
	if count := o.number("topics"); count == 1 {
		o.topics = []string{o.text("topic")}
	} else {
		for topic := 0; topic < count; topic++ {
			o.topics = append(o.topics, fmt.Sprintf("%s-%d", o.text("topic"), topic))
		}
	}
	return o
}

// work is the sequence of one goroutine: the same in every client.
type work struct {
	o                 *options
	value, key, topic int
}

func (o *options) work(sender int) *work {
	from := sender * 7919
	return &work{o, from % len(o.values), from % max(len(o.keys), 1), from % len(o.topics)}
}

func turn(at *int, count int) int {
	now := *at
	if *at++; *at == count {
		*at = 0
	}
	return now
}

func (w *work) next() *kgo.Record {
	record := &kgo.Record{Value: w.o.values[turn(&w.value, len(w.o.values))]}
	if len(w.o.keys) > 0 {
		record.Key = w.o.keys[turn(&w.key, len(w.o.keys))]
	}
	record.Topic = w.o.topics[turn(&w.topic, len(w.o.topics))]
	return record
}

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "none":
		return kgo.NoCompression()
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	fail(fmt.Errorf("codec=%s: it is none of none, gzip, snappy, lz4, zstd", name))
	return kgo.NoCompression()
}

var acknowledged, failed atomic.Int64

func count(err error) {
	if err == nil {
		acknowledged.Add(1)
	} else {
		failed.Add(1)
	}
}

func main() {
	o := read()
	settings := []kgo.Opt{
		kgo.SeedBrokers(o.text("bootstrap")),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(time.Duration(o.number("linger_ms")) * time.Millisecond),
		kgo.ProducerBatchCompression(codec(o.text("codec"))),
		kgo.MaxBufferedBytes(o.number("buffer_bytes")),
		kgo.MaxBufferedRecords(1 << 30),
	}
	if o.number("own_best") == 0 {
		settings = append(settings, kgo.ProducerBatchMaxBytes(int32(o.number("batch_bytes"))))
	}
	client, err := kgo.NewClient(settings...)
	fail(err)
	fmt.Println("READY franz-go", version)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Split(lines.Text(), " ")
		switch {
		case words[0] == "SEND" && len(words) == 2:
			records, err := strconv.Atoi(words[1])
			fail(err)
			sendAll(client, o, records)
		case words[0] == "RATE" && len(words) == 4:
			perSecond, err := strconv.Atoi(words[1])
			fail(err)
			seconds, err := strconv.Atoi(words[2])
			fail(err)
			atARate(client, o, perSecond, seconds, words[3])
		default:
			fail(fmt.Errorf("the arena said %q", lines.Text()))
		}
		fmt.Println("DONE", acknowledged.Swap(0), failed.Swap(0))
	}
	client.Close()
}

func sendAll(client *kgo.Client, o *options, records int) {
	senders, isTasks := o.number("threads"), false
	if tasks := o.number("tasks"); tasks > 0 {
		senders, isTasks = tasks, true
	}
	var running sync.WaitGroup
	for sender := 0; sender < senders; sender++ {
		share := records / senders
		if sender < records%senders {
			share++
		}
		running.Add(1)
		go func() {
			defer running.Done()
			work := o.work(sender)
			if isTasks {
				for ; share > 0; share-- {
					count(client.ProduceSync(context.Background(), work.next()).FirstErr())
				}
				return
			}
			promise := func(_ *kgo.Record, err error) { count(err) }
			for ; share > 0; share-- {
				client.Produce(context.Background(), work.next(), promise)
			}
		}()
	}
	running.Wait()
	fail(client.Flush(context.Background()))
}

func atARate(client *kgo.Client, o *options, perSecond, seconds int, path string) {
	records := perSecond * seconds
	latencies := make([]byte, 4*records)
	work := o.work(0)
	begun := time.Now()
	perRecord := time.Second / time.Duration(perSecond)
	for at := 0; at < records; at++ {
		due := begun.Add(perRecord * time.Duration(at))
		for time.Now().Before(due) {
			time.Sleep(500 * time.Microsecond)
		}
		client.Produce(context.Background(), work.next(), func(_ *kgo.Record, err error) {
			binary.LittleEndian.PutUint32(latencies[4*at:], uint32(time.Since(due).Microseconds()))
			count(err)
		})
	}
	fail(client.Flush(context.Background()))
	fail(os.WriteFile(path, latencies, 0o600))
}
