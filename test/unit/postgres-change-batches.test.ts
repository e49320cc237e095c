/** What a collector of changes shows while a transaction comes in by pieces. */
import { expect, test } from 'vitest';
import { BatchCollector } from '../../src/postgres/change-batches.ts';
import type { Message } from '../../src/postgres/pgoutput.ts';
import { positionAt } from '../../src/postgres/position.ts';

const scope = { source: { schema: 'public', table: 't' }, keyColumns: ['id'], fencePrefix: 'tableshift', run: 'ours' };
const begin = (xid: number, finalLsn: bigint): Message => ({ kind: 'begin', xid, finalLsn });
const commit = (endLsn: bigint): Message => ({ kind: 'commit', endLsn });
const fence = (content: string): Message => ({ kind: 'message', prefix: 'tableshift', content });

function collector(...messages: readonly Message[]): BatchCollector {
  const created = new BatchCollector(scope, positionAt(100n), () => {});
  for (const message of messages) created.add(message);
  return created;
}

test('a fence is passed with the end of its transaction, and the position is behind it', () => {
  const collected = collector(begin(7, 200n), fence('ours:3'));
  expect(collected.hasNews).toBe(false);
  collected.add(commit(250n));
  expect(collected.take()).toMatchObject({
    fence: 3,
    position: { order: 250 },
    reach: { order: 250 },
    resumeFrom: { order: 100 },
  });
});

test('a fence whose transaction was cut off is passed when that has come again', () => {
  const collected = collector(begin(7, 200n), fence('ours:3'));
  collected.restart();
  collected.add(begin(6, 180n));
  collected.add(commit(190n));
  expect(collected.take()).toMatchObject({ fence: null, position: { order: 190 } });
  for (const message of [begin(7, 200n), fence('ours:3'), commit(250n)]) collected.add(message);
  expect(collected.take()).toMatchObject({ fence: 3, position: { order: 250 } });
});

test('the fence of another run is none, and the last one of ours stays', () => {
  const collected = collector(begin(7, 200n), fence('ours:3'), commit(250n), begin(8, 300n), fence('theirs:9'), commit(350n));
  expect(collected.take()).toMatchObject({ fence: 3, position: { order: 350 } });
});
