import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { namedTimeZone } from '../../src/shell/time-zone.ts';

test('a file of the time zones is the zone, and what is none stays what it is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tableshift-zone-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const place of ['zoneinfo/Asia', 'zoneinfo/posix/Asia']) {
    mkdirSync(join(folder, place), { recursive: true });
    writeFileSync(join(folder, place, 'Tokyo'), '');
  }
  writeFileSync(join(folder, 'copy'), '');
  symlinkSync('zoneinfo/Asia/Tokyo', join(folder, 'localtime'));
  const inFolder = (file: string): string => namedTimeZone(`:${join(folder, file)}`);
  expect(['localtime', 'zoneinfo/posix/Asia/Tokyo'].map(inFolder)).toEqual(['Asia/Tokyo', 'Asia/Tokyo']);
  const others = ['', 'Europe/Berlin', ':Europe/Berlin', `:${join(folder, 'copy')}`, ':/nowhere/zoneinfo/Asia/Tokyo'];
  expect(others.map(namedTimeZone)).toEqual(others);
});
