// kafkajs against the broker of scripts/interop.sh: one line of a file is one record.
//
//     node kafkajs_client.mjs version
//     node kafkajs_client.mjs produce BOOTSTRAP TOPIC CODEC FILE
//     node kafkajs_client.mjs group BOOTSTRAP TOPIC GROUP COUNT       prints the values, and commits
//
// NODE_PATH names the folder of the installed packages. kafkajs reads in groups only.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs');

const RECORDS_PER_SEND = 500;

// kafkajs brings gzip; the other codecs are plugged in.
async function plugIn(codec) {
  if (codec === 'snappy') CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');
  if (codec === 'lz4') {
    // The package comes with binaries of another system; its own JavaScript is put in the place of the one without which
    // it does not load.
    const binary = require.resolve('lz4/lib/utils.js');
    require('lz4/lib/utils-js.js');
    require.cache[binary] = require.cache[require.resolve('lz4/lib/utils-js.js')];
    const LZ4 = require('kafkajs-lz4');
    CompressionCodecs[CompressionTypes.LZ4] = new LZ4().codec;
  }
  if (codec === 'zstd') {
    const zstd = require('@bokuweb/zstd-wasm');
    await zstd.init();
    CompressionCodecs[CompressionTypes.ZSTD] = () => ({
      compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
      decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
    });
  }
}

async function produce(bootstrap, topic, codec, path) {
  await plugIn(codec);
  const names = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' };
  const compression = CompressionTypes[names[codec]];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.WARN });
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  try {
    // One after the other: kafkajs keeps no order between sends that overlap.
    for (let first = 0; first < lines.length; first += RECORDS_PER_SEND) {
      const messages = lines.slice(first, first + RECORDS_PER_SEND).map((value) => ({ value, partition: 0 }));
      await producer.send({ topic, acks: -1, compression, messages });
    }
  } finally {
    await producer.disconnect();
  }
}

async function group(bootstrap, topic, groupId, count) {
  for (const codec of ['snappy', 'lz4', 'zstd']) await plugIn(codec);
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.WARN });
  const consumer = kafka.consumer({ groupId });
  let left = Number(count);
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      const eachMessage = async ({ message }) => {
        process.stdout.write(`${message.value}\n`);
        left -= 1;
        if (left === 0) resolve();
      };
      consumer.run({ eachMessage }).catch(reject);
    });
  } finally {
    // Waits for the batch at hand, commits it, and leaves the group.
    await consumer.disconnect();
  }
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'version') console.log(`kafkajs ${require('kafkajs/package.json').version}`);
else if (command === 'produce') await produce(...rest);
else if (command === 'group') await group(...rest);
else throw new Error(`unknown command ${command}`);
