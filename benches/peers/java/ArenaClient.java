// Java's client: send with a callback. Tasks are threads that wait for the future. The conversation is that of
// ../src/lib.rs, the records are those of ../src/workload.rs.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class ArenaClient {
    private final Map<String, String> arguments = new HashMap<>();
    private final List<byte[]> values = new ArrayList<>();
    private final List<byte[]> keys = new ArrayList<>();
    private final LongAdder acknowledged = new LongAdder();
    private final LongAdder failed = new LongAdder();
    private KafkaProducer<byte[], byte[]> producer;
    private final List<String> topics = new ArrayList<>();

    private String text(String name) {
        String value = arguments.get(name);
        if (value == null) {
            throw new IllegalArgumentException("the argument " + name + "= is missing");
        }
        return value;
    }

    private int number(String name) {
        return Integer.parseInt(text(name));
    }

    public static void main(String[] args) throws Exception {
        new ArenaClient().run(args);
    }

    private void run(String[] args) throws Exception {
        for (String argument : args) {
            int at = argument.indexOf('=');
            arguments.put(argument.substring(0, at), argument.substring(at + 1));
        }
        byte[] file = Files.readAllBytes(Path.of(text("values")));
        int size = number("value_bytes");
        for (int at = 0; at + size <= file.length; at += size) {
            values.add(Arrays.copyOfRange(file, at, at + size));
        }
        for (int key = 0; key < number("keys"); key++) {
            keys.add(("customer-" + key).getBytes(StandardCharsets.US_ASCII));
        }
        int count = number("topics");
        for (int topic = 0; topic < count; topic++) {
            topics.add(count == 1 ? text("topic") : text("topic") + "-" + topic);
        }
        Properties properties = new Properties();
        properties.put("bootstrap.servers", text("bootstrap"));
        properties.put("acks", "all");
        properties.put("enable.idempotence", "true");
        properties.put("linger.ms", text("linger_ms"));
        properties.put("batch.size", number("own_best") == 1 ? "131072" : text("batch_bytes"));
        properties.put("buffer.memory", text("buffer_bytes"));
        properties.put("compression.type", text("codec"));
        producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        say("READY kafka-clients " + text("version"));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("SEND") && words.length == 2) {
                sendAll(Long.parseLong(words[1]));
            } else if (words[0].equals("RATE") && words.length == 4) {
                atARate(Integer.parseInt(words[1]), Integer.parseInt(words[2]), words[3]);
            } else {
                throw new IllegalArgumentException("the arena said " + line);
            }
            say("DONE " + acknowledged.sumThenReset() + " " + failed.sumThenReset());
        }
        producer.close();
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    /** The sequence of one thread: the same in every client. */
    private final class Work {
        private int value;
        private int key;
        private int topic;

        Work(int sender) {
            int from = sender * 7919;
            value = from % values.size();
            key = from % Math.max(keys.size(), 1);
            topic = from % topics.size();
        }

        ProducerRecord<byte[], byte[]> next() {
            byte[] nextKey = null;
            if (!keys.isEmpty()) {
                nextKey = keys.get(key);
                key = key + 1 == keys.size() ? 0 : key + 1;
            }
            byte[] nextValue = values.get(value);
            value = value + 1 == values.size() ? 0 : value + 1;
            String nextTopic = topics.get(topic);
            topic = topic + 1 == topics.size() ? 0 : topic + 1;
            return new ProducerRecord<>(nextTopic, nextKey, nextValue);
        }
    }

    private void count(Exception error) {
        if (error == null) {
            acknowledged.increment();
        } else {
            failed.increment();
        }
    }

    private void sendAll(long records) throws InterruptedException {
        boolean isTasks = number("tasks") > 0;
        int threads = isTasks ? number("tasks") : number("threads");
        List<Thread> running = new ArrayList<>();
        Callback callback = (metadata, error) -> count(error);
        for (int thread = 0; thread < threads; thread++) {
            Work work = new Work(thread);
            long share = records / threads + (thread < records % threads ? 1 : 0);
            Thread sending = new Thread(() -> {
                for (long left = share; left > 0; left--) {
                    if (isTasks) {
                        sendAndWait(work.next());
                    } else {
                        producer.send(work.next(), callback);
                    }
                }
            });
            sending.start();
            running.add(sending);
        }
        for (Thread sending : running) {
            sending.join();
        }
        producer.flush();
    }

    private void sendAndWait(ProducerRecord<byte[], byte[]> record) {
        try {
            producer.send(record).get();
            acknowledged.increment();
        } catch (Exception error) {
            failed.increment();
        }
    }

    private void atARate(int perSecond, int seconds, String file) throws Exception {
        int records = perSecond * seconds;
        int[] latencies = new int[records];
        Work work = new Work(0);
        long begun = System.nanoTime();
        long perRecord = 1_000_000_000L / perSecond;
        for (int at = 0; at < records; at++) {
            long due = begun + perRecord * at;
            while (System.nanoTime() < due) {
                Thread.sleep(0, 500_000);
            }
            int place = at;
            producer.send(work.next(), (metadata, error) -> {
                latencies[place] = (int) ((System.nanoTime() - due) / 1000);
                count(error);
            });
        }
        producer.flush();
        ByteBuffer bytes = ByteBuffer.allocate(4 * records).order(ByteOrder.LITTLE_ENDIAN);
        for (int latency : latencies) {
            bytes.putInt(latency);
        }
        Files.write(Path.of(file), bytes.array());
    }
}
