/**
 * Files of the operator's, which may be on a file system that does not answer, such as NFS whose server is away. A call that hangs in
 * this process takes one of its four threads for such calls, and keeps it from ever ending. So shells make them, which can be killed.
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const LOOK_MS_MAX = 2_000;
const CHECK_MS_MAX = 5_000;
const WRITE_MS_MAX = 30_000;

/** Looks at $1 in the directory $2 for each line that it gets, and ends with its input. The signals of a terminal are not for it. */
const LOOK_AGAIN_AND_AGAIN = `trap '' INT TERM HUP
while read -r asked; do
  if [ -e "$1" ]; then echo exists
  elif [ -L "$1" ] || [ ! -d "$2" ] || [ ! -x "$2" ]; then echo unknown
  else echo absent
  fi
done`;

/**
 * Says what keeps $1, in the directory $2, from being written, its input being of the usual size. Rights alone do not tell where root asks,
 * nor of a disk that is full: so where a file would be made, one is, for a moment. Others may write to the directory, too, such as /tmp,
 * and guess its name: so `set -C` makes none through a link that waits there.
 */
const LOOK_WHETHER_WRITABLE = `if [ -d "$1" ] || [ "\${1%/}" != "$1" ]; then echo 'that is a directory'; exit
elif [ -e "$1" ] && [ ! -w "$1" ]; then echo 'that file cannot be written to'; exit
elif [ -L "$1" ] || [ -e "$1" ]; then [ -f "$1" ] && [ ! -L "$1" ] && [ -w "$2" ] || exit 0
elif [ ! -d "$2" ]; then echo 'there is no such directory'; exit
fi
beside="$2/.tableshift-$$.new"
trap 'rm -f -- "$beside"' EXIT
fault=$({ rm -f -- "$beside"; set -C; cat > "$beside"; } 2>&1) || echo "$fault" | sed 's/.*: /in its directory nothing can be written: /'`;
/** Bytes; the events of a report are bounded. */
const USUAL_SIZE = 65_536;

/**
 * Puts what it gets in the place of $1, in the directory $2: a disk that is full, or a write that is cut off, leaves the older content. A
 * link, a pipe or a device stays what it is and is written to, and so is a file whose directory takes no other.
 */
const REPLACE = `if [ -L "$1" ] || [ ! -w "$2" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then cat > "$1"; exit; fi
beside="$2/.tableshift-$$.new"
{ rm -f -- "$beside"; ( set -C; : > "$beside" ) } &&
  if [ -e "$1" ]; then cp -p -- "$1" "$beside"; fi && cat > "$beside" && mv -f -- "$beside" "$1" && exit
rm -f -- "$beside"
exit 1`;

type Shell = ChildProcessByStdio<Writable, Readable, Readable>;

interface Answer {
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
}

/** A file whose existence says something. One shell looks whenever it is asked, until this is disposed. */
export class FlagFile implements Disposable {
  readonly path: string;
  #shell: Shell | null = null;
  #answer: Answer | null = null;
  #looking: Promise<boolean> | null = null;

  constructor(path: string) {
    this.path = path;
  }

  /** Rejects where nobody can tell: the directory is gone, must not be read, or does not answer within 2 s. */
  async exists(): Promise<boolean> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return await this.#looking;
  }

  [Symbol.dispose](): void {
    this.#shell?.kill('SIGKILL');
  }

  async #look(): Promise<boolean> {
    // One that was killed may be gone only when the file system answers again: no second one is to wait beside it.
    if (this.#shell?.killed === true) throw this.#silence();
    const shell = (this.#shell ??= this.#start());
    const timer = setTimeout(() => {
      shell.kill('SIGKILL');
      this.#answer?.reject(this.#silence());
    }, LOOK_MS_MAX);
    try {
      const said = await new Promise<string>((resolve, reject) => {
        this.#answer = { resolve, reject };
        shell.stdin.write('\n');
      });
      if (said.trim() === 'unknown') throw new Error(`the directory of ${this.path} cannot be read`);
      return said.trim() === 'exists';
    } finally {
      clearTimeout(timer);
      this.#answer = null;
    }
  }

  #start(): Shell {
    const shell = startShell(LOOK_AGAIN_AND_AGAIN, [this.path, dirname(this.path)]);
    const end = (reason: string): void => {
      this.#shell = null;
      this.#answer?.reject(new Error(`nobody looks whether ${this.path} exists: ${reason}`));
    };
    shell.on('error', ({ message }) => end(message));
    shell.on('exit', () => end('the shell that does has ended'));
    shell.stdout.on('data', (said: Buffer) => this.#answer?.resolve(said.toString('utf8')));
    // It ends with this process, and does not keep that from ending.
    shell.unref();
    for (const stream of shell.stdio) if (stream instanceof Socket) stream.unref();
    return shell;
  }

  #silence(): Error {
    return new Error(`whether ${this.path} exists is not told within ${LOOK_MS_MAX / 1_000} s`);
  }
}

/** What keeps the file from being written; empty where nothing is known to. Rejects where that does not show in time. */
export async function faultOfWriting(path: string): Promise<string> {
  return await runShell(LOOK_WHETHER_WRITABLE, [path, dirname(path)], ' '.repeat(USUAL_SIZE), CHECK_MS_MAX);
}

/** Replaces the content of a file, as a whole where it can. Rejects with what the system says, or where that takes too long. */
export async function writeOutside(path: string, text: string): Promise<void> {
  await runShell(REPLACE, [path, dirname(path)], text, WRITE_MS_MAX);
}

/** Gives what the script has written. */
async function runShell(script: string, parameters: readonly string[], input: string, ms: number): Promise<string> {
  const shell = startShell(script, parameters);
  return await new Promise<string>((resolve, reject) => {
    let [said, complained] = ['', ''];
    const timer = setTimeout(() => {
      // Nobody waits for one that cannot be killed at once.
      shell.unref();
      for (const stream of shell.stdio) stream?.destroy();
      shell.kill('SIGKILL');
      reject(new Error(`its file system does not answer within ${ms / 1_000} s`));
    }, ms);
    shell.stdout.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    shell.stderr.on('data', (chunk: Buffer) => (complained += chunk.toString('utf8')));
    shell.on('error', reject);
    shell.on('close', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(said.trim());
      else reject(new Error(complained.trim().replace(/^(?:sh: (?:\d+: )?|cat: (?:write error: )?)/, '')));
    });
    shell.stdin.end(input);
  });
}

function startShell(script: string, parameters: readonly string[]): Shell {
  const shell = spawn('/bin/sh', ['-c', script, 'sh', ...parameters], {
    stdio: 'pipe',
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
  });
  // What it does not read any more is not needed.
  shell.stdin.on('error', () => undefined);
  return shell;
}
