import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseWindows, Windows } from '../../src/shell/window.ts';

const berlin = (text: string): Windows => new Windows(text, 'Europe/Berlin', '--window');
const utc = (text: string): Windows => new Windows(text, 'UTC', '--window');

/** The changes of a window within a span of time: `+` it opens, `-` it closes, in UTC. */
function changes(windows: Windows, from: string, to: string): readonly string[] {
  const found: string[] = [];
  let moment = windows.nextChange(new Date(from));
  while (moment !== null && moment <= new Date(to)) {
    found.push(`${windows.isOpen(moment) ? '+' : '-'} ${moment.toISOString().slice(0, 16)}`);
    moment = windows.nextChange(moment);
  }
  return found;
}

describe('a window', () => {
  test('opens at its first minute and is closed at its last', () => {
    const window = utc('09:00-17:30');
    const at = (time: string): boolean => window.isOpen(new Date(`2026-11-21T${time}Z`));
    expect(['08:59:59', '09:00:00', '17:29:59', '17:30:00'].map(at)).toEqual([false, true, true, false]);
  });

  test('may go over midnight', () => {
    expect(changes(utc('22:00-06:00'), '2026-11-20T12:00Z', '2026-11-22T12:00Z')).toEqual([
      ...['+ 2026-11-20T22:00', '- 2026-11-21T06:00', '+ 2026-11-21T22:00', '- 2026-11-22T06:00'],
    ]);
  });

  test('over midnight belongs to the day on which it begins', () => {
    // 2026-11-20 is a Friday.
    expect(changes(utc('Fri 22:00-06:00'), '2026-11-18T00:00Z', '2026-11-25T00:00Z')).toEqual([
      ...['+ 2026-11-20T22:00', '- 2026-11-21T06:00'],
    ]);
  });

  test('of several lines is open where one of them is', () => {
    expect(changes(utc('Mon-Fri 22:00-06:00, Sat Sun 00:00-24:00'), '2026-11-19T12:00Z', '2026-11-24T00:00Z')).toEqual([
      ...['+ 2026-11-19T22:00', '- 2026-11-20T06:00', '+ 2026-11-20T22:00', '- 2026-11-23T00:00', '+ 2026-11-23T22:00'],
    ]);
  });

  test('of days may go over the end of the week', () => {
    expect(changes(utc('sat-mon 10:00-11:00'), '2026-11-20T00:00Z', '2026-11-25T00:00Z')).toEqual([
      ...['+ 2026-11-21T10:00', '- 2026-11-21T11:00', '+ 2026-11-22T10:00', '- 2026-11-22T11:00'],
      ...['+ 2026-11-23T10:00', '- 2026-11-23T11:00'],
    ]);
  });

  test('that is always open never changes', () => {
    expect(utc('00:00-24:00').nextChange(new Date('2026-11-20T12:00Z'))).toBeNull();
  });

  test('is read by the clock of its time zone', () => {
    expect(changes(berlin('22:00-06:00'), '2026-11-20T12:00Z', '2026-11-21T12:00Z')).toEqual([
      ...['+ 2026-11-20T21:00', '- 2026-11-21T05:00'],
    ]);
    expect(changes(berlin('22:00-06:00'), '2026-07-20T12:00Z', '2026-07-21T12:00Z')).toEqual([
      ...['+ 2026-07-20T20:00', '- 2026-07-21T04:00'],
    ]);
  });

  test('is shown by the clock of its time zone', () => {
    expect(berlin('22:00-06:00').describe(new Date('2026-11-21T21:00Z'))).toBe('2026-11-21 22:00 Europe/Berlin');
  });
});

describe('where the clock is put forward (Berlin, 2026-03-29, 02:00 becomes 03:00)', () => {
  test('a window over that night is an hour shorter', () => {
    expect(changes(berlin('22:00-06:00'), '2026-03-28T12:00Z', '2026-03-29T12:00Z')).toEqual([
      ...['+ 2026-03-28T21:00', '- 2026-03-29T04:00'],
    ]);
  });

  test('a window that begins in the hour left out begins with the next', () => {
    expect(changes(berlin('02:30-04:00'), '2026-03-28T12:00Z', '2026-03-29T12:00Z')).toEqual([
      ...['+ 2026-03-29T01:00', '- 2026-03-29T02:00'],
    ]);
  });

  test('a window that ends in the hour left out ends with the hour before', () => {
    expect(changes(berlin('01:00-02:30'), '2026-03-28T12:00Z', '2026-03-29T12:00Z')).toEqual([
      ...['+ 2026-03-29T00:00', '- 2026-03-29T01:00'],
    ]);
  });

  test('a window within the hour left out does not open', () => {
    expect(changes(berlin('02:15-02:45'), '2026-03-28T12:00Z', '2026-03-30T12:00Z')).toEqual([
      ...['+ 2026-03-30T00:15', '- 2026-03-30T00:45'],
    ]);
    expect(berlin('Sun 02:15-02:45').nextChange(new Date('2026-03-24T00:00Z'))?.toISOString()).toBe('2026-04-05T00:15:00.000Z');
  });
});

describe('where the clock is put back (Berlin, 2026-10-25, 03:00 becomes 02:00)', () => {
  test('a window over that night is an hour longer', () => {
    expect(changes(berlin('22:00-06:00'), '2026-10-24T12:00Z', '2026-10-25T12:00Z')).toEqual([
      ...['+ 2026-10-24T20:00', '- 2026-10-25T05:00'],
    ]);
  });

  test('a window that is the hour that comes twice is open for both', () => {
    expect(changes(berlin('02:00-03:00'), '2026-10-24T12:00Z', '2026-10-25T12:00Z')).toEqual([
      ...['+ 2026-10-25T00:00', '- 2026-10-25T02:00'],
    ]);
  });

  test('a window within the hour that comes twice opens twice', () => {
    expect(changes(berlin('02:15-02:45'), '2026-10-24T12:00Z', '2026-10-25T12:00Z')).toEqual([
      ...['+ 2026-10-25T00:15', '- 2026-10-25T00:45', '+ 2026-10-25T01:15', '- 2026-10-25T01:45'],
    ]);
  });
});

/** Derived by hand from the offsets of the zones. Each night has one change of the clock, or, in the last two, none ever. */
test.each<[zone: string, text: string, from: string, to: string, changes: readonly string[]]>([
  // 02:00 at +1 is 03:00 at +2 on 2027-03-28.
  ['Europe/Berlin', 'Sat 22:00-06:00', '2027-03-26', '2027-03-30', ['+ 2027-03-27T21:00', '- 2027-03-28T04:00']],
  ['Europe/Berlin', 'Sun 00:00-24:00', '2027-03-26', '2027-03-30', ['+ 2027-03-27T23:00', '- 2027-03-28T22:00']],
  // 02:00 at -4 is 01:00 at -5 on 2026-11-01, and 02:00 at -5 is 03:00 at -4 on 2027-03-14.
  [
    ...(['America/New_York', '01:30-02:30', '2026-11-01', '2026-11-02'] as const),
    ['+ 2026-11-01T05:30', '- 2026-11-01T06:00', '+ 2026-11-01T06:30', '- 2026-11-01T07:30'],
  ],
  ['America/New_York', '01:30-02:30', '2027-03-14', '2027-03-15', ['+ 2027-03-14T06:30', '- 2027-03-14T07:00']],
  // 02:00 at +11 is 01:30 at +10:30 on 2027-04-04, and 02:00 at +10:30 is 02:30 at +11 on 2026-10-04.
  [
    ...(['Australia/Lord_Howe', '01:45-02:15', '2027-04-03', '2027-04-04'] as const),
    ['+ 2027-04-03T14:45', '- 2027-04-03T15:00', '+ 2027-04-03T15:15', '- 2027-04-03T15:45'],
  ],
  ['Australia/Lord_Howe', '02:00-02:30', '2026-10-03', '2026-10-05', ['+ 2026-10-04T15:00', '- 2026-10-04T15:30']],
  // Midnight at -3 is 23:00 of the day before at -4 on 2026-04-05; midnight at -4 is 01:00 at -3 on 2026-09-06.
  [
    ...(['America/Santiago', 'Sat 23:30-00:30', '2026-04-03', '2026-04-06'] as const),
    ['+ 2026-04-05T02:30', '- 2026-04-05T03:00', '+ 2026-04-05T03:30', '- 2026-04-05T04:30'],
  ],
  ['America/Santiago', 'Sun 00:00-01:00', '2026-09-05', '2026-09-07', []],
  ['Asia/Kathmandu', 'Mon 23:30-00:15', '2026-11-22', '2026-11-25', ['+ 2026-11-23T17:45', '- 2026-11-23T18:30']],
  [
    'Asia/Kolkata',
    '20:00-23:00, 22:00-01:00, 00:30-02:00',
    '2026-11-22',
    '2026-11-23',
    ['+ 2026-11-22T14:30', '- 2026-11-22T20:30'],
  ],
])('in %s the windows %s between %s and %s open and close when its clock says so', (...night) => {
  const [zone, text, from, to, expected] = night;
  expect(changes(new Windows(text, zone, '--window'), `${from}T00:00Z`, `${to}T00:00Z`)).toEqual(expected);
});

test('a window is open exactly between its changes, at any moment, in any time zone', () => {
  const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe');
  const texts = fc.constantFrom('22:00-06:00', 'Mon-Fri 08:15-17:45', 'Sun 01:30-02:30', '02:00-02:10, 23:50-00:10');
  const moments = fc.date({ min: new Date('2026-01-01'), max: new Date('2027-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(zones, texts, moments, (zone, text, moment) => {
      const windows = new Windows(text, zone, '--window');
      const change = windows.nextChange(moment);
      expect(change).not.toBeNull();
      if (change === null) return;
      expect(windows.isOpen(change)).toBe(!windows.isOpen(moment));
      expect(windows.isOpen(new Date(change.getTime() - 1))).toBe(windows.isOpen(moment));
    }),
    { numRuns: 60 },
  );
});

describe('what is written as a window', () => {
  test('none, or `any`, is no limit', () => {
    expect([parseWindows(null, 'UTC', '--window'), parseWindows(' Any ', 'UTC', '--window')]).toEqual([null, null]);
  });

  test.each([
    '',
    '22:00',
    '22-06',
    '25:00-26:00',
    '24:00-06:00',
    '10:00-10:00',
    '10:60-12:00',
    'Foo 10:00-12:00',
    'Mon-Foo 10:00-12:00',
    'Foo-Mon 10:00-12:00',
    '10:00-24:01',
  ])('%j is refused by name', (text) => {
    expect(() => parseWindows(text, 'UTC', '--window')).toThrow(
      expect.objectContaining({
        code: 'BAD_USAGE',
        message: `--window must be windows such as "22:00-06:00" or "Mon-Fri 22:00-06:00, Sat Sun 00:00-24:00", or any, not "${text}".`,
      }),
    );
  });

  test('an unknown time zone is refused', () => {
    expect(() => parseWindows('22:00-06:00', 'Europe/Nowhere', '--window')).toThrow(
      '--window-timezone must be a time zone such as Europe/Berlin or UTC, not "Europe/Nowhere".',
    );
  });

  test.each(['', 'Europe/Nowhere'])('where TZ is %j, which is no time zone, has to be said with one', (zone) => {
    vi.stubEnv('TZ', zone);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(() => parseWindows('22:00-06:00', null, '--window', zone)).toThrow(
      `--window: the time zone of this machine is not known, as TZ, "${zone}", names none. Mend that, or say --window-timezone.`,
    );
    expect(parseWindows('22:00-06:00', 'UTC', '--window')).not.toBeNull();
  });
});
