// Loads the addon given as argument, which loads the library, and calls it; also from a worker, for
// which Node.js loads the addon a second time.
const assert = require("node:assert");
const { Worker, isMainThread, workerData } = require("node:worker_threads");

const path = isMainThread ? process.argv[2] : workerData;
const { statusText, openMemory } = require(path);
assert.strictEqual(statusText(0), "ok");
assert.strictEqual(openMemory(), 0);
assert.strictEqual(statusText(40), "the memory budget is used up");
if (isMainThread) {
    const worker = new Worker(__filename, { workerData: path });
    worker.on("error", (error) => { throw error; });
    worker.on("exit", (code) => { assert.strictEqual(code, 0); console.log("ok"); });
}
