// A device with a local PouchDB over LevelDB: it records events as documents and replicates them.
//
//     node device.mjs create STORE URL            makes the database on the server
//     node device.mjs record STORE FILE FIRST     documents numbered from FIRST, one a line
//     node device.mjs push STORE URL BATCH        replicates to the server
//     node device.mjs pull STORE URL BATCH        replicates from the server
//     node device.mjs sync STORE URL BATCH        both ways
//
// BATCH is how many documents a batch may have; 0 leaves PouchDB's default. What was done goes to
// stdout as one JSON object.

import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import PouchDB from 'pouchdb';

/** Documents that are recorded at a time. */
const RECORD_BATCH = 1_000;

/** How often LevelDB was asked to write, and how often it was to wait for the disk. */
const writes = countWrites();

/** Watches the very copy of LevelDB that PouchDB loads. */
function countWrites() {
  const counts = { writes: 0, writes_synced: 0 };
  const leveldown = createRequire(import.meta.resolve('pouchdb'))('leveldown');
  const { _batch: batch } = leveldown.prototype;
  leveldown.prototype._batch = function (operations, options, done) {
    counts.writes += 1;
    counts.writes_synced += options?.sync === true ? 1 : 0;
    return batch.call(this, operations, options, done);
  };
  return counts;
}

/** Stores the events of a file, each as a document under an id that rises with its number. */
async function record(local, file, first) {
  let number = Number(first);
  let documents = [];
  const store = async () => {
    const refused = (await local.bulkDocs(documents)).find((answer) => answer.error);
    if (refused) throw new Error(`a document was refused: ${JSON.stringify(refused)}`);
    documents = [];
  };
  for await (const line of createInterface({ input: createReadStream(file) })) {
    documents.push({ _id: `event-${String(number).padStart(9, '0')}`, ...JSON.parse(line) });
    number += 1;
    if (documents.length === RECORD_BATCH) await store();
  }
  if (documents.length > 0) await store();
  if (writes.writes === 0) throw new Error('PouchDB writes in a way that is not watched here');
  return { documents: number - Number(first) };
}

/** PouchDB makes a server's database when it looks at it first. */
async function create(_local, url) {
  await new PouchDB(url).info();
  return {};
}

/** Replicates, and times that alone: neither the start of Node nor opening the store. */
async function replicate(way, local, url, batch) {
  const options = Number(batch) > 0 ? { batch_size: Number(batch) } : {};
  const remote = new PouchDB(url, { skip_setup: true });
  await local.info();
  const start = process.hrtime.bigint();
  const result = await way(local, remote, options);
  const nanoseconds = Number(process.hrtime.bigint() - start);
  // Of both ways, where there are two.
  const parts = result.push ? [result.push, result.pull] : [result];
  const sum = (field) => parts.reduce((total, part) => total + part[field], 0);
  if (sum('doc_write_failures') > 0) throw new Error('documents were refused');
  return { nanoseconds, documents: sum('docs_written') };
}

const tasks = {
  create,
  record,
  push: replicate.bind(null, (local, ...rest) => local.replicate.to(...rest)),
  pull: replicate.bind(null, (local, ...rest) => local.replicate.from(...rest)),
  sync: replicate.bind(null, (local, ...rest) => local.sync(...rest)),
};

const [task, store, ...rest] = process.argv.slice(2);
const local = new PouchDB(store);
const done = await tasks[task](local, ...rest);
const { doc_count: held } = await local.info();
await local.close();
console.log(JSON.stringify({ ...done, held, ...writes }));
