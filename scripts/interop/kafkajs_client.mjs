// kafkajs against the broker of scripts/interop.sh: one line of a file is one record.
//
//     node kafkajs_client.mjs version
//     node kafkajs_client.mjs produce BOOTSTRAP TOPIC CODEC FILE
//
// NODE_PATH names the folder of the installed packages. kafkajs reads in groups only, so there is no `consume` here.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs');

const RECORDS_PER_SEND = 500;

// kafkajs brings gzip; the other codecs are plugged in.
async function plugIn(codec) {
  if (codec === 'snappy') CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');
  if (codec === 'lz4') {
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

const [command, ...rest] = process.argv.slice(2);
if (command === 'version') console.log(`kafkajs ${require('kafkajs/package.json').version}`);
else if (command === 'produce') await produce(...rest);
else throw new Error(`unknown command ${command}`);
