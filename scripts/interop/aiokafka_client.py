"""aiokafka against the broker of scripts/interop.sh: one line of a file is one record.

    aiokafka_client.py version
    aiokafka_client.py produce BOOTSTRAP TOPIC CODEC FILE
    aiokafka_client.py consume BOOTSTRAP TOPIC COUNT         prints the values
    aiokafka_client.py group BOOTSTRAP TOPIC GROUP COUNT     the same, in a group, and commits
"""

import asyncio
import sys

import aiokafka

DEADLINE_S = 60


async def produce(bootstrap, topic, codec, path):
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        compression_type=None if codec == "none" else codec,
        linger_ms=5,
    )
    await producer.start()
    try:
        sent = []
        with open(path, "rb") as lines:
            for line in lines:
                sent.append(await producer.send(topic, line.rstrip(b"\n"), partition=0))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def read(consumer, count):
    left = count
    while left > 0:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=left)).values():
            for record in records:
                sys.stdout.buffer.write(record.value + b"\n")
                left -= 1


async def consume(bootstrap, topic, count):
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partition = aiokafka.TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        await read(consumer, int(count))
    finally:
        await consumer.stop()


async def group(bootstrap, topic, group_id, count):
    consumer = aiokafka.AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group_id, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        await read(consumer, int(count))
    finally:
        # Commits, and leaves the group.
        await consumer.stop()


async def version():
    print(f"aiokafka {aiokafka.__version__}")


command = {"produce": produce, "consume": consume, "group": group, "version": version}[sys.argv[1]]
asyncio.run(asyncio.wait_for(command(*sys.argv[2:]), DEADLINE_S * 2))
