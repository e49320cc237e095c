/** Asks for a password on the terminal without showing it. */

import type { ReadStream } from 'node:tty';
import { asError, MigrationError } from '../engine/errors.ts';

/** The keyboard, where to write the question, and until when to wait for an answer. */
export interface Keyboard {
  readonly input: Pick<ReadStream, 'isTTY' | 'setRawMode' | 'on' | 'off' | 'resume' | 'pause'>;
  readonly errors: { write(text: string): unknown };
  readonly signal: AbortSignal;
}

const ENTER = ['\r', '\n', '\u0004'];
const BACKSPACE = ['\u007f', '\b'];
const INTERRUPT = '\u0003';

/** Rejects with BAD_USAGE where there is no terminal, with INTERRUPTED at Ctrl-C, and when its signal aborts. */
export async function askPassword(question: string, { input, errors, signal }: Keyboard): Promise<string> {
  if (!input.isTTY) {
    throw new MigrationError('BAD_USAGE', '--ask-pass needs a terminal; use --password-file or TABLESHIFT_PASSWORD here.');
  }
  errors.write(question);
  input.setRawMode(true);
  try {
    return await readLine(input, signal);
  } finally {
    input.setRawMode(false);
    input.pause();
    errors.write('\n');
  }
}

function readLine(input: Keyboard['input'], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const typed: string[] = [];
    const decoder = new TextDecoder();
    const end = (): void => {
      input.off('data', take);
      signal.removeEventListener('abort', giveUp);
    };
    const giveUp = (): void => {
      end();
      reject(asError(signal.reason));
    };
    const take = (chunk: Buffer): void => {
      for (const character of decoder.decode(chunk, { stream: true })) {
        if (ENTER.includes(character)) {
          end();
          resolve(typed.join(''));
          return;
        }
        if (character === INTERRUPT) {
          end();
          reject(new MigrationError('INTERRUPTED', 'The password prompt was interrupted.'));
          return;
        }
        if (BACKSPACE.includes(character)) typed.pop();
        else typed.push(character);
      }
    };
    signal.addEventListener('abort', giveUp);
    input.on('data', take);
    input.resume();
  });
}
