/** The contract of ChangeStream. */

import { describe, expect, test } from 'vitest';
import { changesOf, claimWithShadow, insert, never, type OpenFixture, remove, StreamReader, update } from './port-fixture.ts';

export function describeStreamContract(open: OpenFixture): void {
  describe('ChangeStream', () => {
    test('a stream begins with the first transaction that is logged after it was opened', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      await f.write(update(1, { v: 1 }));
      await using stream = await claim.openChangeStream(null, never);
      await f.write(update(2, { v: 1 }));
      expect(await new StreamReader(stream).changes()).toEqual([`upsert ${f.key(2)}`]);
    });

    test('changes come in log order, by key only', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      await using stream = await claim.openChangeStream(null, never);
      await f.write(insert(4), update(1, { v: 1 }));
      await f.write(remove(2));
      await f.write(update(1, { v: 2 }));
      expect(await new StreamReader(stream).changes()).toEqual([
        `upsert ${f.key(4)}`,
        `upsert ${f.key(1)}`,
        `delete ${f.key(2)}`,
        `upsert ${f.key(1)}`,
      ]);
    });

    test('a changed key is a delete of the old and an upsert of the new', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      await using stream = await claim.openChangeStream(null, never);
      await f.write(update(3, { id: 8 }));
      expect(await new StreamReader(stream).changes()).toEqual([`delete ${f.key(3)}`, `upsert ${f.key(8)}`]);
    });

    test('a fence comes by behind everything that was committed before it, and a later one is greater', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      await using stream = await claim.openChangeStream(null, never);
      await f.write(update(1, { v: 1 }));
      const first = await stream.placeFence(never);
      await f.write(update(2, { v: 1 }));
      const second = await stream.placeFence(never);
      expect(second).toBeGreaterThan(first);
      const reader = new StreamReader(stream);
      const before = new Map<number, readonly string[]>();
      const seen: string[] = [];
      while (!before.has(second)) {
        const batch = await reader.next();
        seen.push(...changesOf([batch]));
        for (const fence of [first, second])
          if ((batch.fence ?? 0) >= fence && !before.has(fence)) before.set(fence, [...seen]);
      }
      expect(before.get(first)).toContain(`upsert ${f.key(1)}`);
      expect(before.get(second)).toEqual([`upsert ${f.key(1)}`, `upsert ${f.key(2)}`]);
    });

    test('positions and reach never go back, and reach is never behind the position', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      await using stream = await claim.openChangeStream(null, never);
      for (const v of [1, 2, 3]) await f.write(update(1, { v }));
      let last = stream.start.order;
      for (const batch of await new StreamReader(stream).catchUp()) {
        expect(batch.position.order).toBeGreaterThanOrEqual(last);
        expect(batch.reach.order).toBeGreaterThanOrEqual(batch.position.order);
        expect(batch.resumeFrom.order).toBeLessThanOrEqual(batch.position.order);
        last = batch.position.order;
      }
      expect(last).toBeGreaterThan(stream.start.order);
    });

    test('a stream that is opened behind a position brings all that came later and nothing before', async () => {
      await using f = await open();
      const first = await f.database.claim(f.plan, 'start', never);
      const before = await first.openChangeStream(null, never);
      await first.pair.createShadow(never);
      await f.write(update(1, { v: 1 }));
      const position = (await new StreamReader(before).catchUp()).at(-1)?.position.token ?? '';
      await f.write(update(2, { v: 1 }));
      await before[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
      await f.write(remove(3));
      await using second = await f.other.claim(f.plan, 'resume', never);
      await using after = await second.openChangeStream(position, never);
      expect(await new StreamReader(after).changes()).toEqual([`upsert ${f.key(2)}`, `delete ${f.key(3)}`]);
    });

    test('a stream that is opened behind `resumeFrom` of a batch brings its changes again', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      const before = await claim.openChangeStream(null, never);
      await claim.pair.createShadow(never);
      await f.write(update(1, { v: 1 }), remove(2));
      const batches = await new StreamReader(before).catchUp();
      const from = batches.find((batch) => batch.changes.length > 0)?.resumeFrom.token ?? '';
      await before[Symbol.asyncDispose]();
      await using after = await claim.openChangeStream(from, never);
      expect(await new StreamReader(after).changes()).toEqual([`upsert ${f.key(1)}`, `delete ${f.key(2)}`]);
    });

    test('a broken connection costs no change and repeats none', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      await using stream = await claim.openChangeStream(null, never);
      const reader = new StreamReader(stream);
      await f.write(update(1, { v: 1 }));
      expect(await reader.changes()).toEqual([`upsert ${f.key(1)}`]);
      await f.cutConnections();
      await f.write(update(2, { v: 1 }));
      await f.write(update(1, { v: 2 }));
      expect(await reader.changes()).toEqual([`upsert ${f.key(2)}`, `upsert ${f.key(1)}`]);
    });

    test('the start and every reach can be awaited, and what they cover is then visible', async () => {
      await using f = await open();
      await using claim = await claimWithShadow(f);
      await using stream = await claim.openChangeStream(null, never);
      await stream.awaitVisible(stream.start, never);
      await f.write(insert(4));
      const reach = (await new StreamReader(stream).catchUp()).at(-1)?.reach ?? stream.start;
      await stream.awaitVisible(reach, never);
      const found = await claim.pair.findSourceKeys({ after: f.key(3), through: f.key(5) }, never);
      expect(found.toSorted((a, b) => a.localeCompare(b))).toEqual([f.key(4), f.key(5)]);
    });

    test('a change that is logged and not visible is awaited', async (context) => {
      await using f = await open();
      if (f.commitUnseen === undefined) context.skip('this server cannot be made to hold a commit back');
      await using claim = await claimWithShadow(f);
      await using stream = await claim.openChangeStream(null, never);
      const reader = new StreamReader(stream);
      const unseen = await f.commitUnseen?.(insert(4));
      const batch = await reader.next();
      expect(changesOf([batch])).toEqual([`upsert ${f.key(4)}`]);
      const range = { after: f.key(3), through: f.key(5) };
      expect(await claim.pair.findSourceKeys(range, never)).toEqual([f.key(5)]);
      const keys = stream.awaitVisible(batch.reach, never).then(() => claim.pair.findSourceKeys(range, never));
      expect(await claim.pair.findSourceKeys(range, never)).toEqual([f.key(5)]);
      await unseen?.[Symbol.asyncDispose]();
      expect((await keys).toSorted((a, b) => a.localeCompare(b))).toEqual([f.key(4), f.key(5)]);
    });

    test('what was logged before the stream was opened, and was not visible, is awaited with its start or comes by', async (context) => {
      await using f = await open();
      if (f.commitUnseen === undefined) context.skip('this server cannot be made to hold a commit back');
      await using claim = await claimWithShadow(f);
      const unseen = await f.commitUnseen?.(insert(4));
      const opening = claim.openChangeStream(null, never);
      if (f.isOpeningBehindUnseen === true) await unseen?.[Symbol.asyncDispose]();
      await using stream = await opening;
      const range = { after: f.key(3), through: f.key(5) };
      const awaited = stream.awaitVisible(stream.start, never).then(() => claim.pair.findSourceKeys(range, never));
      const isReleased = f.isOpeningBehindUnseen === true;
      expect(isReleased ? [f.key(5)] : await claim.pair.findSourceKeys(range, never)).toEqual([f.key(5)]);
      if (!isReleased) await unseen?.[Symbol.asyncDispose]();
      const isSeen = (await awaited).includes(f.key(4));
      const hasComeBy = (await new StreamReader(stream).changes()).includes(`upsert ${f.key(4)}`);
      expect(isSeen || hasComeBy).toBe(true);
    });

    test('reading ends when its signal aborts', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      await using stream = await claim.openChangeStream(null, never);
      const stop = new AbortController();
      const read = (async () => {
        for await (const batch of stream.batches(stop.signal)) if (batch.changes.length > 0) return 'a change came';
        return 'ended';
      })();
      stop.abort(new Error('enough'));
      expect(await read).toBe('ended');
    });

    test('what was received can be acknowledged, and reading goes on', async () => {
      await using f = await open();
      await using claim = await f.database.claim(f.plan, 'start', never);
      await using stream = await claim.openChangeStream(null, never);
      const reader = new StreamReader(stream);
      await f.write(update(1, { v: 1 }));
      const position = (await reader.catchUp()).at(-1)?.position ?? stream.start;
      await stream.acknowledge(position, never);
      await f.write(update(2, { v: 1 }));
      expect(await reader.changes()).toEqual([`upsert ${f.key(2)}`]);
    });
  });
}
