/** Asks for a password on the terminal without showing it. */

import type { ReadStream } from 'node:tty';
import { asError, MigrationError } from '../engine/errors.ts';

/** The keyboard, where to write the question, and until when to wait for an answer. */
export interface Keyboard {
  readonly input: Pick<ReadStream, 'isTTY' | 'setRawMode' | 'on' | 'off' | 'resume' | 'pause'>;
  readonly errors: { write(text: string): unknown };
  readonly signal: AbortSignal;
}

const ENTER = ['\r', '\n'];
const BACKSPACE = ['\u007f', '\b'];
/** Ctrl-U and Ctrl-W: words are not told apart in what nobody sees. */
const ERASE = ['\u0015', '\u0017'];
const END_OF_INPUT = '\u0004';
const INTERRUPT = '\u0003';
/** What other keys send, and what some terminals put around what is pasted. */
// oxlint-disable-next-line no-control-regex -- they begin with the escape character
const KEY_SEQUENCES = /\u001B(?:\[[\d;]*[~A-Za-z]|O[A-Za-z])/g;

/** Rejects with BAD_USAGE where there is no terminal, with INTERRUPTED at Ctrl-C, and when its signal aborts. */
export async function askPassword(question: string, { input, errors, signal }: Keyboard): Promise<string> {
  if (!input.isTTY) {
    throw new MigrationError('BAD_USAGE', '--ask-pass needs a terminal; use --password-file or TABLESHIFT_PASSWORD here.');
  }
  signal.throwIfAborted();
  // Before the question, for what answers it at once would be shown.
  input.setRawMode(true);
  errors.write(question);
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
    const stop = (): void => {
      input.off('data', take);
      input.off('end', leave);
      signal.removeEventListener('abort', giveUp);
    };
    const give = (): void => {
      stop();
      resolve(typed.join(''));
    };
    const fail = (error: Error): void => {
      stop();
      reject(error);
    };
    const giveUp = (): void => fail(asError(signal.reason));
    const leave = (): void => fail(new MigrationError('INTERRUPTED', 'The password prompt was left without a password.'));
    const take = (chunk: Buffer): void => {
      for (const character of decoder.decode(chunk, { stream: true }).replace(KEY_SEQUENCES, '')) {
        if (ENTER.includes(character)) return give();
        if (character === END_OF_INPUT) return typed.length === 0 ? leave() : give();
        if (character === INTERRUPT) return fail(new MigrationError('INTERRUPTED', 'The password prompt was interrupted.'));
        if (BACKSPACE.includes(character)) typed.pop();
        else if (ERASE.includes(character)) typed.length = 0;
        else if (character >= ' ' || character === '\t') typed.push(character);
      }
    };
    signal.addEventListener('abort', giveUp);
    input.on('data', take);
    // Ctrl-D that was typed before the question ends the input of a terminal.
    input.on('end', leave);
    input.resume();
  });
}
