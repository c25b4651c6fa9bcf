"""confluent-kafka against the broker of scripts/interop.sh: one line of a file is one record.

    confluent_kafka_client.py version
    confluent_kafka_client.py produce BOOTSTRAP TOPIC CODEC FILE
    confluent_kafka_client.py consume BOOTSTRAP TOPIC COUNT         prints the values of partition 0
    confluent_kafka_client.py group BOOTSTRAP TOPIC GROUP COUNT     prints the values, in a group, and commits
"""

import sys
import time

import confluent_kafka

DEADLINE_S = 60


def produce(bootstrap, topic, codec, path):
    producer = confluent_kafka.Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "compression.type": codec,
        "linger.ms": 5,
    })
    failures = []

    def on_delivery(error, _message):
        if error is not None:
            failures.append(str(error))

    with open(path, "rb") as lines:
        for line in lines:
            while True:
                try:
                    producer.produce(topic, value=line.rstrip(b"\n"), partition=0, on_delivery=on_delivery)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
    unsent = producer.flush(DEADLINE_S)
    if failures or unsent:
        sys.exit(f"{len(failures)} records failed, {unsent} unsent: {failures[:3]}")


def consume(bootstrap, topic, count):
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap,
        # The class wants a name even where no group is used.
        "group.id": "unused",
        "enable.auto.commit": False,
        "check.crcs": True,
    })
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    read(consumer, int(count))


def group(bootstrap, topic, group_id, count):
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": group_id,
        "auto.offset.reset": "earliest",
        "check.crcs": True,
    })
    consumer.subscribe([topic])
    read(consumer, int(count))


def read(consumer, count):
    left = count
    deadline = time.monotonic() + DEADLINE_S
    while left > 0 and time.monotonic() < deadline:
        for message in consumer.consume(min(left, 1000), timeout=1.0):
            if message.error() is not None:
                sys.exit(str(message.error()))
            sys.stdout.buffer.write(message.value() + b"\n")
            left -= 1
    consumer.close()
    if left > 0:
        sys.exit(f"{left} of {count} records did not come within {DEADLINE_S} s")


def version():
    print(f"confluent-kafka {confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})")


{"produce": produce, "consume": consume, "group": group, "version": version}[sys.argv[1]](*sys.argv[2:])
