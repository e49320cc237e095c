/** Asks for a password on the terminal without showing it. */

import type { ReadStream } from 'node:tty';
import { MigrationError } from '../engine/errors.ts';

/** The keyboard and where to write the question. */
export interface Keyboard {
  readonly input: Pick<ReadStream, 'isTTY' | 'setRawMode' | 'on' | 'off' | 'resume' | 'pause'>;
  readonly errors: { write(text: string): unknown };
}

const ENTER = ['\r', '\n', '\u0004'];
const BACKSPACE = ['\u007f', '\b'];
const INTERRUPT = '\u0003';

/** Rejects with BAD_USAGE where there is no terminal and with INTERRUPTED at Ctrl-C. */
export async function askPassword(question: string, { input, errors }: Keyboard): Promise<string> {
  if (!input.isTTY) {
    throw new MigrationError('BAD_USAGE', '--ask-pass needs a terminal; use --password-file or TABLESHIFT_PASSWORD here.');
  }
  errors.write(question);
  input.setRawMode(true);
  try {
    return await readLine(input);
  } finally {
    input.setRawMode(false);
    input.pause();
    errors.write('\n');
  }
}

function readLine(input: Keyboard['input']): Promise<string> {
  return new Promise((resolve, reject) => {
    const typed: string[] = [];
    const decoder = new TextDecoder();
    const take = (chunk: Buffer): void => {
      for (const character of decoder.decode(chunk, { stream: true })) {
        if (ENTER.includes(character)) {
          input.off('data', take);
          resolve(typed.join(''));
          return;
        }
        if (character === INTERRUPT) {
          input.off('data', take);
          reject(new MigrationError('INTERRUPTED', 'The password prompt was interrupted.'));
          return;
        }
        if (BACKSPACE.includes(character)) typed.pop();
        else typed.push(character);
      }
    };
    input.on('data', take);
    input.resume();
  });
}
