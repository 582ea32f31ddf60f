// node-postgres on our server. README.md lists the scenarios. Prints "ok NAME" or "FAILED NAME: why"
// a line; the URL is the only argument.
'use strict';

const assert = require('assert');
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const { from: copyFrom, to: copyTo } = require('pg-copy-streams');

const url = process.argv[2];

async function withClient(work) {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

async function rejects(promise, code) {
  try {
    await promise;
  } catch (error) {
    assert.strictEqual(error.code, code, error.message);
    return error;
  }
  throw new Error(`expected ${code}`);
}

const scenarios = {
  async 'values of every type, simple and extended'() {
    await withClient(async (client) => {
      const values = [
        ['bool', true], ['int2', -3], ['int4', 2147483647], ['int8', '9007199254740993'],
        ['float8', 0.1], ['numeric', '12345.6789'], ['text', "häß'\\"], ['varchar(5)', 'abc'],
        ['bytea', Buffer.from([0, 255])], ['jsonb', { a: [1, null] }], ['uuid', '00000000-0000-0000-0000-000000000009'],
        ['int4[]', [1, null, 3]], ['text[]', ['a', 'b,c', '']], ['timestamptz', new Date('2024-01-02T03:04:05.006Z')],
        ['float4', 1.5],
      ];
      for (const [type, value] of values) {
        const { rows } = await client.query(`select $1::${type} as v, null::${type} as n`, [value]);
        assert.deepStrictEqual(rows[0], { v: value, n: null }, type);
      }
      const { rows, fields } = await client.query("select 1 as a, 'x' as b; select date '2024-02-29' as d").then((r) => r[0]);
      assert.deepStrictEqual(rows, [{ a: 1, b: 'x' }]);
      assert.deepStrictEqual(fields.map((field) => field.dataTypeID), [23, 25]);
      const binary = await client.query({ text: 'select $1::int4 as i, $2::int8 as l', values: [7, 8], binary: true });
      assert.deepStrictEqual(binary.rows, [{ i: 7, l: '8' }]);
      const array = await client.query({ text: 'select 1, 2', rowMode: 'array' });
      assert.deepStrictEqual(array.rows, [[1, 2]]);
    });
  },

  async 'prepared statements'() {
    await withClient(async (client) => {
      await client.query('create table node_p (a int primary key, b text)');
      for (let i = 0; i < 50; i++) {
        await client.query({ name: 'add', text: 'insert into node_p values ($1, $2)', values: [i, `t${i}`] });
      }
      const { rows, rowCount, command } = await client.query({ name: 'some', text: 'select * from node_p where a < $1 order by a', values: [2] });
      assert.deepStrictEqual([rows, rowCount, command], [[{ a: 0, b: 't0' }, { a: 1, b: 't1' }], 2, 'SELECT']);
      await client.query('alter table node_p add column c int default 5');
      const changed = await client.query('select c from node_p where a = $1', [3]);
      assert.deepStrictEqual(changed.rows, [{ c: 5 }]);
      await client.query('drop table node_p');
    });
  },

  async 'transactions and errors'() {
    await withClient(async (client) => {
      await client.query('create table node_t (a int primary key, b int not null check (b > 0))');
      await client.query('begin');
      await client.query('insert into node_t values (1, 1)');
      await client.query('savepoint s');
      const error = await rejects(client.query('insert into node_t values (1, 2)'), '23505');
      assert.strictEqual(error.table, 'node_t');
      assert.strictEqual(error.constraint, 'node_t_pkey');
      await rejects(client.query('select 1'), '25P02');
      await client.query('rollback to s');
      await client.query('commit');
      await rejects(client.query('insert into node_t values ($1, $2)', [2, -1]), '23514');
      await rejects(client.query('insert into node_t values ($1, $2)', [2, null]), '23502');
      await rejects(client.query('insert into node_t values ($1, $2)', ['x', 1]), '22P02');
      const syntax = await rejects(client.query('selec 1'), '42601');
      assert.strictEqual(syntax.position, '1');
      const { rows } = await client.query('select count(*) from node_t');
      assert.deepStrictEqual(rows, [{ count: '1' }]);
      await client.query('drop table node_t');
    });
  },

  async 'cursors'() {
    await withClient(async (client) => {
      const cursor = client.query(new Cursor('select g from generate_series(1, $1::int) g', [1000]));
      let count = 0;
      for (let rows = await cursor.read(64); rows.length > 0; rows = await cursor.read(64)) {
        count += rows.length;
      }
      assert.strictEqual(count, 1000);
      const early = client.query(new Cursor('select g from generate_series(1, 1000000) g'));
      assert.strictEqual((await early.read(10)).length, 10);
      await early.close();
      assert.strictEqual((await client.query('select 1 as one')).rows[0].one, 1);
    });
  },

  async 'COPY by streams'() {
    await withClient(async (client) => {
      await client.query('create table node_c (a int primary key, b text)');
      const lines = Readable.from((function* () {
        for (let i = 0; i < 20000; i++) yield `${i}\ttext ${i}\n`;
      })());
      await pipeline(lines, client.query(copyFrom('copy node_c from stdin')));
      let size = 0;
      for await (const chunk of client.query(copyTo('copy node_c to stdout (format csv)'))) size += chunk.length;
      assert.strictEqual(size, 2 * 88890 + 20000 * 7);
      await rejects(pipeline(Readable.from(['x\ty\n']), client.query(copyFrom('copy node_c from stdin'))), '22P02');
      await client.query('drop table node_c');
    });
  },

  async 'a pool under load'() {
    const pool = new Pool({ connectionString: url, max: 8 });
    await pool.query('create table node_l (a int primary key, n int)');
    await pool.query('insert into node_l values (1, 0)');
    await Promise.all(Array.from({ length: 200 }, () => pool.query('update node_l set n = n + 1 where a = 1')));
    assert.deepStrictEqual((await pool.query('select n from node_l')).rows, [{ n: 200 }]);
    await pool.query('drop table node_l');
    await pool.end();
  },

  async 'cancel by timeout'() {
    const client = new Client({ connectionString: url, statement_timeout: 200 });
    await client.connect();
    await rejects(client.query('select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b'), '57014');
    await client.end();
  },

  async 'notices and notifications'() {
    await withClient(async (listener) => {
      const heard = [];
      const notices = [];
      listener.on('notification', (message) => heard.push([message.channel, message.payload]));
      listener.on('notice', (notice) => notices.push(notice.code));
      await listener.query('listen node_news');
      await listener.query('drop table if exists node_nothing');
      await withClient(async (client) => {
        await client.query('begin');
        await client.query("select pg_notify('node_news', $1)", ['first']);
        await client.query('rollback');
        await client.query("notify node_news, 'second'");
      });
      for (let i = 0; i < 200 && heard.length === 0; i++) await new Promise((done) => setTimeout(done, 20));
      assert.deepStrictEqual(heard, [['node_news', 'second']]);
      assert.deepStrictEqual(notices, ['00000']);
    });
  },
};

(async () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    try {
      await scenario();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`FAILED ${name}: ${String(error.stack).replace(/\n/g, ' | ')}`);
    }
  }
})();
