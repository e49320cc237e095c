/** When a disk is too full to go on. */
import { describe, expect, test } from 'vitest';
import { judgeDisk } from '../../src/mysql/free-disk.ts';
import { diskNotes } from '../../src/mysql/obstacles-disk.ts';

const GIB = 1024 ** 3;
const at = (share: number, needed = 50 * GIB) => judgeDisk({ free: 100 * GIB * share, total: 100 * GIB }, needed);

describe('a disk', () => {
  test('is well with a tenth of it free', () => {
    expect(at(0.1)).toEqual({ pressure: 0, detail: '10240 MiB of 102400 MiB are free' });
  });

  test('is worth a warning below that, and critical below a twentieth', () => {
    expect(at(0.0625)).toEqual({
      pressure: 0,
      detail: '6400 MiB of 102400 MiB are free',
      warning:
        'Less than 10 % of the disk is free. Below 5 % the run ends, to be resumed: make room for the shadow, which takes about 51200 MiB in all.',
    });
    expect(at(0.05)).not.toHaveProperty('isCritical');
    expect(at(0.046875)).toEqual({
      pressure: 1,
      detail: '4800 MiB of 102400 MiB are free, less than 5 %',
      isCritical: true,
    });
  });

  test('is well though little of it is free, where that is more than the whole shadow needs', () => {
    expect(at(0.03125, 2 * GIB)).toEqual({ pressure: 0, detail: '3200 MiB of 102400 MiB are free' });
    expect(at(0.0234375, 2 * GIB)).toMatchObject({ isCritical: true });
  });
});

describe('the plan', () => {
  const table = { dataBytes: 8 * GIB, indexBytes: 2 * GIB };

  test('says what a large table takes where the server does not tell what is free', () => {
    expect(diskNotes(null, { dataBytes: GIB - 1, indexBytes: 0 })).toEqual([]);
    expect(diskNotes(null, table)).toEqual([
      'The server cannot tell how much disk space is free: the shadow takes about 10240 MiB, and the binary log of the copy about 8192 MiB.',
    ]);
  });

  test('says so where little more is free than that', () => {
    expect(diskNotes({ free: 12 * GIB, total: 99 * GIB }, table)).toEqual([]);
    expect(diskNotes({ free: 11 * GIB, total: 99 * GIB }, table)).toEqual([
      'Disk space is short: 11264 MiB are free; the shadow takes about 10240 MiB, and the binary log of the copy about 8192 MiB.',
    ]);
  });
});
